import { describe, expect, spyOn, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";

import { exportJWK, generateKeyPair, type JWK } from "jose";

import { publish, startFaultyIssuer } from "../support/faulty-issuer.ts";
import { makeKey, sign, type SigningKey } from "../support/tokens.ts";
import { startVerifier } from "../support/verifier.ts";
import { waitUntil } from "../support/wait.ts";

// Which keys of a key set are used, and for which tokens.

const email = "alice@example.com";

// Making keys takes a while, so they are shared.
const keys = Promise.all(Array.from({ length: 4 }, () => makeKey()));
const good = makeKey();

/** An issuer that publishes these entries, and a verifier that has loaded them. */
async function startWith(entries: readonly unknown[]) {
  const issuer = await startFaultyIssuer();
  issuer.handler = publish(issuer, entries);
  const verifier = await startVerifier(issuer.issuer, {
    keys: { reloadIntervalMs: 10, unknownKeyCooldownMs: 60_000 },
  });
  return {
    issuer,
    verifier,
    /** The outcome for a new token of this key: "accepted", or the reason in the log. */
    async outcome(key: SigningKey, header: Record<string, unknown> = {}): Promise<unknown> {
      const token = await sign(issuer.issuer, email, { key, header });
      const refusal = await verifier.refusal(token);
      return refusal === undefined ? "accepted" : verifier.logs.at(-1)?.["reason"];
    },
    async reloaded(): Promise<void> {
      const { length } = issuer.jwksRequests;
      await waitUntil("the keys were reloaded", () => issuer.jwksRequests.length > length + 1);
    },
    async [Symbol.asyncDispose]() {
      verifier[Symbol.dispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

const rsaJwk = async (modulusLength: number) =>
  exportJWK(generateKeyPairSync("rsa", { modulusLength }).publicKey);
const ecJwk = async () => exportJWK((await generateKeyPair("ES256", { extractable: true })).publicKey);

describe("an entry that can't be used", () => {
  const cases: [name: string, entry: (jwk: JWK) => unknown, reason: RegExp][] = [
    ["has no kty", (jwk) => ({ ...jwk, kty: undefined }), /kty/],
    ["has an unknown kty", (jwk) => ({ ...jwk, kty: "AKP" }), /kty/],
    ["is a shared secret", () => ({ kty: "oct", k: "c2VjcmV0" }), /kty/],
    ["has no modulus", (jwk) => ({ ...jwk, n: undefined }), /keyData|"n"/],
    ["has a modulus that is not base64url", (jwk) => ({ ...jwk, n: "!" }), /keyData/],
    ["has a modulus that is a number", (jwk) => ({ ...jwk, n: 5 }), /keyData|"n"/],
    ["has a modulus of 1024 bits", () => rsaJwk(1024), /2048/],
    [
      "has a point that is not on its curve",
      async () => ({ ...(await ecJwk()), y: "AAAA" }),
      /keyData|"y"|crv/,
    ],
    ["has an unknown curve", async () => ({ ...(await ecJwk()), crv: "secp256k1" }), /crv/],
    ["is for encryption", (jwk) => ({ ...jwk, use: "enc" }), /use/],
    ["is for encryption, says its alg", (jwk) => ({ ...jwk, alg: "RSA-OAEP" }), /alg: "RSA-OAEP"/],
    ["is not for verification, says its key_ops", (jwk) => ({ ...jwk, key_ops: ["encrypt"] }), /key_ops/],
    ["is private", async () => exportJWK((await good).privateKey), /not public/],
    ["has a kid that is a number", (jwk) => ({ ...jwk, kid: 7 }), /kid/],
    ["is null", () => null, /null/],
    ["is a text", () => "key", /key/],
    ["has a kty of 100,000 characters", (jwk) => ({ ...jwk, kty: "x".repeat(100_000) }), /kty/],
  ];
  test.each(cases)("is skipped, and the log says why, once: it %s", async (_, entry, reason) => {
    const other = await makeKey();
    const { publicJwk } = await good;
    await using at = await startWith([await entry(other.publicJwk), publicJwk]);
    expect(await at.outcome(await good)).toBe("accepted");
    expect(await at.outcome(other)).not.toBe("accepted");
    await at.reloaded();
    const loads = at.verifier.logs.filter(({ msg }) => msg === "Signing keys loaded");
    expect(loads).toEqual([
      expect.objectContaining({ kids: [publicJwk.kid], skipped: [expect.stringMatching(reason)] }),
    ]);
    expect(JSON.stringify(loads).length).toBeLessThan(1000);
    // A change is logged again.
    at.issuer.handler = publish(at.issuer, [publicJwk]);
    await waitUntil("the change is logged", () =>
      at.verifier.logs.some(({ skipped }) => Array.isArray(skipped) && skipped.length === 0),
    );
  });
});

test("an entry may say null for what it leaves out", async () => {
  const { publicJwk } = await good;
  await using at = await startWith([{ ...publicJwk, alg: null, use: null, key_ops: null }]);
  expect(await at.outcome(await good)).toBe("accepted");
});

describe("a key set without a usable key", () => {
  const cases: [name: string, entries: unknown[], reason: RegExp][] = [
    ["is empty", [], /no usable key: it is empty/],
    ["has only unusable entries", [{}, { kty: "oct" }], /no usable key: entry 0: kty.*; entry 1: kty/],
    ["has more than 500 entries", Array.from({ length: 501 }, () => ({ kty: "RSA" })), /500/],
  ];
  test.each(cases)("is an error, and the old keys stay in use: it %s", async (_, entries, reason) => {
    const { publicJwk } = await good;
    await using at = await startWith([publicJwk]);
    at.issuer.handler = publish(at.issuer, entries);
    await waitUntil("the reload failed", () => at.verifier.logs.some(({ level }) => level === 40));
    expect(at.verifier.logs.find(({ level }) => level === 40)).toMatchObject({
      msg: "Signing keys not reloaded, the old ones stay in use",
      reason: expect.stringMatching(reason),
    });
    expect(await at.outcome(await good)).toBe("accepted");
  });
});

test("a key set with every key in it is small enough to be logged", async () => {
  const { publicJwk } = await good;
  const many = Array.from({ length: 400 }, (_, n) => ({ ...publicJwk, kid: `${n}`.padEnd(2000, "x") }));
  await using at = await startWith([...many, ...Array.from({ length: 100 }, () => ({}))]);
  expect(JSON.stringify(at.verifier.logs).length).toBeLessThan(5000);
});

describe("a token that does not say which key signed it", () => {
  const withoutKid = { kid: undefined };

  test("is tried with each of three keys that fit", async () => {
    const three = (await keys).slice(0, 3);
    const others = await Promise.all(["ES256", "EdDSA", "PS256", "RS384"].map((alg) => makeKey(alg)));
    await using at = await startWith([...others, ...three].map(({ publicJwk }) => publicJwk));
    for (const key of three) expect(await at.outcome(key, withoutKid)).toBe("accepted");
    using checks = spyOn(crypto.subtle, "verify");
    expect(await at.outcome(await good, withoutKid)).toMatch(/signature/);
    expect(checks).toHaveBeenCalledTimes(3);
  });

  test("is refused unread when more keys fit", async () => {
    const four = await keys;
    await using at = await startWith(four.map(({ publicJwk }) => publicJwk));
    using checks = spyOn(crypto.subtle, "verify");
    for (const key of four) {
      expect(await at.outcome(key, withoutKid)).toBe(
        "4 RS256 keys match a token without kid, and at most 3 are tried",
      );
    }
    expect(checks).not.toHaveBeenCalled();
    for (const key of four) expect(await at.outcome(key)).toBe("accepted");
  });

  test("is tried with three keys that share its kid, and refused when more do", async () => {
    const shared = (await keys).map(({ publicJwk }) => Object.assign({}, publicJwk, { kid: "shared" }));
    const header = { kid: "shared" };
    await using three = await startWith(shared.slice(1));
    for (const key of (await keys).slice(1)) expect(await three.outcome(key, header)).toBe("accepted");
    await using four = await startWith(shared);
    for (const key of await keys) {
      expect(await four.outcome(key, header)).toBe(
        "4 RS256 keys match the token's kid, and at most 3 are tried",
      );
    }
  });
});
