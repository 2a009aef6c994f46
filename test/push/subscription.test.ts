import { describe, expect, test } from "bun:test";

import { readConfig } from "../../src/config.ts";
import { checkSubscription, isAllowed } from "../../src/push/subscription.ts";
import { newPrivateKey, Vapid } from "../../src/push/vapid.ts";

const { pushServices: services } = readConfig({});
const { publicKey } = new Vapid({ privateKey: newPrivateKey(), contact: "", now: Date.now });
const valid = {
  endpoint: "https://fcm.googleapis.com/fcm/send/abc:def",
  p256dh: publicKey,
  auth: "A".repeat(22),
};

test.each([
  "https://fcm.googleapis.com/fcm/send/abc:def",
  "https://updates.push.services.mozilla.com/wpush/v2/gAAAA_-",
  "https://web.push.apple.com/QAbc",
  "https://wns2-par02p.notify.windows.com/w/?token=BQYA%2fabc",
])("pushes go to %s by default", (endpoint) => {
  expect(isAllowed(endpoint, services)).toBe(true);
});

describe("pushes do not go to", () => {
  test.each([
    "http://fcm.googleapis.com/x",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com.evil.example/x",
    "https://evil.example/fcm.googleapis.com",
    "https://evil.example#.push.apple.com/x",
    "https://evil.example/.push.apple.com",
    "https://push.apple.com/x",
    "https://.push.apple.com/x",
    "https://evil.example\\.push.apple.com/x",
    "https://user@fcm.googleapis.com/x",
    "https://:pass@fcm.googleapis.com/x",
    "https://fcm.googleapis.com@evil.example/x",
    "https://fcm.googleapis.com/x#fragment",
    "https://fcm.googleapis.com/x#",
    // The same URL must not be another subscription.
    "HTTPS://fcm.googleapis.com/x",
    "https://FCM.googleapis.com/x",
    "https://fcm.googleapis.com:443/x",
    "https://fcm.googleapis.com/../x",
    " https://fcm.googleapis.com/x",
    "https://fcm.googleapis.com/\nx",
    "https://fcm.googleapis.com/ x",
    "https://fcm.googleapis.com./x",
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://[::1]/x",
    "https://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "data:,x",
    "fcm.googleapis.com/x",
    "",
  ])("%j", (endpoint) => {
    expect(isAllowed(endpoint, services)).toBe(false);
    expect(() => checkSubscription({ ...valid, endpoint }, services)).toThrow("endpoint: must be");
  });
});

test("keys are refused unless they are a point of the curve, and a secret of 16 bytes", () => {
  expect(() => checkSubscription(valid, services)).not.toThrow();
  const bytes = Buffer.from(publicKey, "base64url");
  const changed = (at: number) => {
    const other = Buffer.from(bytes);
    other[at] = (other[at] ?? 0) ^ 1;
    return other.toString("base64url");
  };
  const points = [
    "",
    publicKey.slice(1),
    `${publicKey}A`,
    `${publicKey.slice(0, 86)}=`,
    `${publicKey.slice(0, 86)}+`,
    changed(0),
    changed(40),
    Buffer.alloc(65).toString("base64url"),
    Buffer.concat([Buffer.from([4]), Buffer.alloc(64)]).toString("base64url"),
    Buffer.concat([Buffer.from([2]), bytes.subarray(1)]).toString("base64url"),
    Buffer.alloc(65, 255).toString("base64url"),
  ];
  for (const p256dh of points)
    expect(() => checkSubscription({ ...valid, p256dh }, services)).toThrow("keys.p256dh: must be");
  for (const auth of [
    "",
    "A".repeat(21),
    `${"A".repeat(21)}B`,
    "A".repeat(23),
    `${"A".repeat(21)}=`,
    "A".repeat(10_000),
  ])
    expect(() => checkSubscription({ ...valid, auth }, services)).toThrow("keys.auth: must be");
});
