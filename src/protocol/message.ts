import type { Member, Membership, Message, RoomSummary, User } from "../chat/model.ts";
import type { MemberBody, MessageBody, RoomBody, RoomSummaryBody, UserBody } from "./frames.ts";

/** What `classic` calls `sender_email`: the `sub` of a user without an email. */
export function senderName({ email, id }: User): string {
  return email ?? id ?? "";
}

/** RFC 3339, UTC, in milliseconds. */
export function time(at: number): string {
  return new Date(at).toISOString();
}

/** A user, as he is shown to others. */
export function userBody({ id, email, name }: User): UserBody {
  return { id, email, name };
}

/** A message, as it is shown. A deleted one keeps its `seq`, and loses its text and reactions. */
export function messageBody(message: Message): MessageBody {
  const { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, reactions } = message;
  return {
    seq,
    rev,
    sender: userBody(sender),
    text: text ?? "",
    sent_at: time(sentAt),
    ...(editedAt !== null && { edited_at: time(editedAt) }),
    ...(deletedAt !== null && { deleted_at: time(deletedAt) }),
    ...(replyTo !== null && { reply_to: replyTo }),
    ...(clientId !== null && { client_id: clientId }),
    reactions,
  };
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
