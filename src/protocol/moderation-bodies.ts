import * as v from "valibot";

import { annotate } from "./annotate.ts";
import { roleSchema, roomSettingsSchema, userSchema } from "./bodies.ts";
import { integer, seqOf, time } from "./values.ts";

/** What moderators and owners read of the HTTP API. */

export const restrictionSchema = annotate(
  v.object({
    user: userSchema,
    by: annotate(v.nullable(userSchema), "Who imposed it, as they were then. Null for the command line."),
    at: time("When it was imposed."),
    until: annotate(v.nullable(time("When it ends.")), "When it ends. Null for one without an end."),
    reason: annotate(v.nullable(v.string()), "Why, for moderators and owners. Null when none was given."),
  }),
  "A ban or a mute.",
);
export type RestrictionBody = v.InferOutput<typeof restrictionSchema>;

const by = {
  n: integer("The entry's number in its room.", { minimum: 1 }),
  at: time("When it was done."),
  actor: annotate(v.nullable(userSchema), "Who did it. Null for the command line."),
};
const about = { ...by, user: userSchema };
const ends = {
  until: annotate(v.nullable(time("When it ends.")), "When it ends. Null for one without an end."),
  reason: annotate(v.nullable(v.string()), "Why. Null when no reason was given."),
};
export const auditSchema = annotate(
  v.variant("action", [
    v.object({ action: v.literal("member_removed"), ...about }),
    v.object({
      action: v.literal("role_changed"),
      ...about,
      role: roleSchema,
      before: annotate(v.nullable(roleSchema), "Null for a user who was not a member."),
    }),
    v.object({ action: v.literal("banned"), ...about, ...ends }),
    v.object({ action: v.literal("muted"), ...about, ...ends }),
    v.object({ action: v.literal("ban_lifted"), ...about }),
    v.object({ action: v.literal("mute_lifted"), ...about }),
    v.object({
      action: v.literal("message_deleted"),
      ...about,
      seq: seqOf("The message. `user` is its sender."),
    }),
    v.object({
      action: v.literal("room_changed"),
      ...by,
      changes: annotate(v.partial(roomSettingsSchema), "The new values of the settings that were changed."),
    }),
  ]),
  "What a moderator, an owner or an administrator did. Users are as they were then.",
);
export type AuditBody = v.InferOutput<typeof auditSchema>;
