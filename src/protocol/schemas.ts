import * as v from "valibot";

import { isRoomId, ROOM_ID_RULE } from "../chat/validation.ts";
import { annotate } from "./annotate.ts";
import {
  clientId,
  clientName,
  emoji,
  integer,
  messageText,
  meta,
  readMark,
  replyTo,
  room,
  roomIdKeywords,
  seq,
} from "./inputs.ts";
import { CURSOR, limitParameter, numberParameter, type QueryOf } from "./parameters.ts";
import type { OutputOf } from "./values.ts";

/** Schemas of everything that clients send, over WebSockets and HTTP. The types are inferred from them. */

/** Whether it may be left out is not checked here. */
const inRoom = {
  room: v.exactOptional(
    annotate(room, "The room's id. Needed in a session; on a room's URL it may be left out."),
  ),
};

function command<T extends v.ObjectEntries>(description: string, entries: T) {
  return annotate(v.strictObject(entries), description);
}

/** Commands that only sessions have. */
const sessionCommandSchemas = {
  open: command("Starts to follow a room. Answered by `opened`.", {
    type: v.literal("open"),
    id: clientName,
    room,
    since: v.exactOptional(
      integer(0, "The cursor of an earlier time: the answer has what changed after it."),
    ),
  }),
  close: command("Stops following a room.", { type: v.literal("close"), id: clientName, room }),
  summary: command("Tells the counts of one of the user's rooms again.", {
    type: v.literal("summary"),
    id: clientName,
    room,
  }),
};
/** Commands of both URLs. */
export const roomCommandSchemas = {
  send: command("Stores a new message.", {
    type: v.literal("send"),
    id: clientName,
    ...inRoom,
    text: messageText,
    client_id: v.exactOptional(clientId),
    reply_to: v.exactOptional(replyTo),
    meta: v.exactOptional(meta),
  }),
  edit: command("Changes the text of the user's own message.", {
    type: v.literal("edit"),
    id: clientName,
    ...inRoom,
    seq,
    text: messageText,
  }),
  delete: command("Deletes a message.", { type: v.literal("delete"), id: clientName, ...inRoom, seq }),
  react: command("Adds the user's reaction to a message, or removes it.", {
    type: v.literal("react"),
    id: clientName,
    ...inRoom,
    seq,
    emoji,
    on: annotate(v.boolean(), "Whether to add the reaction."),
  }),
  read: command("Moves the user's read mark forward, to the newest message at most.", {
    type: v.literal("read"),
    id: clientName,
    ...inRoom,
    seq: readMark,
  }),
  ping: command(
    "Changes nothing, and is acknowledged: a check of the connection for clients that cannot send WebSocket pings.",
    { type: v.literal("ping"), id: clientName },
  ),
  auth: command("Presents a fresh token of the same user.", {
    type: v.literal("auth"),
    id: clientName,
    token: annotate(v.string(), "A JWT."),
  }),
  typing: command("Tells the room that the user is typing. It is not acknowledged.", {
    type: v.literal("typing"),
    id: v.exactOptional(clientName),
    ...inRoom,
  }),
};
/**
 * The commands of `chat.v2`, by type. The client chooses `id`, which comes back in the `ack` or `error`. Unknown keys are
 * refused: a mistyped `client_id` would let a message be stored twice.
 */
export const commandSchemas = { ...sessionCommandSchemas, ...roomCommandSchemas };
export type CommandType = keyof typeof commandSchemas;
export type Command = OutputOf<typeof commandSchemas>;

/** Fails for a frame of unknown type; the issue goes into its error. */
export const unknownCommandSchema = v.object({ type: v.picklist(Object.keys(commandSchemas)) });
/** The `id` and the `room` of a refused frame, if they are valid. */
export const commandIdSchema = v.object({ id: clientName });
export const commandRoomSchema = v.object({ room });

/** Bodies of the HTTP API. Unknown keys are ignored. The domain checks the values. */
export const readMarkSchema = annotate(v.object({ seq: readMark }), {
  title: "ReadMark",
  description: "A read mark.",
  examples: [{ seq: 2 }],
});

export const roomIdSchema = annotate(v.pipe(v.string(), v.check(isRoomId, ROOM_ID_RULE)), roomIdKeywords);

/** Where the next page begins: before or after a `seq`. With both, only the messages in between follow. */
const cursorParameter = v.pipe(
  annotate(v.string(), CURSOR),
  v.regex(/^(after-\d{1,15}|before-\d{1,15}(-after-\d{1,15})?)$/, "must be the `next` of a page"),
  v.transform((cursor) => {
    const seqAfter = (name: string) => {
      const [, digits] = new RegExp(`${name}-(\\d+)`).exec(cursor) ?? [];
      return digits === undefined ? undefined : Number(digits);
    };
    return { before: seqAfter("before"), after: seqAfter("after") };
  }),
);
/** Strict: if a mistyped parameter were ignored, the response would have other messages than requested. */
export const messageRangeSchema = v.pipe(
  v.strictObject({
    before: v.optional(numberParameter("Only messages with a smaller `seq`.")),
    after: v.optional(
      numberParameter("Only messages with a larger `seq`. Without `before`, the page has the first of them."),
    ),
    around: v.optional(numberParameter("The messages around this `seq`.")),
    cursor: v.optional(cursorParameter),
    limit: limitParameter(100, 50),
  }),
  v.check(
    ({ before, after, around, cursor }) =>
      [before ?? after, around, cursor].filter((each) => each !== undefined).length <= 1,
    "cursor, around, and before with after cannot be combined",
  ),
);
export type MessageRange = v.InferOutput<typeof messageRangeSchema>;
export type MessageQuery = QueryOf<typeof messageRangeSchema>;
export const changesRangeSchema = v.strictObject({
  since: annotate(v.optional(numberParameter("The `rev` after which to begin. 0 for everything."), "0"), {
    default: 0,
  }),
  limit: limitParameter(100, 50),
});

export const searchSchema = v.strictObject({
  q: annotate(v.string(), {
    description:
      'What to search for: words, `"words one after another"`, `beginnings*` and `from:sender`. Up to 500 UTF-16 units.',
    maxLength: 500,
    examples: ["deploy failed"],
  }),
  room: v.optional(annotate(roomIdSchema, "The only room to search in.")),
  from: v.optional(annotate(v.string(), "The sender's email, user id or name, as in `from:`.")),
  before: v.optional(numberParameter("Only messages with a smaller `seq`. Needs `room`.")),
  after: v.optional(numberParameter("Only messages with a larger `seq`. Needs `room`.")),
  cursor: v.optional(annotate(v.string(), CURSOR)),
  limit: limitParameter(50, 20),
});
export type SearchQuery = QueryOf<typeof searchSchema>;

export const newMessageSchema = annotate(
  v.object({
    text: messageText,
    reply_to: v.optional(v.nullable(replyTo)),
    client_id: v.optional(v.nullable(clientId)),
    meta: v.optional(v.nullable(meta)),
  }),
  {
    title: "NewMessage",
    description: "A message to send.",
    examples: [{ text: "Hi there!", reply_to: 1, client_id: "6f1c" }],
  },
);
export type NewMessage = v.InferInput<typeof newMessageSchema>;
export const editSchema = annotate(v.object({ text: messageText }), {
  title: "Edit",
  description: "The new text of a message.",
  examples: [{ text: "Hi, Two!" }],
});
export const clientIdSchema = clientId;
export const emojiSchema = emoji;
export const seqParameterSchema = v.pipe(
  numberParameter("The number of a message.", { minimum: 1 }),
  v.minValue(1, "must be at least 1"),
);
