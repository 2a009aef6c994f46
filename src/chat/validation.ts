import { ChatError } from "./errors.ts";
import type { Invitee, Meta } from "./model.ts";

/** `sub` and invitation, in UTF-16 units. */
const MAX_USER_ID_LENGTH = 255;
/** RFC 5321, section 4.5.3.1.3, less the angle brackets. */
const MAX_EMAIL_LENGTH = 254;
const MAX_ROOM_NAME_LENGTH = 200;
const MAX_REASON_LENGTH = 500;
const MAX_USER_NAME_LENGTH = 255;
const MAX_EMOJI_LENGTH = 32;
const MAX_CLIENT_NAME_CHARACTERS = 64;
/** Of compact JSON in UTF-8. */
export const MAX_META_BYTES = 4096;
/** Objects and arrays inside each other. The object itself is the first level. */
export const MAX_META_DEPTH = 16;

/** RFC 3339, section 5.6. */
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** The last millisecond that RFC 3339 can write, in UTC: it has no later year than 9999. */
export const MAX_TIME_MS = Date.UTC(10_000, 0, 1) - 1;

/**
 * A visible character. White space, control and format characters are not visible, nor are characters that Unicode calls
 * default ignorable (variation selectors, fillers, joiners …), nor two blanks that Unicode counts as symbols.
 */
const VISIBLE =
  /[^\p{White_Space}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\u{1d159}]/u;

/**
 * Invisible characters that a name may not contain: all of them except spaces, and the joiners, variation selectors and
 * tags that emoji and some scripts need.
 */
const INVISIBLE_IN_NAME =
  /(?! |\u00a0|\u3000|\u200c|\u200d|\ufe0e|\ufe0f|[\u{e0020}-\u{e007f}])[\p{White_Space}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\u{1d159}]/u;

/** The joiners, variation selectors and tags that emoji are made of. */
const EMOJI_MODIFIERS = /\u200d|\ufe0e|\ufe0f|[\u{e0020}-\u{e007f}]/gu;
const PRESENTATION_SELECTORS = /[\ufe0e\ufe0f]/gu;

/** Room ids fit into a URL and into a Django Channels group name as they are. */
export const ROOM_ID_PATTERN = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$";
const ROOM_ID = new RegExp(ROOM_ID_PATTERN);
export const ROOM_ID_RULE =
  "A room id has 1 to 100 letters, digits, dots, underscores and hyphens, and does not begin with a dot.";

export function isRoomId(text: string): boolean {
  return ROOM_ID.test(text);
}

/** Whether every database can store a text and return it unchanged: no lone surrogates, no NUL. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Whether a reader sees anything of the text. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/** Whether a text has more than `maxBytes` bytes of UTF-8. */
export function isLonger(text: string, maxBytes: number): boolean {
  // UTF-8 takes at most three bytes for each UTF-16 unit, so most texts need no counting.
  return text.length * 3 > maxBytes && new TextEncoder().encode(text).length > maxBytes;
}

/** Throws `invalid_message` or `message_too_long`. `maxBytes` is in UTF-8; 0 means no limit. */
export function checkMessageText(text: string, maxBytes: number): void {
  if (maxBytes > 0 && isLonger(text, maxBytes)) {
    throw new ChatError("message_too_long", `A message may have up to ${maxBytes} bytes of UTF-8.`);
  }
  if (!isVisible(text)) throw new ChatError("invalid_message", "A message needs some visible text.");
  if (!isStorable(text)) {
    throw new ChatError("invalid_message", "A message may contain neither lone surrogates nor NUL.");
  }
}

