import type { Invitee } from "../chat/model.ts";
import type { MessageRef, TransferRecord } from "../chat/transfer.ts";

/** The line of a record, without its end. Keys without a value are left out. */
export function encodeLine(record: TransferRecord): string {
  return JSON.stringify(toLine(record));
}

function toLine(record: TransferRecord): object {
  const { type } = record;
  switch (type) {
    case "user": {
      const { user, name, email, emails, signedIn } = record;
      return {
        type,
        ...("sub" in user && { id: user.sub }),
        email: "email" in user ? user.email : given(email),
        name: given(name),
        emails: emails.length > 0 ? emails : undefined,
        signed_in: signedIn || undefined,
      };
    }
    case "room": {
      const { id, name, createdAt, createdBy, head } = record;
      return {
        type,
        id,
        name,
        created_at: time(createdAt),
        created_by: createdBy ? ref(createdBy) : undefined,
        seq: head?.seq,
        rev: head?.rev,
      };
    }
    case "member": {
      const { room, user, role, joinedAt } = record;
      return { type, room, user: ref(user), role, joined_at: time(joinedAt) };
    }
    case "message": {
      const { room, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, position } = record;
      return {
        type,
        room,
        seq: position?.seq,
        rev: position?.rev,
        changed_rev: given(position?.changedRev ?? null),
        sender: ref(sender),
        text: given(text),
        sent_at: time(sentAt),
        edited_at: editedAt === null ? undefined : time(editedAt),
        deleted_at: deletedAt === null ? undefined : time(deletedAt),
        reply_to: replyTo === null ? undefined : messageRef(replyTo),
        client_id: given(clientId),
      };
    }
    case "reaction": {
      const { room, message, emoji, user } = record;
      return { type, room, message: messageRef(message), emoji, user: ref(user) };
    }
    case "read": {
      const { room, user, seq } = record;
      return { type, room, user: ref(user), seq };
    }
  }
}

/** `JSON.stringify` leaves out undefined values, not null. */
const given = <T>(value: T | null) => value ?? undefined;
const ref = (user: Invitee) => ("sub" in user ? { id: user.sub } : user);
const messageRef = (message: MessageRef) => ("seq" in message ? message.seq : message.key);
/** RFC 3339, in UTC with milliseconds. */
const time = (at: number) => new Date(at).toISOString();
