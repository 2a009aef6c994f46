import type { RoomKey, UserKey } from "../../chat/model.ts";
import type { MessagePosition } from "../../chat/transfer.ts";
import type { Statements } from "./statements.ts";

/** A message of an import, as it is stored. */
export interface ImportedMessage extends MessagePosition {
  sender: UserKey;
  text: string | null;
  sentAt: number;
  editedAt: number | null;
  deletedAt: number | null;
  replyTo: number | null;
  clientId: string | null;
  meta: string | null;
  reactions: string | null;
}

/** Returns false when another message of the room has its `changedRev`, or its `clientId` and sender. */
export function insertMessage(statements: Statements, room: RoomKey, message: ImportedMessage): boolean {
  const inserted = statements.run(
    `INSERT OR IGNORE INTO main.messages (room_pk, seq, created_rev, changed_rev, sender_pk, text, sent_at, edited_at, deleted_at,
      reply_to, client_id, meta, reactions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    room,
    message.seq,
    message.rev,
    message.changedRev,
    message.sender,
    message.text,
    message.sentAt,
    message.editedAt,
    message.deletedAt,
    message.replyTo,
    message.clientId,
    message.meta,
    message.reactions,
  );
  return inserted > 0;
}
