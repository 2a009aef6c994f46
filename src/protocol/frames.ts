import * as v from "valibot";

import { codes } from "../chat/errors.ts";
import { annotate } from "./annotate.ts";
import {
  limitsSchema,
  mentionsSchema,
  messageSchema,
  muteSchema,
  readSchema,
  roomSchema,
  roomSummarySchema,
  sessionLimitsSchema,
  userSchema,
} from "./bodies.ts";
import { noticeFrameSchemas } from "./notice-frames.ts";
import { integer, type OutputOf, roomId, seqOf, time } from "./values.ts";

export type {
  LimitsBody,
  MemberBody,
  MentionsBody,
  MessageBody,
  MuteBody,
  ReactionBody,
  ReadBody,
  RoomBody,
  RoomSettingsBody,
  RoomSummaryBody,
  SessionLimitsBody,
  UserBody,
} from "./bodies.ts";
export type { NoticeFrame } from "./notice-frames.ts";

/**
 * The frames that the server sends in `chat.v2`. The types are inferred from the schemas: see bodies.ts. What clients send is in
 * schemas.ts.
 */

/** A room as a connection begins to follow it. */
const roomStart = {
  room: roomSchema,
  rev: integer("The client's new cursor."),
  resumed: annotate(
    v.boolean(),
    "Whether `messages` is what changed after the requested `since`. Otherwise it is the room's last messages.",
  ),
  messages: v.array(messageSchema),
  mute: v.exactOptional(annotate(muteSchema, "Only if the user is muted.")),
  online: annotate(v.array(userSchema), "Users who are online, in the order of their arrival, 500 at most."),
};
const helloOf = <T extends v.GenericSchema>(limits: T) => ({
  type: v.literal("hello"),
  me: userSchema,
  token_expires_at: time("When the token expires."),
  limits,
});

