import type { Push } from "../chat/push-store.ts";
import { MAX_PAYLOAD_BYTES } from "./encrypt.ts";

/** Characters of a message's text that a notification shows. */
const MAX_TEXT_LENGTH = 200;

/** The JSON that the service worker gets. Undefined if it cannot be made to fit: a name may be long, too. */
export function encodePayload(push: Pick<Push, "room" | "message">): Buffer | undefined {
  for (let length = MAX_TEXT_LENGTH; ; length = Math.floor(length / 2)) {
    const payload = encode(push, length);
    if (payload.length <= MAX_PAYLOAD_BYTES) return payload;
    if (length === 0) return undefined;
  }
}

function encode({ room, message }: Pick<Push, "room" | "message">, maxLength: number): Buffer {
  const { id, email, name } = message.sender;
  return Buffer.from(
    JSON.stringify({
      room: room.id,
      room_name: room.name,
      direct: room.isDirect,
      seq: message.seq,
      sender: { id, name, email },
      text: cut(message.text, maxLength),
    }),
  );
}

function cut(text: string, maxLength: number): string {
  const characters = Array.from(text);
  return characters.length > maxLength ? `${characters.slice(0, maxLength).join("")}…` : text;
}
