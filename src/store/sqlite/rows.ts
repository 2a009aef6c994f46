import type { Message, Reaction, User, UserKey } from "../../chat/model.ts";
import type { CreatedRow, MessageRow, Queries, UserRow } from "./queries.ts";

const noReactions: readonly Reaction[] = [];

export function toUser(row: UserRow | undefined): User | undefined {
  return row && { key: row[0], id: row[1], email: row[2], name: row[3] };
}

/** Messages with their senders, each of whom is looked up once. */
export function toMessages(
  { userByKey }: Pick<Queries, "userByKey">,
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
    const reactions = json === null ? noReactions : (JSON.parse(json) as Reaction[]);
    return { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, reactions };
  });
}
