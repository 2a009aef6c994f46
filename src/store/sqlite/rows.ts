import type { Message, Reaction, Role, RoomKey, User, UserKey } from "../../chat/model.ts";

/** Rows of the compiled queries, in the order of their selections. */

export type UserRow = [key: number, id: string | null, email: string | null, name: string | null];
export type HeadRow = [seq: number, rev: number];
export type SentRow = [
  seq: number,
  rev: number,
  text: string | null,
  replyTo: number | null,
  editedAt: number | null,
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
];
/** A message with the `rev` at which it was created. */
export type CreatedRow = [...MessageRow, createdRev: number];
/** Positions of columns in a `MessageRow` and a `CreatedRow`. */
export const REV = 1;
export const CREATED_REV = 10;

type RoomRow = [key: RoomKey, id: string, name: string, seq: number, rev: number, createdAt: number];
export type MembershipRow = [...RoomRow, role: Role | null];
export type SummaryRow = [
  ...RoomRow,
  role: Role,
  read: number,
  deletedAfterRead: number,
  ...Nullable<MessageRow>,
];
/** The columns of a left join. */
type Nullable<Row> = { [Column in keyof Row]: Row[Column] | null };

export function isMessage(row: Nullable<MessageRow>): row is MessageRow {
  return row[0] !== null;
}

const NO_REACTIONS: readonly Reaction[] = [];

export function toUser(row: UserRow | undefined): User | undefined {
  return row && { key: row[0], id: row[1], email: row[2], name: row[3] };
}

/** Messages with their senders. Each sender is looked up once. */
export function toMessages(
  { userByKey }: { userByKey: { get(values: { key: UserKey }): UserRow | undefined } },
  rows: readonly (MessageRow | CreatedRow)[],
): Message[] {
  const senders = new Map<UserKey, User>();
  return rows.map((row) => {
    const [seq, rev, key, text, sentAt, editedAt, deletedAt, replyTo, clientId, json] = row;
    let sender = senders.get(key);
    if (!sender) {
      sender = toUser(userByKey.get({ key })) ?? { key, id: null, email: null, name: null };
      senders.set(key, sender);
    }
    const reactions = json === null ? NO_REACTIONS : (JSON.parse(json) as Reaction[]);
    return { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, reactions };
  });
}
