import * as v from "valibot";

import type { Invitee, Role } from "../../chat/model.ts";
import type { UserRecord } from "../../chat/transfer.ts";
import { isRoomId } from "../../chat/validation.ts";
import { foreignUser } from "../foreign-user.ts";
import { describeIssue } from "../issue.ts";
import { conversationName, roomName, userName, verifiableEmail } from "../names.ts";
import { pairOf } from "../pair.ts";
import type { SourceItem } from "../source.ts";
import type { Names } from "./mrkdwn.ts";
import { type ChannelData, channelSchema, userSchema } from "./schemas.ts";

/** Slack began in 2013. Earlier times of creation are placeholders. */
const FIRST_CREATED_S = Date.UTC(2013, 0, 1) / 1000;

/** The files that list what is in an export. Users of an Enterprise Grid stand in org_users.json. */
const USER_FILES = ["users.json", "org_users.json"];
const CHANNEL_FILES = ["channels.json", "groups.json"];
const CONVERSATION_FILES = ["dms.json", "mpims.json"];
export const LIST_FILES: readonly string[] = [...USER_FILES, ...CHANNEL_FILES, ...CONVERSATION_FILES];

interface User {
  invitee: Invitee;
  /** The name that Slack shows, in mentions too. */
  name: string | null;
  admin: boolean;
  /** Whether somebody can sign in as the user: neither a bot nor deactivated. */
  active: boolean;
}

interface Channel extends ChannelData {
  room: string;
  /** The folder with the channel's messages. */
  folder: string;
  /** A direct conversation has no name of its own, and no owner. */
  direct: boolean;
  at: string;
}

/** The users and channels of an export: who and where its messages are from. */
export class Directory implements Names {
  readonly #emails: ReadonlyMap<string, string>;
  readonly #users = new Map<string, User>();
  readonly #channels = new Map<string, Channel>();
  readonly #folders = new Map<string, Channel>();
  readonly #rooms = new Set<string>();
  /** What was found wrong with the lists. */
  readonly #problems: SourceItem[] = [];

  /** `emails`: addresses by user id, for an export without them. */
  constructor(emails: ReadonlyMap<string, string>) {
    this.#emails = emails;
  }

  /** Adds one of the `LIST_FILES`. */
  add(file: string, items: readonly unknown[]): void {
    const isUsers = USER_FILES.includes(file);
    for (const [index, item] of items.entries()) {
      const at = `${file}, item ${index + 1}`;
      const parsed = v.safeParse(isUsers ? userSchema : channelSchema, item);
      if (!parsed.success) this.#problems.push({ at, invalid: describeIssue(parsed.issues[0]) });
      else if ("members" in parsed.output) this.#addChannel(file, at, parsed.output);
      else this.#addUser(parsed.output);
    }
  }

  #addUser({
    id,
    name,
    real_name,
    deleted,
    is_bot,
    is_admin,
    is_owner,
    profile,
  }: v.InferOutput<typeof userSchema>) {
    if (this.#users.has(id)) return;
    const bot = is_bot === true || id === "USLACKBOT";
    const email = bot ? undefined : verifiableEmail(this.#emails.get(id) ?? profile.email);
    this.#users.set(id, {
      invitee: email === undefined ? slackUser(id) : { email },
      name: userName(profile.display_name, profile.real_name, real_name, name),
      admin: is_admin === true || is_owner === true,
      active: deleted !== true && !bot,
    });
  }

  #addChannel(file: string, at: string, channel: ChannelData): void {
    if (this.#channels.has(channel.id)) return;
    const direct = CONVERSATION_FILES.includes(file);
    const name = channel.name ?? "";
    // Room ids have no letters but A to Z. A name that is taken belonged to a channel that was renamed or deleted.
    const named = !direct && isRoomId(name) && !this.#rooms.has(name);
    const room = direct ? `dm-${channel.id}` : named ? name : channel.id;
    const entry = { ...channel, room, folder: name || channel.id, direct, at };
    this.#rooms.add(room);
    this.#channels.set(channel.id, entry);
    if (!this.#folders.has(entry.folder)) this.#folders.set(entry.folder, entry);
  }

  get empty(): boolean {
    return this.#channels.size === 0;
  }

  /** Whether somebody can sign in as one of the users. */
  get hasAddresses(): boolean {
    return this.#users.values().some(({ invitee, active }) => active && "email" in invitee);
  }

  /** The room of a folder with messages. */
  room(folder: string): string | undefined {
    return (this.#folders.get(folder) ?? this.#channels.get(folder))?.room;
  }

  user(id: string): string | undefined {
    return this.#users.get(id)?.name ?? undefined;
  }

  channel(id: string): string | undefined {
    const channel = this.#channels.get(id);
    return channel === undefined ? undefined : channel.name || channel.room;
  }

  invitee(id: string): Invitee {
    return this.#users.get(id)?.invitee ?? slackUser(id);
  }

  /** A record of a user who is not listed, such as a member of another workspace or a bot. Undefined for a known one. */
  introduce(id: string, name: string | null): UserRecord | undefined {
    if (this.#users.has(id)) return undefined;
    const invitee = slackUser(id);
    this.#users.set(id, { invitee, name, admin: false, active: false });
    return foreignUser(invitee, name);
  }

  /** `earliest` returns the first day with messages of a folder, in milliseconds since the epoch. */
  *items(earliest: (folder: string) => number | undefined): Generator<SourceItem> {
    yield* this.#problems;
    for (const [id, { invitee, name }] of this.#users)
      yield { at: `users.json, user ${id}`, record: foreignUser(invitee, name) };
    for (const channel of this.#channels.values()) {
      const { created = 0, creator, room, folder, direct, at } = channel;
      const first = earliest(folder);
      if (direct && first === undefined) {
        yield { at, skipped: "direct conversations without messages" };
        continue;
      }
      const createdAt = created >= FIRST_CREATED_S ? created * 1000 : (first ?? 0);
      const createdBy = creator !== undefined && this.#users.has(creator) ? this.invitee(creator) : null;
      const isConversation = direct && channel.members.every((id) => this.#users.get(id)?.active);
      const pair = isConversation ? pairOf(channel.members.map((id) => this.invitee(id))) : undefined;
      yield {
        at,
        record: {
          type: "room",
          id: room,
          name: this.#nameOf(channel),
          ...(pair && { direct: pair }),
          createdAt,
          createdBy,
          head: null,
        },
      };
      yield* this.#members(channel, createdAt);
    }
  }

  #nameOf({ direct, room, name, members }: Channel): string {
    if (!direct) return roomName(room, name);
    return roomName(room, conversationName(members.map((id) => this.#users.get(id)?.name ?? id)));
  }

  *#members({ room, members, creator, direct, at }: Channel, joinedAt: number): Generator<SourceItem> {
    const roles = new Map<string, { user: Invitee; role: Role }>();
    for (const id of members) {
      const user = this.#users.get(id);
      if (!user?.active) {
        yield { at, skipped: "memberships of bots, deactivated users and other workspaces" };
        continue;
      }
      const key = JSON.stringify(user.invitee);
      const owner = !direct && (user.admin || id === creator);
      if (owner || !roles.has(key)) roles.set(key, { user: user.invitee, role: owner ? "owner" : "member" });
    }
    for (const { user, role } of roles.values())
      yield { at, record: { type: "member", room, user, role, joinedAt } };
  }
}

const slackUser = (id: string): Invitee => ({ sub: `slack:${id}` });
