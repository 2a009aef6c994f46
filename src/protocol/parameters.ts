import * as v from "valibot";

import { annotate, type Keywords } from "./annotate.ts";

/** Values in queries and paths. */

/** A whole number. */
export const numberParameter = (description: string, keywords: Keywords = {}) =>
  annotate(v.pipe(v.string(), v.regex(/^\d{1,15}$/, "must be a whole number"), v.transform(Number)), {
    description,
    type: "integer",
    minimum: 0,
    maximum: 999_999_999_999_999,
    pattern: undefined,
    ...keywords,
  });
export const booleanParameter = (description: string) =>
  annotate(v.picklist(["true", "false"], "must be true or false"), {
    description,
    type: "boolean",
    enum: undefined,
  });
export const limitParameter = (max: number, fallback: number) =>
  annotate(
    v.optional(
      v.pipe(
        numberParameter("The greatest number of items on the page. It may have fewer.", {
          minimum: 1,
          maximum: max,
        }),
        v.minValue(1, "must be at least 1"),
        v.maxValue(max, `must be at most ${max}`),
      ),
      `${fallback}`,
    ),
    { default: fallback },
  );

/**
 * A query as programs write it: numbers are numbers. Without the cursor, which is only ever the `next` of a page.
 */
export type QueryOf<T extends v.GenericSchema<object, object>> = {
  [K in keyof v.InferInput<T> as Exclude<K, "cursor">]:
    | (v.InferOutput<T>[K & keyof v.InferOutput<T>] extends number | undefined ? number : v.InferInput<T>[K])
    | (undefined extends v.InferInput<T>[K] ? undefined : never);
};

export const CURSOR = "The `next` of the page before.";
