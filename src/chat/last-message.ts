import type { Message } from "./model.ts";

/** UTF-16 units of the text of a room list's last message. */
const MAX_TEXT_LENGTH = 200;

/** The message as room lists show it: a long text is cut. */
export function cutLastMessage(message: Message): Message {
  if (message.text === null || message.text.length <= MAX_TEXT_LENGTH) return message;
  // The cut may fall inside a surrogate pair.
  return { ...message, text: message.text.slice(0, MAX_TEXT_LENGTH).replace(/[\ud800-\udbff]$/, "") };
}