/** Whether a value that was parsed from JSON is an object: not an array, and not null. */
export function isJsonObject(value: unknown): value is Meta {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Returns a message's metadata as it is stored, as compact JSON. It must have been parsed from JSON. Throws `invalid_message` or
 * `message_too_long`.
 */
export function encodeMeta(meta: Meta): string {
  const reason = whyNotKept(meta, MAX_META_DEPTH);
  if (reason !== undefined) throw new ChatError("invalid_message", reason);
  const json = JSON.stringify(meta);
  if (!isLonger(json, MAX_META_BYTES)) return json;
  throw new ChatError("message_too_long", `Metadata may have up to ${MAX_META_BYTES} bytes of compact JSON.`);
}

/** Why a value cannot be stored and returned unchanged. Undefined when it can. `depth`: levels that it may have. */
function whyNotKept(value: unknown, depth: number): string | undefined {
  if (typeof value === "string")
    return isStorable(value) ? undefined : "Metadata may contain neither lone surrogates nor NUL.";
  if (typeof value === "number")
    return isExact(value)
      ? undefined
      : "A number in the metadata is too large to be exact. Send it as a string.";
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === 0) return `Metadata may be nested up to ${MAX_META_DEPTH} levels deep.`;
  for (const key of Object.keys(value)) {
    const reason = whyNotKept(key, 0) ?? whyNotKept((value as Meta)[key], depth - 1);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Whether a parsed number is the one that was sent: finite, and no whole number whose last digits may have been rounded. */
function isExact(number: number): boolean {
  return Number.isFinite(number) && (Number.isSafeInteger(number) || !Number.isInteger(number));
}

/** Returns the name as it is stored: trimmed, in NFC. Throws `invalid_command`. */
export function parseRoomName(text: string): string {
  return parseName(text, "A room name", MAX_ROOM_NAME_LENGTH);
}

/** Returns a user's name as it is stored: trimmed, in NFC. Throws `invalid_command`. */
export function parseUserName(text: string): string {
  return parseName(text, "A name", MAX_USER_NAME_LENGTH);
}

function parseName(text: string, subject: string, maxLength: number): string {
  const name = text.trim().normalize("NFC");
  if (name === "" || name.length > maxLength)
    throw new ChatError("invalid_command", `${subject} has 1 to ${maxLength} characters.`);
  if (!isVisible(name) || !isStorable(name) || INVISIBLE_IN_NAME.test(name))
    throw new ChatError("invalid_command", `${subject} may not contain invisible or control characters.`);
  return name;
}

/** Returns the reason for a ban or a mute as it is stored: trimmed. Throws `invalid_command`. */
export function parseReason(text: string): string {
  const reason = text.trim();
  if (reason.length > 0 && reason.length <= MAX_REASON_LENGTH && isStorable(reason)) return reason;
  throw new ChatError(
    "invalid_command",
    `reason: must have 1 to ${MAX_REASON_LENGTH} characters, without lone surrogates and NUL`,
  );
}

/** Whether a text may be a reaction: an emoji of any length, or a short word such as `:tada:`. */
export function isEmoji(text: string): boolean {
  if (text.length > MAX_EMOJI_LENGTH || !isVisible(text)) return false;
  const rest = text.replace(EMOJI_MODIFIERS, "");
  return rest !== "" && !/\s/.test(rest) && !INVISIBLE_IN_NAME.test(rest);
}

/** The key by which emoji are compared: ❤ with and without its presentation selector is one reaction. */
export function emojiKey(emoji: string): string {
  return emoji.normalize("NFC").replace(PRESENTATION_SELECTORS, "");
}

/** Whether a text may be the `id` of a command: 1 to 64 Unicode code points. */
export function isClientName(text: string): boolean {
  if (text.length === 0 || text.length > 2 * MAX_CLIENT_NAME_CHARACTERS) return false;
  return text.length <= MAX_CLIENT_NAME_CHARACTERS || Array.from(text).length <= MAX_CLIENT_NAME_CHARACTERS;
}

/** Whether a text may be the `client_id` of a message. */
export function isClientId(text: string): boolean {
  return isClientName(text) && isStorable(text);
}

/** The form in which emails are compared: NFC, with A to Z in lower case. Other letters stay: ſ, for one, would fold to s. */
export function normalizeEmail(email: string): string {
  return email
    .trim()
    .normalize("NFC")
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

const EMAIL =
  /^[^\s@\p{C}\p{Default_Ignorable_Code_Point}\u2800]+@[^\s@\p{C}\p{Default_Ignorable_Code_Point}\u2800]+$/u;

/** Whether a normalized text is an email address, in an invitation and in a token alike. The domain may have no dot. */
export function isEmail(text: string): boolean {
  return text.length <= MAX_EMAIL_LENGTH && EMAIL.test(text);
}

/** Whether a text may be a token's `sub`. */
export function isUserId(text: string): boolean {
  return text !== "" && text.length <= MAX_USER_ID_LENGTH && isStorable(text);
}

/**
 * Parses an email or a user's id. A prefix `sub:` marks an id that looks like an email. Throws `invalid_command` with the
 * reason when no token could ever match.
 */
export function parseInvitee(text: string): Invitee {
  const marked = text.startsWith("sub:");
  if (!marked && text.includes("@")) return { email: parseEmail(text) };
  const sub = marked ? text.slice("sub:".length) : text;
  if (sub.length > MAX_USER_ID_LENGTH)
    throw new ChatError("invalid_command", `A user id has at most ${MAX_USER_ID_LENGTH} characters.`);
  if (isUserId(sub) && (marked || !(/\s/.test(sub) || INVISIBLE_IN_NAME.test(sub)))) return { sub };
  throw new ChatError(
    "invalid_command",
    "Expected an email address or a user id. Write sub: in front of an id with spaces.",
  );
}

function parseEmail(text: string): string {
  const email = normalizeEmail(text);
  if (isEmail(email)) return email;
  throw new ChatError(
    "invalid_command",
    email.length > MAX_EMAIL_LENGTH
      ? `An email address has at most ${MAX_EMAIL_LENGTH} characters.`
      : "This is not an email address: it needs one @ with text on both sides, and no spaces or invisible characters.",
  );
}

/**
 * Milliseconds since the epoch; digits beyond the millisecond are cut. NaN when the text is not a time, is a leap second, or is
 * after `MAX_TIME_MS`.
 */
export function parseTime(text: string): number {
  const [, year, month, day] = TIME.exec(text) ?? [];
  if (day === undefined) return Number.NaN;
  // Date.parse accepts 30 February.
  if (day > "28" && Number(day) > lastDayOf(Number(year), Number(month))) return Number.NaN;
  const time = Date.parse(text.toUpperCase());
  return time <= MAX_TIME_MS ? time : Number.NaN;
}

/** `month` is 1 to 12. */
const lastDayOf = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate();
