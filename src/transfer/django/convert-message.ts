import type { SourceItem } from "../source.ts";
import { type Collected, hasText, isDeleted } from "./collect.ts";
import { type DumpRecord, isScalar, type Json, placeOf, shown } from "./dump.ts";
import type { MessageMapping } from "./mapping.ts";
import type { ParseTime } from "./time.ts";

/** The item of a message. Its sender counts as used. */
export function convertMessage(
  record: DumpRecord,
  mapping: MessageMapping,
  { people, rooms, withoutText }: Collected,
  parseTime: ParseTime,
): SourceItem {
  const at = placeOf(record);
  const { pk } = record;
  const value = (field: string | null): Json => (field === null ? null : (record.fields[field] ?? null));
  const time = (field: string | null) => parseTime(value(field));
  if (pk === null) return { at, invalid: "has no pk: write the dump without --natural-primary" };
  const room = rooms.find(value(mapping.room));
  if (!room)
    return { at, invalid: `its ${mapping.room} ${shown(value(mapping.room))} is not a room of the dump` };
  if (room.problem !== null) return { at, skipped: "messages of rooms with errors" };
  const senderReference = value(mapping.sender);
  const sender = senderReference === null ? people.deleted : people.find(senderReference);
  if (!sender)
    return { at, invalid: `its ${mapping.sender} ${shown(senderReference)} is not a user of the dump` };
  const sentAt = time(mapping.time);
  if (sentAt === null)
    return { at, invalid: `its ${mapping.time} ${shown(value(mapping.time))} is not a time` };
  const deleted = isDeleted(record, mapping);
  if (!deleted && !hasText(record, mapping)) return { at, skipped: "messages without text" };
  const text = deleted ? null : value(mapping.text);
  if (!(text === null || typeof text === "string"))
    return { at, invalid: `its ${mapping.text} is not a text` };
  sender.used = true;
  const changedAt = time(mapping.updatedAt) ?? sentAt;
  const edited = value(mapping.isEdited) === true;
  const reply = value(mapping.replyTo);
  const repliedTo = isScalar(reply) && !withoutText.has(reply);
  return {
    at,
    record: {
      type: "message",
      room: room.id,
      sender: sender.user,
      text,
      sentAt,
      editedAt: time(mapping.editedAt) ?? (edited ? changedAt : null),
      deletedAt: deleted ? (time(mapping.deletedAt) ?? changedAt) : null,
      replyTo: repliedTo ? { key: String(reply) } : null,
      clientId: String(pk),
      meta: null,
      position: null,
    },
  };
}
