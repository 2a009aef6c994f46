import * as v from "valibot";

import {
  accesses,
  defaultSettings,
  type Invitee,
  MAX_SLOW_MODE_S,
  type Meta,
  postings,
  type RestrictionKind,
  roles,
} from "../chat/model.ts";
import type {
  MessageRecord,
  MessageRef,
  RestrictionRecord,
  RoomRecord,
  TransferRecord,
  UserRecord,
} from "../chat/transfer.ts";
import { isJsonObject, parseTime } from "../chat/validation.ts";

// Checks by hand where a union or a pipe of several checks takes much longer: there may be millions of lines.
const time = v.pipe(
  v.string(),
  v.transform(parseTime),
  v.number("must be a time such as 2026-01-31T12:00:00.000Z"),
);
const integer = v.custom<number>((input) => Number.isSafeInteger(input), "must be a whole number");
const string = v.custom<string>((input) => typeof input === "string", "must be a string");
const optional = <T extends v.GenericSchema>(schema: T) => v.exactOptional(schema);

/** A user: by their id, which is the token's `sub`, or by their email if they have none yet. */
const user = v.pipe(
  v.custom<{ id: string } | { email: string }>(isUserRef, 'must be {"id": …} or {"email": …}'),
  v.transform((ref): Invitee => ("id" in ref ? { sub: ref.id } : { email: ref.email })),
);
/** A message: by its `seq`, or by its `client_id` in another product. */
const messageRef = v.pipe(
  v.custom<number | string>(
    (input) => typeof input === "string" || Number.isSafeInteger(input),
    "must be a seq or a client_id",
  ),
  v.transform((ref): MessageRef => (typeof ref === "number" ? { seq: ref } : { key: ref })),
);

function restrictionSchema<T extends RestrictionKind>(type: T) {
  return v.strictObject({
    type: v.literal(type),
    room: string,
    user,
    at: time,
    until: optional(time),
    reason: optional(string),
    by: optional(v.strictObject({ id: optional(string), email: optional(string), name: optional(string) })),
  });
}

/** The lines of a file, by type. Unknown keys are refused: a mistyped key would lose what it stands for. */
const lineSchemas = {
  user: v.strictObject({
    type: v.literal("user"),
    id: optional(string),
    email: optional(string),
    name: optional(string),
    emails: optional(v.array(string)),
    signed_in: optional(v.boolean()),
  }),
  room: v.strictObject({
    type: v.literal("room"),
    id: string,
    name: string,
    access: optional(v.picklist(accesses)),
    posting: optional(v.picklist(postings)),
    slow_mode: optional(v.pipe(integer, v.minValue(0), v.maxValue(MAX_SLOW_MODE_S))),
    direct: optional(v.strictTuple([user, user])),
    created_at: time,
    created_by: optional(user),
    seq: optional(integer),
    rev: optional(integer),
  }),
  member: v.strictObject({
    type: v.literal("member"),
    room: string,
    user,
    role: v.picklist(roles),
    joined_at: time,
  }),
  ban: restrictionSchema("ban"),
  mute: restrictionSchema("mute"),
  message: v.strictObject({
    type: v.literal("message"),
    room: string,
    seq: optional(integer),
    rev: optional(integer),
    changed_rev: optional(integer),
    sender: user,
    text: optional(string),
    sent_at: time,
    edited_at: optional(time),
    deleted_at: optional(time),
    reply_to: optional(messageRef),
    client_id: optional(string),
    meta: optional(v.custom<Meta>(isJsonObject, "must be a JSON object")),
  }),
  reaction: v.strictObject({
    type: v.literal("reaction"),
    room: string,
    message: messageRef,
    emoji: string,
    user,
  }),
  read: v.strictObject({ type: v.literal("read"), room: string, user, seq: integer }),
};
type LineType = keyof typeof lineSchemas;
type LineOf<T extends LineType> = v.InferOutput<(typeof lineSchemas)[T]>;
type Line = { [T in LineType]: LineOf<T> }[LineType];

