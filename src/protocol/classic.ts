import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type { Message, User } from "../chat/model.ts";
import { classicMessageSchema } from "./schemas.ts";

/** Frames of `classic`, the frozen contract of the Django Channels server that Parley replaces: its keys and no others. */

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
 * The first frame: the last messages, oldest first, without deleted ones. Texts that are very long or full of escapes may
 * exceed `maxBytes`; then the oldest messages are left out, so that the frame does not make a new connection a slow reader.
 */
export function encodeHistory(messages: readonly Message[], maxBytes: number): string {
  const entries = messages
    .filter(({ text }) => text !== null)
    .map(({ text, sender }) => JSON.stringify({ text, sender_email: senderEmail(sender) }));
  const frame = `[${entries.join(",")}]`;
  if (frame.length * 3 <= maxBytes) return frame;
  let bytes = 1;
  const firstTooMany = entries.findLastIndex((entry) => {
    bytes += new TextEncoder().encode(entry).length + 1;
    return bytes > maxBytes;
  });
  return `[${entries.slice(firstTooMany + 1).join(",")}]`;
}

/** A new message, as everybody in the room gets it. */
export function encodeCreated(message: Message): string {
  return `{"message":${JSON.stringify(message.text)}}`;
}

/** An error, for the sender of the frame alone. */
export function encodeError({ code, message }: ChatError): string {
  return JSON.stringify({ error: { code, message } });
}

/** A user without an email is shown with their `sub`. */
function senderEmail({ email, id }: User): string {
  return email ?? id ?? "";
}
