import * as v from "valibot";

import { accesses, postings, roles } from "../chat/model.ts";
import { annotate } from "./annotate.ts";
import { integer, roomId, seqOf, time } from "./values.ts";

/**
 * What the server sends over WebSockets and HTTP. The types are inferred from the schemas, which the documents show and the tests
 * check; the server does not validate what it writes.
 */

/** Not `v.readonly`, which makes the property read-only too. */
const readonlyArray = <T>(item: v.GenericSchema<T>): v.GenericSchema<readonly T[]> => v.array(item);

export const userSchema = annotate(
  v.object({
    id: annotate(
      v.nullable(v.string()),
      "The `sub` of the user's token. Null for a user who was invited by email and has never signed in.",
    ),
    email: annotate(
      v.nullable(v.string()),
      "The user's verified email address. Null when their token has none.",
    ),
    name: annotate(v.nullable(v.string()), "The user's name. Null when their token has none."),
  }),
  {
    title: "User",
    description: "A user, as others see them.",
    examples: [{ id: "auth0|a1", email: "user1@example.com", name: "User One" }],
  },
);
export type UserBody = v.InferOutput<typeof userSchema>;

export const reactionSchema = annotate(
  v.object({
    emoji: annotate(v.string(), "An emoji, or a short word such as `:tada:`."),
    by: annotate(readonlyArray(v.string()), "Ids of users, in the order in which they reacted."),
  }),
  {
    title: "Reaction",
    description: "A reaction to a message.",
    examples: [{ emoji: "👍", by: ["auth0|a1"] }],
  },
);
export type ReactionBody = v.InferOutput<typeof reactionSchema>;

export const mentionsSchema = annotate(
  v.object({
    users: annotate(
      readonlyArray(v.string()),
      "Ids of the users who are mentioned. A user who was invited by email and has never signed in has none.",
    ),
    room: v.exactOptional(annotate(v.literal(true), "Present if everyone in the room is mentioned.")),
  }),
  { title: "Mentions", description: "Whom a message mentions.", examples: [{ users: ["auth0|a1"] }] },
);
export type MentionsBody = v.InferOutput<typeof mentionsSchema>;

export const messageSchema = annotate(
  v.object({
    seq: seqOf("The message's number in its room: 1, 2, 3 … without gaps."),
    rev: seqOf("The room's `rev` at the message's last change."),
    sender: userSchema,
    text: annotate(v.string(), "The text. Empty once the message is deleted."),
    sent_at: time("When the message was sent."),
    edited_at: v.exactOptional(time("When the message was last edited. Absent if never.")),
    deleted_at: v.exactOptional(time("When the message was deleted. Absent if it was not.")),
    reply_to: v.exactOptional(seqOf("The `seq` of the message that this one replies to.")),
    client_id: v.exactOptional(annotate(v.string(), "The idempotency key that the sender chose.")),
    meta: v.exactOptional(
      annotate(v.record(v.string(), v.unknown()), {
        description: "What the sender attached to the message.",
        propertyNames: undefined,
        additionalProperties: true,
      }),
    ),
    mentions: v.exactOptional(mentionsSchema),
    reactions: annotate(readonlyArray(reactionSchema), "The reactions, in the order of their first use."),
  }),
  {
    title: "Message",
    description:
      "A message as it is now. A deleted one keeps its `seq`; its text is empty, its metadata, mentions and reactions are gone.",
    examples: [
      {
        seq: 2,
        rev: 2,
        sender: { id: "auth0|a1", email: "user1@example.com", name: "User One" },
        text: "Hi there!",
        sent_at: "2026-11-23T09:00:03.000Z",
        reply_to: 1,
        client_id: "6f1c",
        meta: { card: "order", number: 1042 },
        reactions: [{ emoji: "👍", by: ["auth0|a1"] }],
      },
    ],
  },
);
export type MessageBody = v.InferOutput<typeof messageSchema>;

