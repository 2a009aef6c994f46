import pino, { type Logger } from "pino";

import { escapeInvisible } from "./escape.ts";

/** In UTF-16 code units, as are all lengths here. */
const MAX_STRING_LENGTH = 300;
/** Stack traces are worth more room. */
const MAX_STACK_LENGTH = 4000;
const MAX_LINE_LENGTH = 16_384;

/**
 * A logger that writes one JSON object per line to `destination`. Every line is safe to show and bounded, whatever was
 * logged: long strings are cut, invisible characters are escaped.
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
  // A shorter line has no string that is too long.
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
