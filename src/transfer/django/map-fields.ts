import { SourceError } from "../source.ts";
import type { MappingOptions, MemberMapping, MessageMapping, RoomMapping, UserMapping } from "./mapping.ts";
import {
  CREATED_AT,
  JOINED_AT,
  MEMBER_FIELDS,
  MEMBERSHIP_ENDS,
  MESSAGE_FIELDS,
  type Names,
  PAIRS,
  plain,
  ROOM_FIELDS,
  ROOM_REFERENCE,
  UPDATED_AT,
  USER_FIELDS,
} from "./names.ts";
import {
  findField,
  listFields,
  namedField,
  type Purpose,
  REFERENCE,
  requireField,
  TIME,
} from "./recognise-field.ts";
import { modelName, type ModelSummary } from "./summary.ts";
import { hasTimeZone, isTime } from "./time.ts";

const SENDER: Purpose = { what: "the sender of a message", option: "--sender" };
const TEXT: Purpose = { what: "the text of a message", option: "--text" };
const SENT_AT: Purpose = { what: "the time of a message", option: "--time" };
const MESSAGE_ROOM: Purpose = { what: "the room of a message", option: "--room" };

/** Stands for the primary key where an option names a field. */
export const PRIMARY_KEY = "pk";

/** The fields of users. Throws `SourceError` when they have neither an email nor a sub. */
export function mapUsers(model: ModelSummary, { email, sub, name }: MappingOptions): UserMapping {
  const text = (names: Names) => findField(model, names, ["string"]);
  const mapping: UserMapping = {
    model: model.label,
    email: email === undefined ? text(USER_FIELDS.email) : namedField(model, email, "--email"),
    sub: sub === undefined || sub === PRIMARY_KEY ? (sub ?? null) : namedField(model, sub, "--sub"),
    username: text(USER_FIELDS.username),
    // A named field comes before the first and last name.
    firstName: name === undefined ? text(USER_FIELDS.firstName) : null,
    lastName: name === undefined ? text(USER_FIELDS.lastName) : null,
    name: name === undefined ? text(USER_FIELDS.name) : namedField(model, name, "--name"),
    active: findField(model, USER_FIELDS.active, ["boolean"]),
  };
  if (mapping.email !== null || mapping.sub !== null) return mapping;
  throw new SourceError(
    `Which field of ${model.label} is the email address or the token's sub? Name it with --email or --sub. It has ${listFields(model)}.`,
  );
}

/** The fields of messages. Throws `SourceError` when one that a message needs is missing or ambiguous. */
export function mapMessages(
  model: ModelSummary,
  options: MappingOptions,
  rooms: ModelSummary,
): MessageMapping {
  const sender = requireField(model, options.sender, MESSAGE_FIELDS.sender, REFERENCE, SENDER);
  const text = requireField(model, options.text, MESSAGE_FIELDS.text, ["string"], TEXT);
  const sentAt = requireField(model, options.time, CREATED_AT, TIME, SENT_AT);
  const edit = findChange(
    model,
    MESSAGE_FIELDS.editedAt,
    MESSAGE_FIELDS.isEdited,
    options.edited,
    "--edited",
  );
  const deletion = findChange(
    model,
    MESSAGE_FIELDS.deletedAt,
    MESSAGE_FIELDS.isDeleted,
    options.deleted,
    "--deleted",
  );
  const mapping: Omit<MessageMapping, "room"> = {
    model: model.label,
    sender,
    text,
    time: sentAt,
    editedAt: edit.time,
    isEdited: edit.flag,
    deletedAt: deletion.time,
    isDeleted: deletion.flag,
    updatedAt: findField(model, UPDATED_AT, TIME),
    replyTo: findReplyTo(model, options.replyTo),
    naiveTimes: [...(model.fields.get(sentAt)?.samples ?? [])].some((sample) => !hasTimeZone(sample)),
  };
  const taken = new Set(Object.values(mapping));
  const room = options.room ?? findRoomReference(model, rooms) ?? findPointer(model, rooms, taken);
  return { ...mapping, room: requireField(model, room ?? undefined, [], REFERENCE, MESSAGE_ROOM) };
}

/**
 * The fields that tell of an edit or a deletion: its time, and a flag. An option names one field, which is either. Throws
 * `SourceError` when it is neither: a status such as "sent" must not make every message a deleted one.
 */
