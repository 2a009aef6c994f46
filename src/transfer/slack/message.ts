import * as v from "valibot";

import type { MessageRecord, ReactionRecord, UserRecord } from "../../chat/transfer.ts";
import { isVisible } from "../../chat/validation.ts";
import { attachmentText, joinParts } from "../attachments.ts";
import { reactionNamed } from "../emoji-names.ts";
import { describeIssue } from "../issue.ts";
import { userName } from "../names.ts";
import { blocksText } from "./blocks.ts";
import type { Directory } from "./directory.ts";
import { plainText } from "./mrkdwn.ts";
import { type FileData, type MessageData, messageSchema } from "./schemas.ts";

/** A message of a day's file, converted, or why there is none. */
export type Converted = { invalid: string } | { skipped: string } | ConvertedMessage;

export interface ConvertedMessage {
  message: MessageRecord & { clientId: string };
  /** The key of the thread's root, for a reply. It may not be in the export. */
  thread: string | null;
  reactions: readonly ReactionRecord[];
  /** Reactions that are left out. */
  unusable: number;
  /** The sender, where no list has them and they have not been seen before. */
  sender: UserRecord | undefined;
}

/** Why messages of these kinds are left out. All other kinds are kept, known or not. */
const LEFT_OUT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "notices of joining and leaving":
      "channel_join channel_leave group_join group_leave app_conversation_join app_conversation_leave joiner_notification joiner_notification_for_inviter",
    "notices of changes to a channel":
      "channel_topic channel_purpose channel_name channel_archive channel_unarchive channel_convert_to_private channel_convert_to_public channel_posting_permissions channel_canvas_updated group_topic group_purpose group_name group_archive group_unarchive",
    "other notices":
      "pinned_item unpinned_item bot_add bot_remove bot_enable bot_disable reminder_add reminder_delete sh_room_created sh_room_shared huddle_thread ekm_access_denied",
    "deleted messages": "tombstone message_deleted",
    "records of edits and replies": "message_changed message_replied",
    "copies of replies in their channel": "reply_broadcast",
  }).flatMap(([reason, subtypes]) => subtypes.split(" ").map((subtype) => [subtype, reason])),
);

/** Converts one item of a day's file of a room. */
export function convertMessage(value: unknown, room: string, directory: Directory): Converted {
  // Notices need no sender and no time, so the kind is looked at first.
  const kind = kindOf(value);
  if (kind.type !== undefined && kind.type !== "message") return { skipped: "items that are not messages" };
  const reason = LEFT_OUT.get(kind.subtype ?? "");
  if (reason !== undefined) return { skipped: reason };
  const parsed = v.safeParse(messageSchema, value);
  if (!parsed.success) return { invalid: describeIssue(parsed.issues[0]) };
  const data = parsed.output;
  const sender = senderOf(data);
  if (sender === undefined) return { skipped: "messages without a sender" };
  const text = textOf(data, directory);
  if (!isVisible(text)) return { skipped: "messages without visible text" };
  const sentAt = milliseconds(data.ts);
  const editedAt = data.edited === undefined ? null : milliseconds(data.edited.ts ?? data.ts);
  const { reactions, unusable } = reactionsOf(data, room, directory);
  return {
    message: {
      type: "message",
      room,
      sender: directory.invitee(sender.id),
      text,
      sentAt,
      editedAt: editedAt === null ? null : Math.max(editedAt, sentAt),
      deletedAt: null,
      replyTo: null,
      clientId: data.ts,
      meta: null,
      position: null,
    },
    thread: data.thread_ts === undefined || data.thread_ts === data.ts ? null : data.thread_ts,
    reactions,
    unusable,
    sender: directory.introduce(sender.id, sender.name),
  };
}

const kindSchema = v.fallback(
  v.looseObject({ type: v.optional(v.string()), subtype: v.optional(v.string()) }),
  {},
);
const kindOf = (value: unknown) => v.parse(kindSchema, value);

/** Milliseconds since the epoch. Rounding a product would move some times by one. */
function milliseconds(ts: string): number {
  const [seconds = "0", fraction = ""] = ts.split(".");
  const time = Number(seconds) * 1000 + Number(fraction.padEnd(3, "0").slice(0, 3));
  return Number.isSafeInteger(time) ? time : 0;
}

function senderOf(data: MessageData): { id: string; name: string | null } | undefined {
  const { user, user_profile, bot_id, bot_profile, username, comment } = data;
  const id = user || bot_id || comment?.user || username;
  if (!id) return undefined;
  const { real_name, display_name, name } = user_profile;
  return { id, name: userName(username, display_name, real_name, name, bot_profile.name) };
}

function textOf(data: MessageData, directory: Directory): string {
  const plain = (text: string) => plainText(text, directory);
  const written = plain(data.text || (data.comment?.comment ?? ""));
  const text = isVisible(written) ? written : blocksText(data.blocks, directory);
  const attachments = data.attachments
    // The preview of a link says nothing new: the link is in the text.
    .filter(({ from_url, is_share, is_msg_unfurl }) => !from_url || is_share || is_msg_unfurl)
    .map((attachment) => attachmentText(attachment, plain) || blocksText(attachment.blocks, directory));
  const files = [...data.files, ...(data.file === undefined ? [] : [data.file])].flatMap(linkOf);
  const links = files.filter(({ url }) => !text.includes(url)).map(({ name, url }) => `${name}: ${url}`);
  return joinParts([text, ...attachments, ...new Set(links)]);
}

/** A file's name and link. None for a file that was deleted, or that Slack withholds on its free plan. */
function linkOf({ name, title, permalink, url_private }: FileData): { name: string; url: string }[] {
  const url = permalink || url_private;
  if (!url) return [];
  return [{ name: userName(title, name) ?? "File", url: withoutToken(url) }];
}

/** In an export, links to files carry a token (`?t=xoxe-…`) that opens every file of the workspace. It is a secret. */
function withoutToken(url: string): string {
  return url.replace(/([?&])t=xox[^&#]*(&|(?=#|$))/g, (_, start: string, end: string) =>
    end === "&" ? start : "",
  );
}

function reactionsOf(data: MessageData, room: string, directory: Directory) {
  const reactions = new Map<string, ReactionRecord>();
  let unusable = 0;
  for (const { name, users } of data.reactions) {
    const emoji = reactionNamed(name);
    if (emoji === undefined) unusable += users.length;
    else
      for (const id of users) {
        const user = directory.invitee(id);
        // "+1" and "thumbsup" are one emoji, and two users of Slack may have one address.
        const key = JSON.stringify([emoji, user]);
        if (!reactions.has(key))
          reactions.set(key, { type: "reaction", room, message: { key: data.ts }, emoji, user });
      }
  }
  return { reactions: [...reactions.values()], unusable };
}
