import * as v from "valibot";

import { attachmentSchema, optionalList, optionalNumber, optionalText } from "../attachments.ts";

/**
 * Schemas of what Parley reads from a Mattermost bulk export. All other fields are ignored.
 * https://docs.mattermost.com/administration-guide/onboard/bulk-loading-data-format.html
 */

const name = v.pipe(v.string(), v.minLength(1, "is empty"), v.maxLength(200, "is too long"));
/** Milliseconds since the epoch. */
const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A line names its kind, and has the data under that name. */
export const lineSchema = v.looseObject({ type: v.string() });
export type LineData = v.InferOutput<typeof lineSchema>;

export const channelSchema = v.object({ team: name, name, display_name: optionalText });

export const userSchema = v.object({
  username: name,
  email: optionalText,
  nickname: optionalText,
  first_name: optionalText,
  last_name: optionalText,
  /** 0 for a user who is not deactivated. */
  delete_at: optionalNumber,
  teams: optionalList(v.object({ name, channels: optionalList(v.object({ name, roles: optionalText })) })),
});
export type UserData = v.InferOutput<typeof userSchema>;

export const botSchema = v.object({ username: name, display_name: optionalText });

export const directChannelSchema = v.object({
  members: optionalList(name),
  /** From version 9.11 on, beside `members` or in its place. */
  participants: optionalList(v.object({ username: name })),
});

const text = {
  user: name,
  type: optionalText,
  message: optionalText,
  create_at: time,
  /** 0 for a message that was not edited. */
  edit_at: optionalNumber,
  props: v.fallback(
    v.optional(
      v.object({
        attachments: optionalList(attachmentSchema),
        from_webhook: optionalText,
        override_username: optionalText,
      }),
    ),
    undefined,
  ),
  reactions: optionalList(v.object({ user: name, emoji_name: v.string() })),
  attachments: optionalList(v.object({ path: v.string() })),
};
export const messageSchema = v.object(text);
export type MessageData = v.InferOutput<typeof messageSchema>;

/** Replies are checked one by one, so that an error names the reply. */
const replies = v.fallback(v.optional(v.array(v.unknown()), []), []);
export const postSchema = v.object({ team: name, channel: name, ...text, replies });
export const directPostSchema = v.object({ channel_members: v.array(name), ...text, replies });
