import * as v from "valibot";

import { isSecureUrl, normalizeOriginPattern } from "./url.ts";

/** Values of settings, as they are written in the environment. */

export const commaList = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
  v.minLength(1, "must have at least one entry"),
);

export function number(min: number, max: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d+(\.\d+)?$/, "must be a decimal number, 0 or more"),
    v.transform(Number),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  );
}

const MAX_COUNT = 1_000_000_000;

export function count(max = MAX_COUNT) {
  return v.pipe(number(0, max), v.integer("must be a whole number"));
}

export const secureUrls = v.pipe(
  commaList,
  v.everyItem(isSecureUrl, "must be https URLs (http only on localhost)"),
);

export const origins = v.pipe(
  commaList,
  v.mapItems(normalizeOriginPattern),
  v.array(
    v.string(
      "must be origins such as https://app.example.com, https://*.example.com, capacitor://localhost or null, without a path or a slash at the end",
    ),
  ),
);

/** Origins from hosts such as `fcm.googleapis.com`. A host without a scheme means https. */
export const pushServices = v.pipe(
  commaList,
  v.mapItems((entry) => {
    const origin = normalizeOriginPattern(entry.includes("://") ? entry : `https://${entry}`);
    return origin !== undefined && isSecureUrl(origin.replace("://*.", "://")) ? origin : undefined;
  }),
  v.array(
    v.string(
      "must be hosts such as fcm.googleapis.com or *.push.apple.com, without a path (http:// only on localhost)",
    ),
  ),
);
