import * as v from "valibot";

import { annotate } from "./annotate.ts";

/** Bodies of the HTTP API about web push. Unknown keys are ignored, such as `expirationTime` of a browser's subscription. */

const endpoint = annotate(v.string(), {
  description: "The URL of the subscription, on a host of PARLEY_PUSH_SERVICES. It is a secret.",
  minLength: 1,
  maxLength: 2048,
});

export const pushSubscriptionSchema = annotate(
  v.object({
    endpoint,
    keys: v.object({
      p256dh: annotate(v.string(), {
        description: "The browser's public key: 65 bytes, in base64url without padding.",
        pattern: "^[A-Za-z0-9_-]{87}$",
      }),
      auth: annotate(v.string(), {
        description: "The browser's authentication secret: 16 bytes, in base64url without padding.",
        pattern: "^[A-Za-z0-9_-]{22}$",
      }),
    }),
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
