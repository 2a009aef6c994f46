import pino, { type Logger } from "pino";

import { escapeInvisible } from "./escape.ts";

/** In UTF-16 units, as all lengths here. */
const MAX_STRING_LENGTH = 300;
/** More, because stack traces are long. */
const MAX_STACK_LENGTH = 4000;
const MAX_LINE_LENGTH = 16_384;

/**
 * Returns a logger that writes one JSON object per line to `destination`. Whatever is logged, a line is bounded and safe to
 * show on a terminal: long strings are cut, and invisible characters are escaped.
 */
export function createLog(level: string, destination: { write(line: string): void }): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: safeLine },
    },
    destination,
  );
}

function safeLine(line: string): string {
  const json = line.trimEnd();
  // A line of this length cannot contain a longer string.
  return `${escapeInvisible(json.length > MAX_STRING_LENGTH ? shorten(json) : json)}\n`;
}

function shorten(json: string): string {
  const entry = JSON.parse(json) as Record<string, unknown>;
  const shortened = JSON.stringify(entry, cutStrings);
  if (shortened.length <= MAX_LINE_LENGTH) return shortened;
  const { level, time, msg } = entry;
  return JSON.stringify({ level, time, msg, truncated: true }, cutStrings);
}

function cutStrings(key: string, value: unknown): unknown {
  const limit = key === "stack" ? MAX_STACK_LENGTH : MAX_STRING_LENGTH;
  if (typeof value !== "string" || value.length <= limit) return value;
  // The cut may fall inside a surrogate pair.
  return `${value.slice(0, limit - 1).toWellFormed()}…`;
}
