import { ChatError } from "./errors.ts";
import type { Place } from "./search-index.ts";
import { isRoomId } from "./validation.ts";

/** Where the next page of a search begins. It names only messages of rooms that the user was in. */
export interface Cursor {
  /** The newest message of the group of matches. */
  from: Place;
  /** In the middle of a group: its oldest message, and the last result. */
  within?: { until: Place; last: LastResult } | undefined;
}

/** What the order of results depends on. */
export interface LastResult extends Place {
  score: number;
  sentAt: number;
}

const MAX_CURSOR_LENGTH = 1000;

type Fields = [string, number] | [string, number, string, number, number, number, string, number];

export function formatCursor({ from, within }: Cursor): string {
  const fields: Fields = within
    ? ([
        ...[from.room, from.seq, within.until.room, within.until.seq],
        ...[within.last.score, within.last.sentAt, within.last.room, within.last.seq],
      ] as Fields)
    : [from.room, from.seq];
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

/** Throws `invalid_command`. */
export function parseCursor(text: string): Cursor {
  const fields = decode(text);
  if (!isFields(fields)) throw new ChatError("invalid_command", "cursor: must be the `next` of a page");
  const [room, seq] = fields;
  if (fields.length === 2) return { from: { room, seq } };
  const [, , untilRoom, untilSeq, score, sentAt, lastRoom, lastSeq] = fields;
  const last = { score, sentAt, room: lastRoom, seq: lastSeq };
  return { from: { room, seq }, within: { until: { room: untilRoom, seq: untilSeq }, last } };
}

function decode(text: string): unknown {
  if (text.length > MAX_CURSOR_LENGTH) return undefined;
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    return undefined;
  }
}

const isSeq = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isRoom = (value: unknown) => typeof value === "string" && isRoomId(value);
const FIELDS = [isRoom, isSeq, isRoom, isSeq, isSeq, Number.isSafeInteger, isRoom, isSeq];

function isFields(value: unknown): value is Fields {
  if (!Array.isArray(value) || (value.length !== 2 && value.length !== FIELDS.length)) return false;
  return value.every((field: unknown, index) => FIELDS[index]?.(field));
}
