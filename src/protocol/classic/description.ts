import * as v from "valibot";

import { codes } from "../../chat/errors.ts";

/** The schema of classic.json, which describes the server that Parley replaces. Templates are compiled by `classic.ts`. */

const MAX_HISTORY_LENGTH = 200;
/** RFC 7230, section 3.2.6: what subprotocols and authentication schemes consist of. */
const HTTP_TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const name = (meaning: string) =>
  v.pipe(v.string(`must be ${meaning}`), v.minLength(1, `must be ${meaning}`));
const httpToken = (meaning: string) =>
  v.pipe(v.string(`must be ${meaning}`), v.regex(HTTP_TOKEN, `must be ${meaning}`));
const isObject = (input: unknown) => typeof input === "object" && input !== null && !Array.isArray(input);

/** `strictObject` alone accepts arrays. */
function object<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(v.custom<object>(isObject, "must be a JSON object"), v.strictObject(entries));
}

/** Deeper templates than anyone needs would overflow the stack. */
const MAX_TEMPLATE_DEPTH = 100;

/** Any JSON. */
const template = v.pipe(
  v.unknown(),
  v.check((json) => isShallow(json, MAX_TEMPLATE_DEPTH), "is nested too deeply"),
);

function isShallow(json: unknown, depth: number): boolean {
  if (typeof json !== "object" || json === null) return true;
  return depth > 0 && Object.values(json).every((child) => isShallow(child, depth - 1));
}

const carrier = v.pipe(
  object({
    query: v.optional(name("the name of a query parameter")),
    pair: v.optional(
      v.pipe(
        httpToken("a subprotocol"),
        v.check((word) => !isOwnProtocol(word), "must not be one of Parley's own subprotocols"),
      ),
    ),
    scheme: v.optional(httpToken("an authentication scheme")),
    frame: v.optional(template),
  }),
  v.check((each) => Object.keys(each).length === 1, "must have one of the keys query, pair, scheme, frame"),
);

function isOwnProtocol(word: string): boolean {
  return word === "classic" || word === "chat.v2" || word.startsWith("bearer.");
}

const closeCode = v.pipe(
  v.number("must be a number"),
  v.check(
    (code) => code === 1000 || (Number.isInteger(code) && code >= 3000 && code <= 4999),
    "must be 1000 or from 3000 to 4999",
  ),
);

export const descriptionSchema = object({
  paths: v.optional(
    v.pipe(
      v.array(v.string("must be a text"), "must be a list"),
      v.minLength(1, "must have at least one path"),
    ),
  ),
  token: v.optional(
    v.pipe(
      v.unknown(),
      v.transform((input) => (Array.isArray(input) ? (input as unknown[]) : [input])),
      v.array(carrier),
    ),
  ),
  text: v.optional(
    v.pipe(
      v.array(name("a key, or keys joined by dots"), "must be a list"),
      v.minLength(1, "must have at least one key"),
    ),
  ),
  history: v.optional(
    object({
      order: v.optional(v.picklist(["oldest", "newest"], 'must be "oldest" or "newest"')),
      limit: v.optional(
        v.pipe(
          v.number("must be a number"),
          v.integer("must be a whole number"),
          v.minValue(0, "must be at least 0"),
          v.maxValue(MAX_HISTORY_LENGTH, `must be at most ${MAX_HISTORY_LENGTH}`),
        ),
      ),
      frame: v.optional(template),
    }),
  ),
  item: v.optional(template),
  message: v.optional(template),
  edited: v.optional(template),
  deleted: v.optional(template),
  error: v.optional(template),
  accept: v.optional(
    v.array(
      object({
        command: v.picklist(
          ["send", "edit", "delete", "read", "ignore"],
          'must be "send", "edit", "delete", "read" or "ignore"',
        ),
        frame: template,
      }),
      "must be a list",
    ),
  ),
  close: v.optional(v.record(v.picklist(codes, "is not one of Parley's error codes"), closeCode)),
});

export type Description = v.InferOutput<typeof descriptionSchema>;
export type Carrier = v.InferOutput<typeof carrier>;