export const helloFrame = annotate(
  v.object({ ...helloOf(limitsSchema), ...roomStart }),
  "The first frame of a connection to one room.",
);
export const sessionHelloFrame = annotate(
  v.object({
    ...helloOf(sessionLimitsSchema),
    rooms: annotate(v.array(roomSummarySchema), "The user's rooms, most recent activity first, 100 at most."),
    more: annotate(v.boolean(), "Whether a `rooms` frame with more of them follows."),
  }),
  "The first frame of a session.",
);
export const roomsFrame = annotate(
  v.object({
    type: v.literal("rooms"),
    rooms: v.array(roomSummarySchema),
    more: annotate(v.boolean(), "Whether a `rooms` frame with more of them follows."),
  }),
  "Summaries that follow `hello`, or replace what the client knows of these rooms.",
);
export const openedFrame = annotate(
  v.object({
    type: v.literal("opened"),
    id: annotate(v.string(), "The `id` of the command."),
    ...roomStart,
    reads: annotate(
      v.array(readSchema),
      "The members' read marks. In a room of more than 100 members only the user's own.",
    ),
  }),
  "Answers the command `open`.",
);
export const mentionChangeSchema = annotate(
  v.object({
    seq: seqOf("The `seq` of the message."),
    rev: seqOf("The `rev` of the change."),
    now: annotate(v.nullable(mentionsSchema), "Whom the message mentions."),
    before: annotate(v.nullable(mentionsSchema), "Whom it mentioned before."),
  }),
  { title: "MentionChange", description: "A message that mentions others than before." },
);
export const activityFrame = annotate(
  v.object({
    type: v.literal("activity"),
    room: roomId,
    seq: integer("The number of the room's newest message."),
    rev: integer("The room's change counter."),
    last_message: annotate(v.nullable(messageSchema), "The newest message that is not deleted."),
    deleted: v.exactOptional(
      annotate(
        v.array(seqOf("The `seq` of a message.")),
        "Messages deleted since the last activity of this room.",
      ),
    ),
    deleted_revs: v.exactOptional(
      annotate(v.array(seqOf("The `rev` of a deletion.")), "The `rev` of each of these deletions."),
    ),
    mentions: v.exactOptional(
      annotate(
        v.array(mentionChangeSchema),
        "Messages that mention others than before, since the last activity of this room.",
      ),
    ),
    recount: v.exactOptional(
      annotate(v.literal(true), "There were too many of them. The command `summary` tells the new count."),
    ),
  }),
  "A room that is not open in this session has changed. This is its latest state.",
);
export const joinedFrame = annotate(
  v.object({ type: v.literal("joined"), room: roomSummarySchema }),
  "The user has become a member of a room.",
);
export const leftFrame = annotate(
  v.object({
    type: v.literal("left"),
    room: roomId,
    reason: annotate(
      v.picklist(["removed", "room_deleted", "left"]),
      "Why the user is no longer in the room. `left`: at their own request.",
    ),
  }),
  "The user is no longer a member of a room, or it was deleted.",
);
export const changesFrame = annotate(
  v.object({
    type: v.literal("changes"),
    room: roomId,
    rev: integer("The client's new cursor."),
    messages: annotate(v.array(messageSchema), "Each message as it is now, in the order of `rev`."),
  }),
  "Changes that the client missed. The frame advances its cursor to `rev`.",
);
export const changeFrame = annotate(
  v.object({
    type: v.literal("change"),
    room: roomId,
    kind: annotate(v.picklist(["created", "edited", "deleted", "reacted"]), "What happened to the message."),
    message: messageSchema,
    mentions_before: v.exactOptional(
      annotate(
        v.nullable(mentionsSchema),
        "Whom the message mentioned before it was edited or deleted, if that was somebody else.",
      ),
    ),
  }),
  "A live change. `message.rev` is the cursor + 1.",
);
export const ackFrame = annotate(
  v.object({
    type: v.literal("ack"),
    room: v.exactOptional(roomId),
    id: annotate(v.string(), "The `id` of the command."),
    seq: v.exactOptional(integer("The message that the command is about, or the read mark as it is now.")),
    rev: v.exactOptional(integer("The room's `rev` at the change.")),
  }),
  "The result of the command is on disk. In a session, `auth` and `ping` have no room, and only commands that are stored have " +
    "`seq` and `rev`.",
);
export const codeSchema = annotate(v.picklist(codes), {
  title: "Code",
  description: "Why the server refuses something: a closed list.",
});
export const errorFrame = annotate(
  v.object({
    type: v.literal("error"),
    room: v.exactOptional(roomId),
    id: v.exactOptional(annotate(v.string(), "The `id` of the command.")),
    code: codeSchema,
    message: annotate(v.string(), "The reason in a sentence, for developers."),
    retry_after_ms: v.exactOptional(
      annotate(v.number(), { description: "Milliseconds to wait before another attempt.", minimum: 0 }),
    ),
    seq: v.exactOptional(seqOf("With `conflict`: the message that already has the `client_id`.")),
    until: v.exactOptional(
      time("With `forbidden`, for a muted user: when the mute ends. Absent when it has no end."),
    ),
  }),
  "The command was refused and changed nothing. `id` and `room` are absent if the frame had none that could be read.",
);
export const tokenExpiringFrame = annotate(
  v.object({ type: v.literal("token.expiring"), expires_at: time("When the token expires.") }),
  "The token expires soon: the client should send a fresh one with `auth`.",
);
export const restartingFrame = annotate(
  v.object({
    type: v.literal("restarting"),
    retry_after_ms: integer("Milliseconds to wait before connecting again."),
  }),
  "The server is shutting down. The connection is closed next.",
);

/** Frames of both URLs, by type. */
export const sharedFrameSchemas = {
  changes: changesFrame,
  change: changeFrame,
  ack: ackFrame,
  error: errorFrame,
  ...noticeFrameSchemas,
  "token.expiring": tokenExpiringFrame,
  restarting: restartingFrame,
};
/** What the server sends on a room's URL. */
export const roomFrameSchemas = { hello: helloFrame, ...sharedFrameSchemas };
/** What the server sends to a session. */
export const sessionFrameSchemas = {
  hello: sessionHelloFrame,
  rooms: roomsFrame,
  opened: openedFrame,
  activity: activityFrame,
  joined: joinedFrame,
  left: leftFrame,
  ...sharedFrameSchemas,
};

export type HelloFrame = v.InferOutput<typeof helloFrame>;
export type SessionHelloFrame = v.InferOutput<typeof sessionHelloFrame>;
export type RoomsFrame = v.InferOutput<typeof roomsFrame>;
export type OpenedFrame = v.InferOutput<typeof openedFrame>;
export type ActivityFrame = v.InferOutput<typeof activityFrame>;
export type LeftFrame = v.InferOutput<typeof leftFrame>;
export type ChangesFrame = v.InferOutput<typeof changesFrame>;
export type ChangeFrame = v.InferOutput<typeof changeFrame>;
export type AckFrame = v.InferOutput<typeof ackFrame>;
export type ErrorFrame = v.InferOutput<typeof errorFrame>;
/** Frames of both URLs. */
export type RoomFrame = OutputOf<typeof sharedFrameSchemas>;
/** What the server sends to a session. */
export type SessionFrame = OutputOf<typeof sessionFrameSchemas>;
/** What the server sends. */
export type ServerFrame = HelloFrame | SessionFrame;
