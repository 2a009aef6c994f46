import { expect, test } from "bun:test";

import { newPrivateKey, Vapid } from "../../src/push/vapid.ts";

const HOUR_MS = 3_600_000;

function createVapid(privateKey = newPrivateKey()) {
  const clock = { now: Date.now() };
  const vapid = new Vapid({ privateKey, contact: "mailto:admin@example.com", now: () => clock.now });
  return { vapid, clock };
}

const expiry = (authorization: string) => {
  const [, body = ""] = authorization.split(".");
  return (JSON.parse(Buffer.from(body, "base64url").toString()) as { exp: number }).exp;
};

test("a token is made once for each push service, until it is about to expire", async () => {
  const { vapid, clock } = createVapid();
  const first = await vapid.authorization("https://push.example.com");
  expect(await vapid.authorization("https://push.example.com")).toBe(first);
  expect(await vapid.authorization("https://other.example.com")).not.toBe(first);
  clock.now += 10.9 * HOUR_MS;
  expect(await vapid.authorization("https://push.example.com")).toBe(first);
  clock.now += 0.2 * HOUR_MS;
  const renewed = await vapid.authorization("https://push.example.com");
  expect(expiry(renewed) - clock.now / 1000).toBeWithin(12 * 3600 - 2, 12 * 3600 + 1);
});

test("tokens of a bounded number of push services are kept", async () => {
  const { vapid } = createVapid();
  const first = await vapid.authorization("https://0.example.com");
  for (let each = 1; each <= 100; each++) await vapid.authorization(`https://${each}.example.com`);
  // Signatures differ each time.
  expect(await vapid.authorization("https://0.example.com")).not.toBe(first);
});

test("the public key is that of the private key", () => {
  // RFC 8291, section 5.
  const { vapid } = createVapid("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
  expect(vapid.publicKey).toBe(
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
  );
  expect(createVapid(vapid.publicKey.slice(0, 43)).vapid.publicKey).not.toBe(vapid.publicKey);
});

test.each(["A".repeat(43), "_".repeat(43)])("%s is no private key", (key) => {
  expect(() => createVapid(key)).toThrow();
});

test("new keys are different, and 32 bytes long", () => {
  const keys = new Set(Array.from({ length: 300 }, newPrivateKey));
  expect(keys.size).toBe(300);
  expect([...keys].every((key) => /^[\w-]{43}$/.test(key))).toBe(true);
});
