import type { Member, Membership, Message, RoomSummary, User } from "../chat/model.ts";
import type { MemberBody, MessageBody, RoomBody, RoomSummaryBody, UserBody } from "./frames.ts";

/** What `classic` calls `sender_email`: the `sub` of a user without an email. */
export function senderName({ email, id }: User): string {
  return email ?? id ?? "";
}

let lastTime = { at: Number.NaN, text: "" };

/** RFC 3339, UTC, in milliseconds. The last one is kept: the messages of a batch have it in common. */
export function time(at: number): string {
  if (at !== lastTime.at) lastTime = { at, text: new Date(at).toISOString() };
  return lastTime.text;
}

/** A user, as he is shown to others. */
export function userBody({ id, email, name }: User): UserBody {
  return { id, email, name };
}

/** Users as they were encoded: a connection's user is the same object for all that he sends. */
const senders = new WeakMap<User, string>();

function encodeSender(user: User): string {
  let encoded = senders.get(user);
  if (encoded === undefined) senders.set(user, (encoded = JSON.stringify(userBody(user))));
  return encoded;
}

/**
 * A message, as it is shown: the JSON of a `MessageBody`. A deleted one keeps its `seq`, and loses its text and
 * reactions. By hand, since every change is encoded so: it takes a quarter of what an object for `JSON.stringify` does.
 */
export function encodeMessage(message: Message): string {
  const { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, reactions } = message;
  let rest = "";
  if (editedAt !== null) rest += `,"edited_at":"${time(editedAt)}"`;
  if (deletedAt !== null) rest += `,"deleted_at":"${time(deletedAt)}"`;
  if (replyTo !== null) rest += `,"reply_to":${replyTo}`;
  if (clientId !== null) rest += `,"client_id":${JSON.stringify(clientId)}`;
  const by = reactions.length > 0 ? JSON.stringify(reactions) : "[]";
  return `{"seq":${seq},"rev":${rev},"sender":${encodeSender(sender)},"text":${JSON.stringify(text ?? "")},"sent_at":"${time(sentAt)}"${rest},"reactions":${by}}`;
}

export function messageBody(message: Message): MessageBody {
  return JSON.parse(encodeMessage(message)) as MessageBody;
}

export function roomBody({ room: { id, name, seq, rev, createdAt }, role }: Membership): RoomBody {
  return { id, name, role, seq, rev, created_at: time(createdAt) };
}

export function summaryBody(summary: RoomSummary): RoomSummaryBody {
  const { unread, lastMessage } = summary;
  return { ...roomBody(summary), unread, last_message: lastMessage && messageBody(lastMessage) };
}

export function memberBody({ user, role, joinedAt }: Member): MemberBody {
  return { ...userBody(user), role, joined_at: time(joinedAt) };
}
