import type { Role } from "../../chat/model.ts";
import { foreignUser } from "../foreign-user.ts";
import type { SourceItem } from "../source.ts";
import type { Collected } from "./collect.ts";
import { convertMessage } from "./convert-message.ts";
import { type DumpRecord, type Json, placeOf, shown } from "./dump.ts";
import type { Mapping, MemberMapping } from "./mapping.ts";
import { roleOf, whyNoMember } from "./membership.ts";
import type { Person } from "./people.ts";
import type { DumpRoom } from "./rooms.ts";
import type { ParseTime } from "./time.ts";

/** Members whose names make the name of a room that has none. */
const MAX_NAMES_IN_ROOM_NAME = 3;
const MAX_ROOM_NAME_LENGTH = 200;

export interface ConversionOptions {
  addSenders: boolean;
  parseTime: ParseTime;
  /** The time of creation of rooms of which nothing better is known. */
  fallbackTime: number;
}

/** Turns the records of a dump into those of a chat. */
export class Conversion {
  readonly #mapping: Mapping;
  readonly #collected: Collected;
  readonly #options: ConversionOptions;
  /** Rooms that are named after members who are not known yet. */
  readonly #unnamed: DumpRoom[] = [];

  constructor(mapping: Mapping, collected: Collected, options: ConversionOptions) {
    this.#mapping = mapping;
    this.#collected = collected;
    this.#options = options;
  }

  /** Whether records of a model become items. */
  needs(model: string): boolean {
    const { messages, rooms, members } = this.#mapping;
    return [messages.model, rooms.model, members?.model].includes(model);
  }

  /** Yields the items of one record, without those of the users whom it names. */
  *convert(record: DumpRecord): Generator<SourceItem> {
    const { messages, rooms, members } = this.#mapping;
    if (record.model === messages.model) yield* this.#message(record);
    else if (record.model === rooms.model) yield* this.#room(record);
    else if (members && record.model === members.model) yield* this.#member(record, members);
  }

  /** Yields what is known when all records are converted: the users who take part, and rooms named after their members. */
  *end(): Generator<SourceItem> {
    for (const room of this.#unnamed) yield this.#roomItem(room);
    for (const { at, user, name, email, problem } of this.#collected.people.used()) {
      if (problem !== null) yield { at, invalid: problem };
      yield { at, record: foreignUser(user, name, email) };
    }
  }

  *#message(record: DumpRecord): Generator<SourceItem> {
    const { messages } = this.#mapping;
    const { people, rooms } = this.#collected;
    const { addSenders, parseTime } = this.#options;
    const item = convertMessage(record, messages, this.#collected, parseTime);
    yield item;
    if (!(addSenders && "record" in item && item.record.type === "message")) return;
    const sender = people.find(record.fields[messages.sender] ?? null);
    const room = rooms.find(record.fields[messages.room] ?? null);
    if (sender && room) yield* this.#join(item.at, room, sender, null, item.record.sentAt);
  }

  *#room(record: DumpRecord): Generator<SourceItem> {
    const { people, rooms } = this.#collected;
    const room = rooms.of(record);
    if (!room) return;
    if (room.problem !== null) {
      yield { at: room.at, invalid: room.problem };
      return;
    }
    for (const reference of this.#participants(record)) {
      const person = people.find(reference);
      if (person) yield* this.#join(room.at, room, person, null, this.#createdAt(room));
      else yield { at: room.at, invalid: `participant ${shown(reference)} is not a user of the dump` };
    }
    // With a model of members, or with senders as members, these may come later in the file.
    if (room.name === null && (this.#mapping.members || this.#options.addSenders)) this.#unnamed.push(room);
    else yield this.#roomItem(room);
  }

  #roomItem(room: DumpRoom): SourceItem {
    const name = room.name ?? (nameAfter([...room.members]) || room.id);
    const creator = this.#collected.people.find(room.createdBy);
    if (creator) creator.used = true;
    const createdAt = this.#createdAt(room);
    const createdBy = creator?.user ?? null;
    return { at: room.at, record: { type: "room", id: room.id, name, createdAt, createdBy, head: null } };
  }

  #createdAt({ createdAt, firstMessageAt }: DumpRoom): number {
    return createdAt ?? firstMessageAt ?? this.#options.fallbackTime;
  }

  #participants({ fields }: DumpRecord): Json[] {
    const { people } = this.#collected;
    return this.#mapping.rooms.participants.flatMap((name) => {
      const value = fields[name] ?? null;
      if (value === null) return [];
      // A list is one user's natural key, or has an item for each user.
      const isList =
        Array.isArray(value) && (value.some((item) => people.hasKey(item)) || !people.find(value));
      return isList ? value : [value];
    });
  }

  *#member(record: DumpRecord, mapping: MemberMapping): Generator<SourceItem> {
    const at = placeOf(record);
    const value = (field: string) => record.fields[field] ?? null;
    const room = this.#collected.rooms.find(value(mapping.room));
    const person = this.#collected.people.find(value(mapping.user));
    const reason = whyNoMember(record, mapping);
    if (reason !== null) yield { at, skipped: reason };
    else if (!room)
      yield { at, invalid: `its ${mapping.room} ${shown(value(mapping.room))} is not a room of the dump` };
    else if (room.problem !== null) yield { at, skipped: "memberships of rooms with errors" };
    else if (!person)
      yield { at, invalid: `its ${mapping.user} ${shown(value(mapping.user))} is not a user of the dump` };
    else {
      const joinedAt = mapping.joinedAt === null ? null : this.#options.parseTime(value(mapping.joinedAt));
      yield* this.#join(at, room, person, roleOf(record, mapping), joinedAt ?? this.#createdAt(room));
    }
  }

  /** Makes a person a member, once. `role` is null when only the room can say what it is. */
  *#join(
    at: string,
    room: DumpRoom,
    person: Person,
    role: Role | null,
    joinedAt: number,
  ): Generator<SourceItem> {
    if (room.members.has(person)) return;
    room.members.add(person);
    if (!person.active) {
      yield { at, skipped: "memberships of disabled accounts" };
      return;
    }
    person.used = true;
    const ranked = role ?? this.#roleIn(room, person);
    yield { at, record: { type: "member", room: room.id, user: person.user, role: ranked, joinedAt } };
  }

  #roleIn(room: DumpRoom, person: Person): Role {
    const { people } = this.#collected;
    if (people.find(room.owner) === person) return "owner";
    const moderators = Array.isArray(room.moderators) ? room.moderators : [];
    return moderators.some((reference) => people.find(reference) === person) ? "moderator" : "member";
  }
}

/** `Ana Novak, Bob and 3 more`. Empty when nobody has a name. */
function nameAfter(members: readonly Person[]): string {
  const names = members.map(({ name, email }) => name ?? email).filter((name) => name !== null);
  const first = names.slice(0, MAX_NAMES_IN_ROOM_NAME).join(", ");
  const others = names.length - MAX_NAMES_IN_ROOM_NAME;
  return (others > 0 ? `${first} and ${others} more` : first).slice(0, MAX_ROOM_NAME_LENGTH);
}