export const roleSchema = annotate(v.picklist(roles), {
  title: "Role",
  description: "What a member may do in the room.",
});

/** What owners may change about a room. */
export const roomSettingsSchema = v.object({
  name: annotate(v.string(), "The room's name."),
  access: annotate(v.picklist(accesses), "`open`: any signed-in user may join."),
  posting: annotate(v.picklist(postings), "`moderators`: members cannot send messages."),
  slow_mode: integer("Seconds between two messages of one member; 0 is off."),
});
export type RoomSettingsBody = v.InferOutput<typeof roomSettingsSchema>;

export const roomSchema = annotate(
  v.object({
    id: roomId,
    ...roomSettingsSchema.entries,
    role: annotate(
      v.nullable(roleSchema),
      "The user's role in the room. Null for an administrator who is not a member, and for a user who looks at an open room.",
    ),
    direct: v.exactOptional(
      annotate(
        userSchema,
        "The other user of a direct conversation, for its two users: what to show in place of its name. Absent in other rooms.",
      ),
    ),
    seq: integer("The number of the room's newest message. 0 when there is none."),
    rev: integer("The room's change counter."),
    created_at: time("When the room was created. Together with `id` it identifies the room."),
  }),
  {
    title: "Room",
    description: "A room, as the user sees it.",
    examples: [
      {
        id: "general",
        name: "General",
        role: "member",
        access: "members",
        posting: "members",
        slow_mode: 0,
        seq: 2,
        rev: 2,
        created_at: "2026-11-23T09:00:00.000Z",
      },
    ],
  },
);
export type RoomBody = v.InferOutput<typeof roomSchema>;

export const roomSummarySchema = annotate(
  v.object({
    ...roomSchema.entries,
    read: integer("The user's read mark: the `seq` up to which they have read the room."),
    unread: integer("Messages after the read mark that are not deleted."),
    mentions: integer("Those of them that mention the user, or everyone in the room; counted to 1,000."),
    last_message: annotate(
      v.nullable(messageSchema),
      "The newest message that is not deleted: its text cut to 200 UTF-16 units, and without its metadata, or its " +
        "mentions, if they have more than 512 bytes. Null when there is none.",
    ),
  }),
  { title: "RoomSummary", description: "A room in a user's list, as of its `rev`." },
);
export type RoomSummaryBody = v.InferOutput<typeof roomSummarySchema>;

export const muteSchema = annotate(
  v.object({ until: annotate(v.nullable(time("When the mute ends.")), "Null for a mute without an end.") }),
  { title: "Mute", description: "A muted user can read a room, but not write in it." },
);
export type MuteBody = v.InferOutput<typeof muteSchema>;

export const readSchema = annotate(
  v.object({ user: userSchema, seq: integer("The `seq` up to which the user has read the room.") }),
  { title: "ReadMarkOfUser", description: "A member's read mark." },
);
export type ReadBody = v.InferOutput<typeof readSchema>;

export const memberSchema = annotate(
  v.object({
    ...userSchema.entries,
    role: roleSchema,
    joined_at: time("When the user became a member."),
  }),
  { title: "Member", description: "A user in a room." },
);
export type MemberBody = v.InferOutput<typeof memberSchema>;

export const limitsSchema = annotate(
  v.object({
    text_bytes: integer("Bytes of UTF-8 in a message's text."),
    frame_bytes: integer("Bytes in one frame."),
    rate: annotate(v.number(), { description: "Commands per second.", minimum: 0 }),
    burst: integer("Commands at once after a pause."),
  }),
  { title: "Limits", description: "The server's limits. 0 means no limit." },
);
export type LimitsBody = v.InferOutput<typeof limitsSchema>;

export const sessionLimitsSchema = annotate(
  v.object({ ...limitsSchema.entries, open_rooms: integer("Rooms that may be open at once.") }),
  { title: "SessionLimits", description: "The limits of a session." },
);
export type SessionLimitsBody = v.InferOutput<typeof sessionLimitsSchema>;
