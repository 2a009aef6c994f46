import { DEV_ROOM } from "../../auth/dev-issuer.ts";
import type { Chat } from "../../chat/chat.ts";
import { ChatError } from "../../chat/errors.ts";
import { operator } from "../../chat/model.ts";
import { isEmail, normalizeEmail } from "../../chat/validation.ts";

/** Users that the sign-in page lists. */
const MAX_LISTED_USERS = 12;

/** A name stands for an address at example.com. Undefined if it can't. */
export function emailOf(user: string | undefined): string | undefined {
  const text = user?.trim() ?? "";
  const email = normalizeEmail(text.includes("@") ? text : `${text.replace(/\s+/g, ".")}@example.com`);
  return isEmail(email) ? email : undefined;
}

/** The room that every user of the development issuer is let into. */
export class Lobby {
  constructor(private readonly chat: Pick<Chat, "rooms">) {}

  /** Emails of some of its members. */
  async emails(): Promise<string[]> {
    const members = await this.#members();
    return members.flatMap(({ user }) => user.email ?? []).slice(0, MAX_LISTED_USERS);
  }

  /** Makes a user a member, unless they are one, or banned. */
  async admit(email: string): Promise<void> {
    const members = await this.#members();
    // A member keeps their role.
    if (members.some(({ user }) => user.email === email)) return;
    await this.chat.rooms.setMember(operator, DEV_ROOM, { email }, "member").catch(ignoreRefusal);
  }

  /** None, if somebody has deleted it. */
  async #members() {
    return this.chat.rooms.members(operator, DEV_ROOM).catch((error: unknown) => {
      ignoreRefusal(error);
      return [];
    });
  }
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ChatError)) throw error;
}
