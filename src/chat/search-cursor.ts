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

/** Occurs in no room id, and needs no escaping in a URL. */
const SEPARATOR = "~";
const MAX_CURSOR_LENGTH = 500;
const NUMBER = /^-?\d{1,15}$/;

export function formatCursor({ from, within }: Cursor): string {
  const fields = within
    ? [
        formatPlace(from),
        formatPlace(within.until),
        formatPlace(within.last),
        within.last.score,
        within.last.sentAt,
      ]
    : [formatPlace(from)];
  return fields.join(SEPARATOR);
}

const formatPlace = ({ room, seq }: Place) => `${room}${SEPARATOR}${seq}`;

/** Throws `invalid_command`. */
export function parseCursor(text: string): Cursor {
  const fields = text.length <= MAX_CURSOR_LENGTH ? text.split(SEPARATOR) : [];
  const [from, until, last] = [parsePlace(fields, 0), parsePlace(fields, 2), parsePlace(fields, 4)];
  const [score, sentAt] = [fields[6] ?? "", fields[7] ?? ""];
  if (from && fields.length === 2) return { from };
  if (from && until && last && NUMBER.test(score) && NUMBER.test(sentAt) && fields.length === 8)
    return { from, within: { until, last: { ...last, score: Number(score), sentAt: Number(sentAt) } } };
  throw new ChatError("invalid_command", "cursor: must be the `next` of a page");
}

function parsePlace(fields: readonly string[], at: number): Place | undefined {
  const [room = "", seq = ""] = fields.slice(at, at + 2);
  return isRoomId(room) && NUMBER.test(seq) ? { room, seq: Number(seq) } : undefined;
}
