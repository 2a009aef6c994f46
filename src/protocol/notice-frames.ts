import * as v from "valibot";

import { annotate } from "./annotate.ts";
import { muteSchema, roleSchema, roomSettingsSchema, userSchema } from "./bodies.ts";
import { integer, type OutputOf, roomId } from "./values.ts";

export const readFrame = annotate(
  v.object({
    type: v.literal("read"),
    room: roomId,
    user: userSchema,
    seq: integer("Where the user's read mark is now."),
    unread: v.exactOptional(integer("The user's unread messages as of `room_rev`.")),
    mentions: v.exactOptional(
      integer("Those of them that mention the user, or everyone in the room; counted to 1,000."),
    ),
    room_seq: v.exactOptional(integer("The room's newest message at that time.")),
    room_rev: v.exactOptional(integer("The room's `rev` at that time.")),
  }),
  "A user's read mark has moved to `seq`.",
);
export const presenceFrame = annotate(
  v.object({ type: v.literal("presence"), room: roomId, user: userSchema, online: v.boolean() }),
  "A user has come online in a room, or has left.",
);
export const typingFrame = annotate(
  v.object({ type: v.literal("typing"), room: roomId, user: userSchema }),
  "A user is typing.",
);
export const memberFrame = annotate(
  v.object({
    type: v.literal("member"),
    room: roomId,
    user: userSchema,
    role: annotate(v.nullable(roleSchema), "Null for a user who is no longer a member."),
  }),
  "A new member or a new role.",
);
export const roomFrame = annotate(
  v.object({
    type: v.literal("room"),
    room: v.object({ id: roomId, ...roomSettingsSchema.entries }),
  }),
  "A room's name or settings have changed.",
);
export const muteFrame = annotate(
  v.object({
    type: v.literal("mute"),
    room: roomId,
    mute: annotate(v.nullable(muteSchema), "Null when the user is not muted any more."),
  }),
  "The user has been muted, or may write again. Only they are told.",
);
/** Reports of what happens in a room, by type. They are not stored. */
export const noticeFrameSchemas = {
  read: readFrame,
  presence: presenceFrame,
  typing: typingFrame,
  member: memberFrame,
  room: roomFrame,
  mute: muteFrame,
};
export type NoticeFrame = OutputOf<typeof noticeFrameSchemas>;
