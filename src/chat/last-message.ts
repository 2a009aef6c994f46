import type { Message } from "./model.ts";
import { isLonger } from "./validation.ts";

/** UTF-16 units of the text of a room list's last message. */
const MAX_TEXT_LENGTH = 200;
/** Bytes of its metadata, and of its mentions, in UTF-8. */
const MAX_META_BYTES = 512;

/** The message as room lists show it: a long text is cut, and large metadata and many mentions are left out. */
export function cutLastMessage(message: Message): Message {
  const { text, meta, mentions } = message;
  const isTextLong = text !== null && text.length > MAX_TEXT_LENGTH;
  const isMetaLong = meta !== null && isLonger(meta, MAX_META_BYTES);
  const areMentionsLong = mentions !== null && isLonger(mentions, MAX_META_BYTES);
  if (!isTextLong && !isMetaLong && !areMentionsLong) return message;
  return {
    ...message,
    // The cut may fall inside a surrogate pair.
    text: isTextLong ? text.slice(0, MAX_TEXT_LENGTH).replace(/[\ud800-\udbff]$/, "") : text,
    meta: isMetaLong ? null : meta,
    mentions: areMentionsLong ? null : mentions,
  };
}
