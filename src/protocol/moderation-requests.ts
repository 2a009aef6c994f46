import * as v from "valibot";

import { parseTime } from "../chat/validation.ts";
import { annotate } from "./annotate.ts";
import { CURSOR, limitParameter, numberParameter } from "./parameters.ts";

/** Bodies and queries of the HTTP API about bans, mutes and the audit list. Unknown keys of a body are ignored. */

const TIME_RULE = "must be a time (RFC 3339)";
/** Becomes milliseconds since the epoch. */
const end = v.pipe(
  annotate(v.string(TIME_RULE), {
    description: "When it ends: a time in the future. Without it, or null, it has no end.",
    format: "date-time",
    examples: ["2030-01-01T00:00:00Z"],
  }),
  v.transform(parseTime),
  v.check((time: number) => !Number.isNaN(time), TIME_RULE),
);
/** The domain checks the values. */
export const newRestrictionSchema = annotate(
  v.object({
    until: v.optional(v.nullable(end)),
    reason: v.optional(
      v.nullable(
        annotate(v.string(), {
          description: "Why, for moderators and owners: 1 to 500 UTF-16 units.",
          minLength: 1,
          maxLength: 500,
        }),
      ),
    ),
  }),
  {
    title: "NewRestriction",
    description: "A ban or a mute to impose.",
    examples: [{}, { until: "2030-01-01T00:00:00Z", reason: "Spam" }],
  },
);
export type NewRestriction = v.InferInput<typeof newRestrictionSchema>;

/** A place in a list of restrictions: a time of imposition, and the store's key of a user. */
export const restrictionRangeSchema = v.strictObject({
  cursor: v.optional(
    v.pipe(
      annotate(v.string(), CURSOR),
      v.regex(/^\d{1,15}-\d{1,15}$/, "must be the `next` of a page"),
      v.transform((cursor) => {
        const [at, user] = cursor.split("-");
        return { at: Number(at), user: Number(user) };
      }),
    ),
  ),
  limit: limitParameter(1000, 100),
});

export function formatRestrictionCursor({ at, user }: { at: number; user: number }): string {
  return `${at}-${user}`;
}

/** The cursor is the number of the last entry. */
export const auditRangeSchema = v.strictObject({
  cursor: v.optional(numberParameter(CURSOR)),
  limit: limitParameter(1000, 100),
});
