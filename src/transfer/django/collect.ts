import { isVisible } from "../../chat/validation.ts";
import type { Dump, DumpRecord, Json, Key } from "./dump.ts";
import type { Mapping, MessageMapping } from "./mapping.ts";
import { People } from "./people.ts";
import { Rooms } from "./rooms.ts";
import type { ParseTime } from "./time.ts";

/** What must be known of a dump before its records can be converted. It holds users and rooms, but no messages. */
export interface Collected {
  people: People;
  rooms: Rooms;
  /** Primary keys of messages without text, which are not imported: others may reply to them. */
  withoutText: ReadonlySet<Key>;
}

export async function collect(dump: Dump, mapping: Mapping, parseTime: ParseTime): Promise<Collected> {
  const people = new People(mapping.users, mapping.profiles);
  const rooms = new Rooms(mapping.rooms, parseTime);
  const withoutText = new Set<Key>();
  const firstMessages = new Map<string, { room: Json; time: number }>();
  const { messages, profiles } = mapping;
  const needsMessages = messages.replyTo !== null || mapping.rooms.createdAt === null;
  const wanted = new Set([
    mapping.profiles?.model,
    mapping.users.model,
    mapping.rooms.model,
    ...(needsMessages ? [messages.model] : []),
  ]);
  for await (const records of dump.read((model) => wanted.has(model))) {
    for (const record of records) {
      if (record.model === mapping.users.model) people.add(record);
      if (profiles && record.model === profiles.model) people.addProfile(record, profiles);
      if (record.model === mapping.rooms.model) rooms.add(record);
      if (record.model !== messages.model) continue;
      if (messages.replyTo !== null && !hasText(record, messages) && !isDeleted(record, messages))
        withoutText.add(record.pk ?? "");
      if (mapping.rooms.createdAt !== null) continue;
      const room = record.fields[messages.room] ?? null;
      const time = parseTime(record.fields[messages.time]);
      const first = firstMessages.get(JSON.stringify(room));
      if (time !== null && !(first && first.time <= time))
        firstMessages.set(JSON.stringify(room), { room, time });
    }
  }
  for (const { room, time } of firstMessages.values()) {
    const found = rooms.find(room);
    if (found) found.firstMessageAt = time;
  }
  return { people, rooms, withoutText };
}

/** Whether a message has a text that its readers see, or a value that is no text at all, which is an error. */
export function hasText({ fields }: DumpRecord, { text }: MessageMapping): boolean {
  const value = fields[text] ?? null;
  return typeof value === "string" ? isVisible(value) : value !== null;
}

export function isDeleted({ fields }: DumpRecord, { isDeleted: flag, deletedAt }: MessageMapping): boolean {
  return (
    (flag !== null && fields[flag] === true) || (deletedAt !== null && (fields[deletedAt] ?? null) !== null)
  );
}
