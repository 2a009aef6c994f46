import * as v from "valibot";

import { annotate } from "./annotate.ts";

/** Bodies of the HTTP API about web push. Unknown keys are ignored, such as `expirationTime` of a browser's subscription. */

const MAX_ENDPOINT_LENGTH = 2048;
const LENGTH_RULE = `must have 1 to ${MAX_ENDPOINT_LENGTH} characters`;
const endpoint = annotate(
  v.pipe(v.string(), v.minLength(1, LENGTH_RULE), v.maxLength(MAX_ENDPOINT_LENGTH, LENGTH_RULE)),
  "The URL of the subscription, on a host of PARLEY_PUSH_SERVICES. It is a secret.",
);
/** The server checks the bytes, too. */
const base64url = (characters: number, description: string) =>
  annotate(
    v.pipe(
      v.string(),
      v.regex(
        new RegExp(`^[A-Za-z0-9_-]{${characters}}$`),
        `must have ${characters} characters of base64url`,
      ),
    ),
    description,
  );

export const pushSubscriptionSchema = annotate(
  v.object({
    endpoint,
    keys: annotate(
      v.object({
        p256dh: base64url(87, "The browser's public key: 65 bytes, without padding."),
        auth: base64url(22, "The browser's authentication secret: 16 bytes, without padding."),
      }),
      "With which pushes are encrypted (RFC 8291).",
    ),
  }),
  {
    title: "PushSubscription",
    description: "Where a browser receives web push, as `PushSubscription.toJSON()` of browsers returns it.",
    examples: [
      {
        endpoint: "https://fcm.googleapis.com/fcm/send/dIPd1OPd5Ho:APA91bF",
        keys: {
          p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
          auth: "BTBZMqHH6r4Tts7J_aSIgg",
        },
      },
    ],
  },
);
export type PushSubscriptionBody = v.InferInput<typeof pushSubscriptionSchema>;

export const endedSubscriptionSchema = annotate(v.object({ endpoint }), {
  title: "EndedPushSubscription",
  description: "A subscription to end.",
  examples: [{ endpoint: "https://fcm.googleapis.com/fcm/send/dIPd1OPd5Ho:APA91bF" }],
});