function findChange(
  model: ModelSummary,
  times: Names,
  flags: Names,
  named: string | undefined,
  option: string,
): { time: string | null; flag: string | null } {
  if (named === undefined)
    return { time: findField(model, times, TIME), flag: findField(model, flags, ["boolean"]) };
  const field = namedField(model, named, option);
  const { kinds, samples } = model.fields.get(field) ?? { kinds: new Set(), samples: new Set<string>() };
  if (kinds.has("boolean")) return { time: null, flag: field };
  if ([...samples].every(isTime)) return { time: field, flag: null };
  throw new SourceError(
    `${option} ${field}: the field of ${model.label} has neither times nor true and false.`,
  );
}

function findReplyTo(model: ModelSummary, named: string | false | undefined): string | null {
  if (named === false) return null;
  if (named !== undefined) return namedField(model, named, "--reply-to");
  return findField(model, MESSAGE_FIELDS.replyTo, REFERENCE);
}

export function mapRooms(
  model: ModelSummary,
  { roomId, roomName, participants }: MappingOptions,
): RoomMapping {
  const reference = (names: Names) => findField(model, names, REFERENCE);
  return {
    model: model.label,
    id: roomId === undefined || roomId === PRIMARY_KEY ? null : namedField(model, roomId, "--room-id"),
    name:
      roomName === undefined
        ? findField(model, ROOM_FIELDS.name, ["string"])
        : namedField(model, roomName, "--room-name"),
    createdAt: findField(model, CREATED_AT, TIME),
    createdBy: reference(ROOM_FIELDS.createdBy),
    owner: reference(ROOM_FIELDS.owner),
    moderators: findField(model, ROOM_FIELDS.moderators, ["list"]),
    participants: findParticipants(model, participants),
    naturalKeys: [...model.fields.keys()].filter((name) =>
      ROOM_FIELDS.naturalKeys.some((pattern) => pattern.test(plain(name))),
    ),
  };
}

function findParticipants(model: ModelSummary, named: string | false | undefined): string[] {
  if (named === false) return [];
  const purpose: Purpose = { what: "the participants of a room", option: "--participants" };
  if (named !== undefined)
    return named.split(",").map((name) => namedField(model, name.trim(), purpose.option));
  const list = findField(model, ROOM_FIELDS.participants, ["list"], purpose);
  if (list !== null) return [list];
  for (const pattern of PAIRS) {
    const pair = [...model.fields.keys()].filter((name) => pattern.test(plain(name)));
    if (pair.length === 2) return pair;
  }
  return [];
}

const MEMBER_ROOM: Purpose = { what: "the room of a member", option: "--member-room" };
const MEMBER_USER: Purpose = { what: "the user of a member", option: "--member-user" };

export function mapMembers(
  model: ModelSummary,
  rooms: ModelSummary,
  room: string | undefined,
  user: string | undefined,
): MemberMapping {
  const flag = (names: Names) => findField(model, names, ["boolean"]);
  const all = (pattern: RegExp) => [...model.fields.keys()].filter((name) => pattern.test(plain(name)));
  return {
    model: model.label,
    room: requireField(
      model,
      room ?? findRoomReference(model, rooms) ?? undefined,
      [],
      REFERENCE,
      MEMBER_ROOM,
    ),
    user: requireField(model, user, MEMBER_FIELDS.user, REFERENCE, MEMBER_USER),
    role: findField(model, MEMBER_FIELDS.role, ["string"]),
    isOwner: flag(MEMBER_FIELDS.isOwner),
    isModerator: flag(MEMBER_FIELDS.isModerator),
    status: findField(model, MEMBER_FIELDS.status, ["string"]),
    joinedAt: findField(model, JOINED_AT, TIME),
    endTimes: all(MEMBERSHIP_ENDS.times),
    endWhenTrue: all(MEMBERSHIP_ENDS.whenTrue),
    endWhenFalse: all(MEMBERSHIP_ENDS.whenFalse),
  };
}

/** The field that points to a room by its name: that of the room's model, or a common one. */
export function findRoomReference(model: ModelSummary, rooms: ModelSummary): string | null {
  const named = plain(modelName(rooms.label));
  const own = [...model.fields.keys()].find((name) => plain(name) === named);
  return own ?? findField(model, ROOM_REFERENCE, REFERENCE);
}

/** The only field whose values are primary keys of rooms, or null. */
function findPointer(model: ModelSummary, rooms: ModelSummary, taken: ReadonlySet<unknown>): string | null {
  const fields = [...model.fields].filter(
    ([name, { samples }]) =>
      !taken.has(name) && samples.size > 0 && [...samples].every((sample) => rooms.keys?.has(sample)),
  );
  return fields.length === 1 ? (fields[0]?.[0] ?? null) : null;
}
