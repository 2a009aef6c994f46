import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type { Message, User } from "../chat/model.ts";
import { classicMessageSchema } from "./schemas.ts";

/** Frames of `classic`, the protocol of the Django Channels server that Parley replaces. It is frozen: no other keys. */

/** The text of a client's frame `{"message": "…"}`. Throws `invalid_message`. */
export function parseMessage(frame: string): string {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch (cause) {
    throw new ChatError("invalid_message", "A frame must be one JSON object.", { cause });
  }
  const parsed = v.safeParse(classicMessageSchema, json);
  if (parsed.success) return parsed.output.message;
  throw new ChatError("invalid_message", 'A frame must look like {"message": "some text"}.');
}

/**
 * Encodes the first frame: the last messages, oldest first, without deleted ones. If it would exceed `maxBytes`, the oldest
 * messages are left out, so that the frame does not make a new connection a slow reader.
 */
export function encodeHistory(messages: readonly Message[], maxBytes: number): string {
  const entries = messages
    .filter(({ text }) => text !== null)
    .map(({ text, sender }) => JSON.stringify({ text, sender_email: senderEmail(sender) }));
  const frame = `[${entries.join(",")}]`;
  // UTF-8 takes at most three bytes for each UTF-16 unit, so most frames need no counting.
  if (frame.length * 3 <= maxBytes) return frame;
  let bytes = 1;
  const newestLeftOut = entries.findLastIndex((entry) => {
    bytes += new TextEncoder().encode(entry).length + 1;
    return bytes > maxBytes;
  });
  return `[${entries.slice(newestLeftOut + 1).join(",")}]`;
}

/** Encodes a new message, for everyone in the room. */
export function encodeCreated(message: Message): string {
  return `{"message":${JSON.stringify(message.text)}}`;
}

/** Encodes an error, for the sender of the refused frame. */
export function encodeError({ code, message }: ChatError): string {
  return JSON.stringify({ error: { code, message } });
}

/** A user without an email is shown with their `sub`. */
function senderEmail({ email, id }: User): string {
  return email ?? id ?? "";
}
