import type { Invitee } from "../../chat/model.ts";
import type { MessageRecord, ReactionRecord, UserRecord } from "../../chat/transfer.ts";
import { isVisible } from "../../chat/validation.ts";
import { attachmentText, joinParts } from "../attachments.ts";
import { reactionNamed, withEmoji } from "../emoji-names.ts";
import type { MessageKeys } from "../message-keys.ts";
import type { SourceItem } from "../source.ts";
import type { People } from "./people.ts";
import { shortHash } from "./rooms.ts";
import type { MessageData } from "./schemas.ts";

export interface Converted {
  items: SourceItem[];
  /** The message's key; null if it was left out. */
  key: string | null;
}

interface Place {
  at: string;
  room: string;
  people: People;
  keys: MessageKeys;
}

/** Why messages of these types are left out. Other types, such as those of plugins, are kept. */
const JOINING = /^system_(guest_)?(join|leave|add|remove|ephemeral_add)_/;
const CHANGES = /^system_(header|displayname|purpose|convert|change|channel|autotranslation)_/;

/** Converts a post or a reply. `root` is the key of the thread's first post. */
export function convertMessage(
  data: MessageData,
  root: string | null,
  { at, room, people, keys }: Place,
): Converted {
  const skipped = leftOut(data.type ?? "");
  if (skipped !== undefined) return { items: [{ at, skipped }], key: null };
  const { sender, introduced } = senderOf(data, people);
  const text = textOf(data);
  if (!isVisible(text)) return { items: [{ at, skipped: "messages without visible text" }], key: null };
  const key = keyOf(data.create_at, room, sender, keys);
  const message: MessageRecord = {
    type: "message",
    room,
    sender,
    text,
    sentAt: data.create_at,
    editedAt: data.edit_at ? Math.max(data.edit_at, data.create_at) : null,
    deletedAt: null,
    replyTo: root === null ? null : { key: root },
    clientId: key,
    meta: null,
    position: null,
  };
  const records = [...(introduced === undefined ? [] : [introduced]), message];
  return {
    items: [...records.map((record) => ({ at, record })), ...reactionsOf(data, key, { at, room, people })],
    key,
  };
}

function leftOut(type: string): string | undefined {
  if (!type.startsWith("system_") && type !== "add_bot_teams_channels") return undefined;
  if (JOINING.test(type)) return "notices of joining and leaving";
  return CHANGES.test(type) ? "notices of changes to a channel" : "other notices";
}

/** A webhook writes for the user who made it, under a name of its own. */
function senderOf(
  { user, props }: MessageData,
  people: People,
): { sender: Invitee; introduced?: UserRecord } {
  const shown = props?.from_webhook === "true" ? props.override_username : undefined;
  if (!shown) return { sender: people.user(user) };
  const username = `webhook:${shown.slice(0, 200)}`;
  const introduced = people.addBot(username, shown);
  return { sender: people.user(username), ...(introduced && { introduced }) };
}

function textOf({ message, props, attachments }: MessageData): string {
  const files = attachments.map(({ path }) => `Attachment: ${path.slice(path.lastIndexOf("/") + 1)}`);
  const cards = (props?.attachments ?? []).map((attachment) => attachmentText(attachment, withEmoji));
  return joinParts([withEmoji(message ?? ""), ...cards, ...files]);
}

/**
 * Posts have no id in an export. Their time and sender tell them apart; those of one sender in one millisecond are numbered in
 * the order of the file, which is that of their ids and stays the same in a later export.
 */
function keyOf(time: number, room: string, sender: Invitee, keys: MessageKeys): string {
  const key = `${time}-${shortHash("email" in sender ? sender.email : sender.sub)}`;
  const number = keys.add(room, key);
  return number === 1 ? key : `${key}-${number}`;
}

function reactionsOf(
  { reactions }: MessageData,
  key: string,
  { at, room, people }: Omit<Place, "keys">,
): SourceItem[] {
  const seen = new Map<string, ReactionRecord>();
  const items: SourceItem[] = [];
  for (const { user: username, emoji_name } of reactions) {
    const emoji = reactionNamed(emoji_name);
    const user = people.user(username);
    if (emoji === undefined) items.push({ at, skipped: "reactions that are not emoji" });
    else seen.set(JSON.stringify([emoji, user]), { type: "reaction", room, message: { key }, emoji, user });
  }
  return [...[...seen.values()].map((record) => ({ at, record })), ...items];
}
