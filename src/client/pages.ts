import type { MemberBody } from "../protocol/frames.ts";
import type { HttpClient } from "./http-client.ts";
import type { Message } from "./messages.ts";

/** The largest pages that the server sends. */
export const MESSAGES_PAGE_SIZE = 100;
const MEMBERS_PAGE_SIZE = 1_000;

/** Reads up to `limit` messages before a `seq`, oldest first. */
export async function readOlder(
  http: HttpClient,
  room: string,
  before: number,
  limit: number,
): Promise<Message[]> {
  const query = { before, limit };
  const path = ["rooms", room, "messages"];
  return (await http.request<{ messages: Message[] }>("GET", path, { query })).messages;
}

/** Reads all members of a room, page by page. */
export async function readMembers(http: HttpClient, room: string): Promise<MemberBody[]> {
  const members: MemberBody[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { limit: MEMBERS_PAGE_SIZE, cursor };
    const page: { members: MemberBody[]; next: string | null } = await http.request(
      "GET",
      ["rooms", room, "members"],
      { query },
    );
    members.push(...page.members);
    cursor = page.next;
  } while (cursor);
  return members;
}
