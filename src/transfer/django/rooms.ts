import { isRoomId, isVisible, ROOM_ID_RULE } from "../../chat/validation.ts";
import { type DumpRecord, isScalar, type Json, type Key, placeOf } from "./dump.ts";
import type { RoomMapping } from "./mapping.ts";
import { isFilled, naturalKey, type Person, textOf } from "./people.ts";
import type { ParseTime } from "./time.ts";

/** A room of the old application. */
export interface DumpRoom {
  at: string;
  id: string;
  /** Null for a room that is named after its members. */
  name: string | null;
  createdAt: number | null;
  createdBy: Json;
  owner: Json;
  moderators: Json;
  /** The sending time of the room's oldest message. */
  firstMessageAt: number | null;
  /** Members who have an item of their own already. */
  members: Set<Person>;
  /** Why the room cannot be imported. */
  problem: string | null;
}

/** The rooms of a dump, by primary key and by natural key. */
export class Rooms {
  readonly #mapping: RoomMapping;
  readonly #parseTime: ParseTime;
  readonly #byKey = new Map<Key, DumpRoom>();
  /** Null for a natural key that several rooms share. */
  readonly #byNaturalKey = new Map<string, DumpRoom | null>();
  readonly #byId = new Map<string, DumpRoom>();
  /** By the record's number in the file. */
  readonly #byNumber = new Map<number, DumpRoom>();

  constructor(mapping: RoomMapping, parseTime: ParseTime) {
    this.#mapping = mapping;
    this.#parseTime = parseTime;
  }

  add(record: DumpRecord): void {
    const room = this.#read(record);
    const { fields, pk } = record;
    this.#byNumber.set(record.number, room);
    if (pk !== null) this.#byKey.set(pk, room);
    for (const field of this.#mapping.naturalKeys) {
      const value = fields[field];
      if (!isFilled(value)) continue;
      const key = naturalKey([value]);
      const other = this.#byNaturalKey.get(key);
      this.#byNaturalKey.set(key, other === undefined || other === room ? room : null);
    }
    const other = this.#byId.get(room.id);
    if (room.id === "") room.problem = "has no id: name the field of the room's id with --room-id";
    else if (!isRoomId(room.id))
      room.problem = `the id ${JSON.stringify(room.id)} is no room id. ${ROOM_ID_RULE}`;
    else if (other) room.problem = `has the same id as ${other.at}: ${room.id}`;
    else this.#byId.set(room.id, room);
  }

  /** The room that a field names: by primary key, by natural key, or by slug or name. */
  find(reference: Json): DumpRoom | undefined {
    if (Array.isArray(reference)) return this.#byNaturalKey.get(naturalKey(reference)) ?? undefined;
    if (!isScalar(reference)) return undefined;
    return this.#byKey.get(reference) ?? this.#byNaturalKey.get(naturalKey([reference])) ?? undefined;
  }

  /** The room of a record that was added. */
  of(record: DumpRecord): DumpRoom | undefined {
    return this.#byNumber.get(record.number);
  }

  #read(record: DumpRecord): DumpRoom {
    const { fields } = record;
    const field = (name: string | null) => (name === null ? null : (fields[name] ?? null));
    const { name, createdAt, createdBy, owner, moderators } = this.#mapping;
    const title = textOf(field(name));
    return {
      at: placeOf(record),
      id: this.#idOf(record),
      name: isVisible(title) ? title : null,
      createdAt: this.#parseTime(field(createdAt)),
      createdBy: field(createdBy),
      owner: field(owner),
      moderators: field(moderators),
      firstMessageAt: null,
      members: new Set(),
      problem: null,
    };
  }

  #idOf({ pk, fields }: DumpRecord): string {
    return this.#mapping.id === null ? String(pk ?? "") : textOf(fields[this.#mapping.id]);
  }
}
