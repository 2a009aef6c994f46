import * as v from "valibot";

import { annotate, type Keywords } from "./annotate.ts";

/** Values of what the server sends. The documents show them; nothing is validated with them but in tests. */

/** A whole number, 0 or more. */
export const integer = (description: string, keywords: Keywords = {}) =>
  annotate(v.number(), { description, type: "integer", minimum: 0, ...keywords });

/** RFC 3339 in UTC with milliseconds. */
export const time = (description: string) =>
  annotate(v.string(), {
    description,
    format: "date-time",
    pattern: String.raw`^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`,
  });

export const seqOf = (description: string) => integer(description, { minimum: 1 });
export const roomId = annotate(v.string(), { description: "The room's id.", examples: ["general"] });

/** What any of these schemas describes. */
export type OutputOf<T extends Record<string, v.GenericSchema>> = {
  [K in keyof T]: v.InferOutput<T[K]>;
}[keyof T];
