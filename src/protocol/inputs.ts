import * as v from "valibot";

import type { Meta } from "../chat/model.ts";
import {
  isClientId,
  isClientName,
  isEmoji,
  isJsonObject,
  isRoomId,
  MAX_META_BYTES,
  MAX_META_DEPTH,
  ROOM_ID_PATTERN,
  ROOM_ID_RULE,
} from "../chat/validation.ts";
import { annotate, type Keywords } from "./annotate.ts";

/** Values in what clients send, over WebSockets and HTTP. */

// One `custom` check each: every message passes them, and a pipe of several checks takes twice the time. The keywords say in the
// documents what the checks are.
const text = (isValid: (text: string) => boolean, message: string, keywords: Keywords) =>
  annotate(
    v.custom<string>((input) => typeof input === "string" && isValid(input), message),
    { type: "string", ...keywords },
  );
export const integer = (min: number, description: string) =>
  annotate(
    v.custom<number>(
      (input) => typeof input === "number" && Number.isSafeInteger(input) && input >= min,
      `must be a whole number, at least ${min}`,
    ),
    { description, type: "integer", minimum: min, maximum: Number.MAX_SAFE_INTEGER },
  );

export const clientName = text(isClientName, "must be a string of 1 to 64 characters", {
  description: "Chosen by the client. It comes back in the answer.",
  minLength: 1,
  maxLength: 64,
});
export const clientId = text(
  isClientId,
  "must be a string of 1 to 64 characters, without lone surrogates and NUL",
  {
    description:
      "An idempotency key, unique for ever per room and sender: a message that is sent again with it is stored once.",
    minLength: 1,
    maxLength: 64,
    pattern: String.raw`^[^\u0000]*$`,
  },
);
export const emoji = text(isEmoji, "must be one emoji or a short word", {
  description:
    "An emoji, or a short word such as `:tada:`: up to 32 UTF-16 units, visible, without white space.",
  minLength: 1,
  maxLength: 32,
  pattern: String.raw`^\S+$`,
  examples: ["👍"],
});
/** The domain checks what is in it. */
export const meta = annotate(v.custom<Meta>(isJsonObject, "must be a JSON object"), {
  description:
    `A JSON object for the application's own use: up to ${MAX_META_BYTES} bytes of UTF-8 as compact JSON, and up to ` +
    `${MAX_META_DEPTH} levels of objects and arrays.`,
  type: "object",
  // Without it, some generators make a type that allows no key.
  additionalProperties: true,
  examples: [{ card: "order", number: 1042 }],
});
export const messageText = annotate(
  v.string("must be a text"),
  "The text, with at least one visible character and without NUL and lone surrogates.",
);
export const seq = integer(1, "The number of a message.");
export const replyTo = integer(1, "The `seq` of the message that this one replies to.");
export const readMark = integer(0, "The `seq` up to which the user has read the room. 0 moves nothing.");
export const roomIdKeywords = { description: ROOM_ID_RULE, pattern: ROOM_ID_PATTERN, examples: ["general"] };
export const room = text(isRoomId, ROOM_ID_RULE, roomIdKeywords);
