import type { Message, User } from "../chat/model.ts";

/** What `classic` calls `sender_email`: the `sub` of a user without an email. */
export function senderName({ email, id }: User): string {
  return email ?? id ?? "";
}

/** RFC 3339, UTC, in milliseconds. */
export function time(at: number): string {
  return new Date(at).toISOString();
}

/** A user, as he is shown to others. */
export function userBody({ id, email, name }: User) {
  return { id, email, name };
}

/** A message, as the HTTP API shows it. A deleted one keeps its `seq`, and loses its text. */
export function messageBody(message: Message) {
  const { seq, rev, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId } = message;
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
    reactions: [],
  };
}
