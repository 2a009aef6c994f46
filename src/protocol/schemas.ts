import * as v from "valibot";

import { accesses, MAX_SLOW_MODE_S, type Meta, postings, roles } from "../chat/model.ts";
import {
  isClientId,
  isClientName,
  isEmoji,
  isJsonObject,
  isRoomId,
  ROOM_ID_RULE,
} from "../chat/validation.ts";

/** Schemas of everything that clients send, over WebSockets and HTTP. The types are inferred from them. */

// One `custom` check each: every message passes them, and a pipe of several checks takes twice the time.
const text = (isValid: (text: string) => boolean, message: string) =>
  v.custom<string>((input) => typeof input === "string" && isValid(input), message);
const integer = (min: number) =>
  v.custom<number>(
    (input) => typeof input === "number" && Number.isSafeInteger(input) && input >= min,
    `must be a whole number, at least ${min}`,
  );

const clientName = text(isClientName, "must be a string of 1 to 64 characters");
const clientId = text(isClientId, "must be a string of 1 to 64 characters, without lone surrogates and NUL");
const emoji = text(isEmoji, "must be one emoji or a short word");
/** The domain checks what is in it. */
const meta = v.custom<Meta>(isJsonObject, "must be a JSON object");
const seq = integer(1);
const readMark = integer(0);
const room = text(isRoomId, ROOM_ID_RULE);
/** Required in a session, which is not checked here. On a room's URL it may be left out. */
const inRoom = { room: v.exactOptional(room) };

/**
 * The commands of `chat.v2`, by type. The client chooses `id`, which comes back in the `ack` or `error`. Unknown keys are
 * refused: a mistyped `client_id` would let a message be stored twice.
 */
export const commandSchemas = {
  open: v.strictObject({
    type: v.literal("open"),
    id: clientName,
    room,
    since: v.exactOptional(readMark),
  }),
  close: v.strictObject({ type: v.literal("close"), id: clientName, room }),
  send: v.strictObject({
    type: v.literal("send"),
    id: clientName,
    ...inRoom,
    text: v.string(),
    client_id: v.exactOptional(clientId),
    reply_to: v.exactOptional(seq),
    meta: v.exactOptional(meta),
  }),
  edit: v.strictObject({ type: v.literal("edit"), id: clientName, ...inRoom, seq, text: v.string() }),
  delete: v.strictObject({ type: v.literal("delete"), id: clientName, ...inRoom, seq }),
  react: v.strictObject({ type: v.literal("react"), id: clientName, ...inRoom, seq, emoji, on: v.boolean() }),
  /** `seq` 0 moves nothing. */
  read: v.strictObject({ type: v.literal("read"), id: clientName, ...inRoom, seq: readMark }),
  /** Changes nothing, and is acknowledged: a check of the connection for clients that cannot send WebSocket pings. */
  ping: v.strictObject({ type: v.literal("ping"), id: clientName }),
  auth: v.strictObject({ type: v.literal("auth"), id: clientName, token: v.string() }),
  typing: v.strictObject({ type: v.literal("typing"), id: v.exactOptional(clientName), ...inRoom }),
};
export type CommandType = keyof typeof commandSchemas;
export type Command = { [T in CommandType]: v.InferOutput<(typeof commandSchemas)[T]> }[CommandType];

/** Fails for a frame of unknown type; the issue goes into its error. */
export const unknownCommandSchema = v.object({ type: v.picklist(Object.keys(commandSchemas)) });
/** The `id` and the `room` of a refused frame, if they are valid. */
export const commandIdSchema = v.object({ id: clientName });
export const commandRoomSchema = v.object({ room });

/** Bodies of the HTTP API. Unknown keys are ignored. The domain checks the values. */
const slowMode = v.custom<number>(
  (input) => typeof input === "number" && Number.isInteger(input) && input >= 0 && input <= MAX_SLOW_MODE_S,
  `must be a whole number of seconds, from 0 to ${MAX_SLOW_MODE_S}`,
);
const roomOptions = {
  access: v.optional(v.picklist(accesses)),
  posting: v.optional(v.picklist(postings)),
  slow_mode: v.optional(slowMode),
};
export const newRoomSchema = v.object({ id: v.optional(v.string()), name: v.string(), ...roomOptions });
/** For `PUT`: the room's id is in the URL. */
export const ensuredRoomSchema = v.object({ name: v.string(), ...roomOptions });
export const roomChangeSchema = v.pipe(
  v.object({ name: v.optional(v.string()), ...roomOptions }),
  v.check(
    (changes) => Object.values(changes).some((each) => each !== undefined),
    "needs name, access, posting or slow_mode",
  ),
);
export const grantSchema = v.object({ role: v.optional(v.picklist(roles)) });
export const readMarkSchema = v.object({ seq: readMark });