const TYPES = Object.keys(lineSchemas).join(", ");

/** Parses a line. Returns the reason when it is not a record. */
export function parseLine(line: string): TransferRecord | { invalid: string } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { invalid: "This line is not JSON. Is the file cut?" };
  }
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  if (!isLineType(type)) return { invalid: `A line is an object whose type is one of ${TYPES}.` };
  const parsed = v.safeParse(lineSchemas[type], json, { abortEarly: true });
  return parsed.success ? toRecord(parsed.output) : { invalid: describe(parsed.issues[0]) };
}

function isLineType(type: unknown): type is LineType {
  return typeof type === "string" && Object.hasOwn(lineSchemas, type);
}

function toRecord(line: Line): TransferRecord | { invalid: string } {
  if (line.type === "user") return toUser(line);
  if (line.type === "room") return toRoom(line);
  if (line.type === "message") return toMessage(line);
  if (line.type === "ban" || line.type === "mute") return toRestriction(line);
  if (line.type === "member") {
    const { type, room, user: who, role, joined_at: joinedAt } = line;
    return { type, room, user: who, role, joinedAt };
  }
  return line;
}

function toUser(line: LineOf<"user">): UserRecord | { invalid: string } {
  const { type, id, email = null, name = null, emails = [], signed_in: signedIn = false } = line;
  if (id === undefined && email === null) return { invalid: "A user needs an id or an email." };
  const who = id === undefined ? { email: email ?? "" } : { sub: id };
  return { type, user: who, name, email, emails, signedIn };
}

function toRoom(line: LineOf<"room">): RoomRecord | { invalid: string } {
  const { type, id, name, created_at: createdAt, created_by: createdBy = null, seq, rev } = line;
  if ((seq === undefined) !== (rev === undefined))
    return { invalid: "A room has both seq and rev, or neither." };
  const head = seq === undefined || rev === undefined ? null : { seq, rev };
  const { access, posting, slow_mode: slowMode, direct } = line;
  const settings = {
    ...(access !== undefined && { access }),
    ...(posting !== undefined && { posting }),
    ...(slowMode !== undefined && { slowMode }),
  };
  const isDefault = Object.keys(settings).length === 0;
  return {
    type,
    id,
    name,
    ...(!isDefault && { settings: { ...defaultSettings, ...settings } }),
    ...(direct && { direct }),
    createdAt,
    createdBy,
    head,
  };
}

function toRestriction(line: LineOf<"ban" | "mute">): RestrictionRecord {
  const { type, room, user: who, at, until = null, reason = null, by } = line;
  const { id = null, email = null, name = null } = by ?? {};
  return { type, room, user: who, at, until, reason, by: by ? { id, email, name } : null };
}

function toMessage(line: LineOf<"message">): MessageRecord | { invalid: string } {
  const { type, room, seq, rev, changed_rev: changedRev = null, sender, text = null, sent_at: sentAt } = line;
  const { edited_at: editedAt = null, deleted_at: deletedAt = null } = line;
  const { reply_to: replyTo = null, client_id: clientId = null, meta = null } = line;
  if ((seq === undefined) !== (rev === undefined) || (seq === undefined && changedRev !== null))
    return { invalid: "A message has both seq and rev, or neither." };
  const position = seq === undefined || rev === undefined ? null : { seq, rev, changedRev };
  return { type, room, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, meta, position };
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  if (issue.expected === "never") return `Unknown key: ${path}`;
  if (issue.type === "strict_object" && issue.received === "undefined") return `Missing key: ${path}`;
  return path === null ? issue.message : `${path}: ${issue.message}`;
}

function isUserRef(input: unknown): boolean {
  if (typeof input !== "object" || input === null || Object.keys(input).length !== 1) return false;
  return (
    ("id" in input && typeof input.id === "string") || ("email" in input && typeof input.email === "string")
  );
}
