import { expect, test } from "bun:test";
import { createECDH } from "node:crypto";

import { encrypt, MAX_PAYLOAD_BYTES } from "../../src/push/encrypt.ts";
import { decrypt, PushService } from "../support/push-service.ts";

/** RFC 8291, section 5 and appendix A. */
const example = {
  plaintext: "When I grow up, I want to be a watermelon",
  receiverPublic: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
  receiverPrivate: "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
  secret: "BTBZMqHH6r4Tts7J_aSIgg",
  senderPrivate: "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
  salt: "DGv6ra1nlYgDCS1FRnbzlw",
  body:
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl" +
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
};

test("the example of RFC 8291 is encrypted as it says", () => {
  const keyPair = createECDH("prime256v1");
  keyPair.setPrivateKey(Buffer.from(example.senderPrivate, "base64url"));
  const body = encrypt(
    Buffer.from(example.plaintext),
    { p256dh: example.receiverPublic, auth: example.secret },
    { keyPair, salt: Buffer.from(example.salt, "base64url") },
  );
  expect(body.toString("base64url")).toBe(example.body);
});

test("the test's own push service decrypts the example of RFC 8291", async () => {
  const publicKey = Buffer.from(example.receiverPublic, "base64url");
  const [x, y] = [publicKey.subarray(1, 33), publicKey.subarray(33)].map((part) =>
    part.toString("base64url"),
  );
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey(
    "jwk",
    { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "", d: example.receiverPrivate },
    curve,
    false,
    ["deriveBits"],
  );
  const secret = Buffer.from(example.secret, "base64url");
  const body = new Uint8Array(Buffer.from(example.body, "base64url"));
  expect(await decrypt(body, { privateKey, publicKey, secret })).toBe(example.plaintext);
});

test("each push has other keys and another salt, and the longest payload fits into 4096 bytes", async () => {
  await using service = new PushService();
  const browser = await service.subscribe();
  const text = "x".repeat(MAX_PAYLOAD_BYTES);
  const bodies = [0, 1].map(() => encrypt(Buffer.from(text), browser.subscription.keys));
  for (const body of bodies) expect(await browser.decrypt(new Uint8Array(body))).toBe(text);
  expect(bodies.map(({ length }) => length)).toEqual([4096, 4096]);
  const [first, second] = bodies.map((body) => body.subarray(0, 86).toString("hex"));
  expect(first?.slice(0, 32)).not.toBe(second?.slice(0, 32) as never);
  expect(first?.slice(42)).not.toBe(second?.slice(42) as never);
});