export const roomIdSchema = v.pipe(v.string(), v.check(isRoomId, ROOM_ID_RULE));

const seqParameter = v.pipe(v.string(), v.regex(/^\d{1,15}$/, "must be a whole number"), v.transform(Number));
/** Where the next page begins: before or after a `seq`. With both, only the messages in between follow. */
const cursorParameter = v.pipe(
  v.string(),
  v.regex(/^(after-\d{1,15}|before-\d{1,15}(-after-\d{1,15})?)$/, "must be the `next` of a page"),
  v.transform((cursor) => {
    const seqAfter = (name: string) => {
      const [, digits] = new RegExp(`${name}-(\\d+)`).exec(cursor) ?? [];
      return digits === undefined ? undefined : Number(digits);
    };
    return { before: seqAfter("before"), after: seqAfter("after") };
  }),
);
const limitParameter = v.optional(
  v.pipe(seqParameter, v.minValue(1, "must be at least 1"), v.maxValue(100, "must be at most 100")),
  "50",
);
/** Strict: if a mistyped parameter were ignored, the response would have other messages than requested. */
export const messageRangeSchema = v.pipe(
  v.strictObject({
    before: v.optional(seqParameter),
    after: v.optional(seqParameter),
    around: v.optional(seqParameter),
    cursor: v.optional(cursorParameter),
    limit: limitParameter,
  }),
  v.check(
    ({ before, after, around, cursor }) =>
      [before ?? after, around, cursor].filter((each) => each !== undefined).length <= 1,
    "cursor, around, and before with after cannot be combined",
  ),
);
export type MessageRange = v.InferOutput<typeof messageRangeSchema>;
export const changesRangeSchema = v.strictObject({
  since: v.optional(seqParameter, "0"),
  limit: limitParameter,
});

export const searchSchema = v.strictObject({
  q: v.string(),
  room: v.optional(roomIdSchema),
  from: v.optional(v.string()),
  before: v.optional(seqParameter),
  after: v.optional(seqParameter),
  cursor: v.optional(v.string()),
  limit: v.optional(
    v.pipe(seqParameter, v.minValue(1, "must be at least 1"), v.maxValue(50, "must be at most 50")),
    "20",
  ),
});

/** A place in the list of rooms: the time of the last activity, and the room's id. */
export const roomRangeSchema = v.strictObject({
  cursor: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}-./, "must be the `next` of a page"),
      v.transform((cursor) => {
        const [at = ""] = cursor.split("-");
        return { at: Number(at), id: cursor.slice(at.length + 1) };
      }),
    ),
  ),
  limit: v.optional(
    v.pipe(seqParameter, v.minValue(1, "must be at least 1"), v.maxValue(1000, "must be at most 1000")),
    "100",
  ),
});

export function formatRoomCursor({ at, id }: { at: number; id: string }): string {
  return `${at}-${id}`;
}

export const newMessageSchema = v.object({
  text: v.string("must be a text"),
  reply_to: v.optional(v.nullable(seq)),
  client_id: v.optional(v.nullable(clientId)),
  meta: v.optional(v.nullable(meta)),
});
export const editSchema = v.object({ text: v.string("must be a text") });
export const clientIdSchema = clientId;
export const emojiSchema = emoji;
export const seqParameterSchema = v.pipe(seqParameter, v.minValue(1, "must be at least 1"));

/** RFC 3339, section 5.6. Becomes milliseconds since the epoch. */
const time = v.pipe(
  v.string("must be a time (RFC 3339)"),
  v.regex(/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/, "must be a time (RFC 3339)"),
  v.transform((input) => Date.parse(input.toUpperCase())),
  v.number("must be a time (RFC 3339)"),
);
/** The domain checks the values. */
export const restrictionSchema = v.object({
  until: v.optional(v.nullable(time)),
  reason: v.optional(v.nullable(v.string())),
});

const listLimit = v.optional(
  v.pipe(seqParameter, v.minValue(1, "must be at least 1"), v.maxValue(1000, "must be at most 1000")),
  "100",
);
export const auditRangeSchema = v.strictObject({ cursor: v.optional(seqParameter), limit: listLimit });
/** A place in a list of restrictions: a time of imposition, and how many of that time come before. */
export const restrictionRangeSchema = v.strictObject({
  cursor: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}-\d{1,5}$/, "must be the `next` of a page"),
      v.transform((cursor) => {
        const [at = "", skip = ""] = cursor.split("-");
        return { at: Number(at), skip: Number(skip) };
      }),
    ),
  ),
  limit: listLimit,
});

export function formatRestrictionCursor({ at, skip }: { at: number; skip: number }): string {
  return `${at}-${skip}`;
}

/** Rooms by id: those after one of them. */
export const openRoomRangeSchema = v.strictObject({
  open: v.literal("true", "must be true"),
  cursor: v.optional(roomIdSchema),
  limit: listLimit,
});
