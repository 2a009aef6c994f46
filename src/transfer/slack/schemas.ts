import * as v from "valibot";

import {
  attachmentSchema,
  optionalFlag,
  optionalList,
  optionalNumber,
  optionalText,
} from "../attachments.ts";

/** Schemas of what Parley reads from a Slack export. Slack adds fields at any time, so all others are ignored. */

const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,60}$/, "is not an id"));
const profile = v.fallback(
  v.optional(
    v.object({
      email: optionalText,
      display_name: optionalText,
      real_name: optionalText,
      name: optionalText,
    }),
    {},
  ),
  {},
);

/** An item of users.json. */
export const userSchema = v.object({
  id,
  name: optionalText,
  real_name: optionalText,
  deleted: optionalFlag,
  is_bot: optionalFlag,
  is_admin: optionalFlag,
  is_owner: optionalFlag,
  profile,
});
export type UserData = v.InferOutput<typeof userSchema>;

/** An item of channels.json, groups.json, mpims.json or dms.json. Only the first two always have a name. */
export const channelSchema = v.object({
  id,
  name: optionalText,
  /** In seconds. Direct messages may have a small number here that means nothing. */
  created: optionalNumber,
  creator: optionalText,
  members: optionalList(v.string()),
});
export type ChannelData = v.InferOutput<typeof channelSchema>;

const fileSchema = v.object({
  name: optionalText,
  title: optionalText,
  mode: optionalText,
  permalink: optionalText,
  url_private: optionalText,
});
export type FileData = v.InferOutput<typeof fileSchema>;

/** An item of a day's file. https://docs.slack.dev/reference/events/message */
export const messageSchema = v.object({
  type: optionalText,
  subtype: optionalText,
  /** Seconds since the epoch; the fraction makes it unique in its channel. */
  ts: v.pipe(v.string(), v.regex(/^\d{1,11}\.\d{1,9}$/, "is not a time such as 1704067200.000100")),
  thread_ts: optionalText,
  text: optionalText,
  user: optionalText,
  user_profile: profile,
  bot_id: optionalText,
  bot_profile: v.fallback(v.optional(v.object({ name: optionalText }), {}), {}),
  username: optionalText,
  edited: v.fallback(v.optional(v.object({ ts: optionalText })), undefined),
  reactions: optionalList(v.object({ name: v.string(), users: optionalList(v.string()) })),
  /** Old exports have one `file`. */
  file: v.fallback(v.optional(fileSchema), undefined),
  files: optionalList(fileSchema),
  comment: v.fallback(v.optional(v.object({ user: optionalText, comment: optionalText })), undefined),
  attachments: optionalList(attachmentSchema),
  blocks: v.optional(v.unknown()),
});
export type MessageData = v.InferOutput<typeof messageSchema>;
