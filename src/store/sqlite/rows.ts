import type {
  Access,
  Membership,
  Message,
  Posting,
  Reaction,
  Role,
  Room,
  RoomKey,
  User,
  UserKey,
} from "../../chat/model.ts";
import type { Candidate } from "../../chat/search-index.ts";

/** Rows of the compiled queries, in the order of their selections. */

export type UserRow = [key: number, id: string | null, email: string | null, name: string | null];
/** `isReadOnly` is 1 where only moderators and owners post. */
export type HeadRow = [seq: number, rev: number, isReadOnly: number, slowMode: number];
/** `mutedUntil` is -1 for a mute without an end, and null without a mute. */
export type StandingRow = [role: Role | null, mutedUntil: number | null];
export type SentRow = [
  seq: number,
  rev: number,
  text: string | null,
  replyTo: number | null,
  editedAt: number | null,
  meta: string | null,
];
export type MessageRow = [
  seq: number,
  rev: number,
  sender: UserKey,
  text: string | null,
  sentAt: number,
  editedAt: number | null,
  deletedAt: number | null,
  replyTo: number | null,
  clientId: string | null,
  reactions: string | null,
  meta: string | null,
  mentions: string | null,
];
/** A message with the `rev` at which it was created. */
export type CreatedRow = [...MessageRow, createdRev: number];
/** Positions of columns in a `MessageRow` and a `CreatedRow`. */
export const REV = 1;
const SENDER = 2;
export const CREATED_REV = 12;

export type RoomRow = [
  key: RoomKey,
  id: string,
  name: string,
  access: Access,
  posting: Posting,
  slowMode: number,
  seq: number,
  rev: number,
  createdAt: number,
];
export type MembershipRow = [...RoomRow, role: Role | null];
/** `other` is the other user of a direct conversation; of two, for a user who is not a member. */
export type EntranceRow = [...MembershipRow, other: UserKey | null];
/** What changes in a room list. `role` is an index of `roles`. */
export type EntryRow = [
  key: RoomKey,
  seq: number,
  rev: number,
  role: number,
  read: number,
  deletedAfterRead: number,
  mentions: number,
  other: UserKey | null,
];
/** A message with its room and its sender. */
export type LastMessageRow = [...MessageRow, room: RoomKey, ...UserRow];
/** A message that was found by the search index, with the id of its room and its position. */
export type CandidateRow = [...LastMessageRow, roomId: string, position: number];

const NO_REACTIONS: readonly Reaction[] = [];

export function toUser(row: UserRow | undefined): User | undefined {
  return row && { key: row[0], id: row[1], email: row[2], name: row[3] };
}

interface UserQueries {
  userByKey: { get(values: { key: UserKey }): UserRow | undefined };
  usersByKey: { all(values: { keys: string }): UserRow[] };
}

/** Messages with their senders, who are read with one statement. Messages of one sender share the object. */
export function toMessages(
  { userByKey, usersByKey }: UserQueries,
  rows: readonly (MessageRow | CreatedRow)[],
): Message[] {
  const senders = new Map<UserKey, User>();
  for (const row of rows) {
    const key = row[SENDER];
    if (!senders.has(key)) senders.set(key, { key, id: null, email: null, name: null });
  }
  const keys = [...senders.keys()];
  const [first] = keys;
  const found =
    first !== undefined && keys.length === 1
      ? [userByKey.get({ key: first })]
      : usersByKey.all({ keys: JSON.stringify(keys) });
  for (const row of found) {
    const user = toUser(row);
    if (user) senders.set(user.key, user);
  }
  return rows.map((row) => toMessage(row, senders.get(row[SENDER]) as User));
}

/** Messages by room, with their senders. Rows of one sender share the object. */
export function toLastMessages(rows: readonly LastMessageRow[]): Map<RoomKey, Message> {
  const senders = new Map<UserKey, User>();
  return new Map(
    rows.map((row) => {
      const [, , , , , , , , , , , , room, key, id, email, name] = row;
      const sender = senders.get(key) ?? { key, id, email, name };
      senders.set(key, sender);
      return [room, toMessage(row, sender)];
    }),
  );
}

/** Messages that were found. Rows of one sender share the object. */
export function toCandidates(rows: readonly CandidateRow[]): Candidate[] {
  const senders = new Map<UserKey, User>();
  return rows.map((row) => {
    const [, , , , , , , , , , , , room, key, id, email, name, roomId, position] = row;
    const sender = senders.get(key) ?? { key, id, email, name };
    senders.set(key, sender);
    return { position, room: { key: room, id: roomId }, message: toMessage(row, sender) };
  });
}

function toMessage(row: readonly [...MessageRow, ...unknown[]], sender: User): Message {
  const [seq, rev, , text, sentAt, editedAt, deletedAt, replyTo, clientId, json, meta, mentions] = row;
  const reactions = json === null ? NO_REACTIONS : (JSON.parse(json) as Reaction[]);
  return {
    seq,
    rev,
    sender,
    text,
    sentAt,
    editedAt,
    deletedAt,
    replyTo,
    clientId,
    meta,
    mentions,
    reactions,
  };
}

export function toMembership(row: readonly [...MembershipRow, ...unknown[]]): Membership {
  return { room: toRoom(row), role: row[9] };
}

export function toRoom(row: readonly [...RoomRow, ...unknown[]]): Room {
  const [key, id, name, access, posting, slowMode, seq, rev, createdAt] = row;
  return { key, id, name, access, posting, slowMode, seq, rev, createdAt };
}
