import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type { Message } from "../chat/model.ts";
import { senderName } from "./serialize.ts";

/** The frozen contract of the Django Channels server that Parley replaces: its keys, and no others. */

const command = v.object({ message: v.string() });

/** The text of a client's frame `{"message": "…"}`; other keys are ignored. Throws `invalid_message`. */
export function parse(frame: string): string {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch (cause) {
    throw new ChatError("invalid_message", "A frame is one JSON object.", { cause });
  }
  const parsed = v.safeParse(command, json);
  if (!parsed.success) throw new ChatError("invalid_message", 'A frame looks like {"message": "some text"}.');
  return parsed.output.message;
}

/**
 * The first frame: the last messages, oldest first, without those that were deleted. In the rare room whose texts are so large, or so full of escapes,
 * that it would be longer than `most` bytes, the oldest stay out: it must not make a slow reader of a newcomer.
 */
export function history(messages: readonly Message[], most: number): string {
  const entries = messages
    .filter(({ text }) => text !== null)
    .map(({ text, sender }) => JSON.stringify({ text, sender_email: senderName(sender) }));
  const frame = `[${entries.join(",")}]`;
  if (frame.length * 3 <= most) return frame;
  let bytes = 1;
  const first = entries.findLastIndex(
    (entry) => (bytes += new TextEncoder().encode(entry).length + 1) > most,
  );
  return `[${entries.slice(first + 1).join(",")}]`;
}

/** A new message, to everyone in the room. */
export function created(message: Message): string {
  return `{"message":${JSON.stringify(message.text)}}`;
}

/** A refusal, to the sender alone. */
export function refusal({ code, message }: ChatError): string {
  return JSON.stringify({ error: { code, message } });
}
