import * as v from "valibot";

import type { MemberRecord } from "../../chat/transfer.ts";
import { describeIssue } from "../issue.ts";
import { DiskQueue, MessageKeys } from "../message-keys.ts";
import type { SourceItem } from "../source.ts";
import { convertMessage } from "./message.ts";
import { People } from "./people.ts";
import { channelRoom, Rooms } from "./rooms.ts";
import {
  botSchema,
  channelSchema,
  directChannelSchema,
  directPostSchema,
  type LineData,
  type MessageData,
  messageSchema,
  postSchema,
  userSchema,
} from "./schemas.ts";

/** Kinds of lines with nothing that Parley has. */
const IGNORED = new Set(["team", "role", "scheme", "emoji"]);

/** What has been read of an export. Rooms and members come last, when the oldest message of each room is known. */
export class ExportReader implements Disposable {
  readonly #people = new People();
  readonly #rooms = new Rooms();
  readonly #keys = new MessageKeys();
  readonly #members = new DiskQueue<{ at: string; record: MemberRecord }>();
  /** When the export was made. */
  #exportedAt = 0;
  #posts = false;

  *items(at: string, line: LineData): Generator<SourceItem> {
    try {
      yield* this.#read(at, line);
    } catch (error) {
      if (!(error instanceof InvalidLine)) throw error;
      yield { at, invalid: error.message };
    }
  }

  *#read(at: string, line: LineData): Generator<SourceItem> {
    switch (line.type) {
      case "version":
        this.#exportedAt = exportTime(line["info"]);
        break;
      case "channel":
        this.#channel(at, line["channel"]);
        break;
      case "user":
        yield* this.#user(at, line["user"]);
        break;
      case "bot":
        yield* this.#bot(at, line["bot"]);
        break;
      case "direct_channel":
        yield* this.#directChannel(at, line["direct_channel"]);
        break;
      case "post":
        yield* this.#post(at, line["post"]);
        break;
      case "direct_post":
        yield* this.#directPost(at, line["direct_post"]);
        break;
      default:
        if (!IGNORED.has(line.type)) yield { at, skipped: "lines of unknown kinds" };
    }
  }

  *end(): Generator<SourceItem> {
    yield* this.#rooms.items(this.#exportedAt);
    for (const { at, record } of this.#members.values()) {
      const joinedAt = this.#rooms.createdAt(record.room, this.#exportedAt);
      if (!this.#rooms.isUnused(record.room)) yield { at, record: { ...record, joinedAt } };
    }
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
    this.#members[Symbol.dispose]();
  }

  #channel(at: string, value: unknown): void {
    const { team, name, display_name } = parseLine(channelSchema, value);
    this.#rooms.addChannel(at, team, name, display_name);
  }

  *#user(at: string, value: unknown): Generator<SourceItem> {
    const parsed = parseLine(userSchema, value);
    // Until then their posts would have been kept as those of a user without an address.
    if (this.#posts) throw new InvalidLine("This user comes after posts. Users must come before them.");
    const { username, teams } = parsed;
    yield { at, record: this.#people.addUser(parsed) };
    for (const team of teams) {
      for (const { name, roles = "" } of team.channels)
        yield* this.#member(
          at,
          channelRoom(team.name, name),
          username,
          roles.split(" ").includes("channel_admin"),
        );
    }
  }

  *#member(at: string, room: string, username: string, owner: boolean): Generator<SourceItem> {
    if (!this.#people.isActive(username)) yield { at, skipped: "memberships of bots and deactivated users" };
    else if (!this.#rooms.has(room))
      yield { at, skipped: "memberships of channels that are not in the file" };
    else {
      const role = owner ? "owner" : "member";
      this.#members.add({
        at,
        record: { type: "member", room, user: this.#people.user(username), role, joinedAt: 0 },
      });
    }
  }

  *#bot(at: string, value: unknown): Generator<SourceItem> {
    const { username, display_name } = parseLine(botSchema, value);
    const record = this.#people.addBot(username, display_name);
    if (record !== undefined) yield { at, record };
  }

  *#directChannel(at: string, value: unknown): Generator<SourceItem> {
    const { members, participants } = parseLine(directChannelSchema, value);
    yield* this.#conversation(at, [...members, ...participants.map(({ username }) => username)]);
  }

  *#conversation(at: string, usernames: readonly string[]): Generator<SourceItem, string> {
    const { id, added } = this.#rooms.addConversation(at, usernames, this.#people);
    if (added) for (const username of new Set(usernames)) yield* this.#member(at, id, username, false);
    return id;
  }

  *#post(at: string, value: unknown): Generator<SourceItem> {
    const parsed = parseLine(postSchema, value);
    const room = channelRoom(parsed.team, parsed.channel);
    if (!this.#rooms.has(room)) yield { at, skipped: "posts of channels that are not in the file" };
    else yield* this.#thread(at, room, parsed, parsed.replies);
  }

  *#directPost(at: string, value: unknown): Generator<SourceItem> {
    const parsed = parseLine(directPostSchema, value);
    const room = yield* this.#conversation(at, parsed.channel_members);
    yield* this.#thread(at, room, parsed, parsed.replies);
  }

  *#thread(at: string, room: string, post: MessageData, replies: readonly unknown[]): Generator<SourceItem> {
    this.#posts = true;
    const root = yield* this.#message(at, room, post, null);
    for (const [index, value] of replies.entries()) {
      const place = `${at}, reply ${index + 1}`;
      const parsed = v.safeParse(messageSchema, value);
      if (parsed.success) yield* this.#message(place, room, parsed.output, root);
      else yield { at: place, invalid: describeIssue(parsed.issues[0]) };
    }
  }

  *#message(
    at: string,
    room: string,
    data: MessageData,
    root: string | null,
  ): Generator<SourceItem, string | null> {
    const { items, key } = convertMessage(data, root, { at, room, people: this.#people, keys: this.#keys });
    if (key !== null) this.#rooms.sentAt(room, data.create_at);
    yield* items;
    return key;
  }
}

function exportTime(info: unknown): number {
  const created = typeof info === "object" && info !== null && "created" in info ? info.created : undefined;
  const time = typeof created === "string" ? Date.parse(created) : Number.NaN;
  return time >= 0 ? time : 0;
}

class InvalidLine extends Error {}

function parseLine<const Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) throw new InvalidLine(describeIssue(parsed.issues[0]));
  return parsed.output;
}
