import { expect, spyOn, test } from "bun:test";

import type { Identity } from "../../src/chat/model.ts";
import { connectClassic } from "../support/client.ts";
import { forge, unsigned } from "../support/forge.ts";
import { startIssuer } from "../support/issuer.ts";
import { useServer } from "../support/server.ts";
import { audience } from "../support/tokens.ts";
import { startVerifier } from "../support/verifier.ts";
import { waitUntil } from "../support/wait.ts";

// Calls of WebCrypto tell whether a token was verified or came from the cache.

const email = "alice@example.com";
const server = useServer();

const expires = (seconds: number) => ({ claims: { exp: Math.floor(Date.now() / 1000) + seconds } });

test("a reconnect with the same token costs no signature check", async () => {
  const room = await server.createRoom([email]);
  const token = await server.issuer.sign(email);
  const open = async (bearer: string) => {
    const client = await connectClassic(server.host, room, { token: bearer });
    await client.close();
  };
  using checks = spyOn(crypto.subtle, "verify");
  await open(token);
  expect(checks).toHaveBeenCalledTimes(1);
  for (let n = 0; n < 5; n++) await open(token);
  expect(checks).toHaveBeenCalledTimes(1);
  await open(await server.issuer.sign(email, { claims: { n: 1 } }));
  expect(checks).toHaveBeenCalledTimes(2);
});

test.each([
  ["a whole number of seconds", 1_900_000_000, 5],
  ["no tolerance", 1_900_000_000, 0],
  ["half a second of tolerance", 1_900_000_000, 0.5],
  ["an exp between two seconds", 1_900_000_000.25, 5],
])("a token is accepted until exp plus the tolerance, cached or not: %s", async (_, exp, clockTolerance) => {
  let clock = (exp - 60) * 1000;
  const now = () => clock;
  using verifier = await startVerifier(server.issuer.issuer, { clockTolerance, now });
  const [cached, fresh] = await Promise.all(
    [1, 2].map((n) => server.issuer.sign(email, { claims: { exp, n, iat: undefined } })),
  );
  const acceptedUntil = (exp + clockTolerance) * 1000;
  expect(await verifier.verify(cached ?? "")).toMatchObject({ expiresAt: exp * 1000, acceptedUntil });
  clock = acceptedUntil - 1;
  using checks = spyOn(crypto.subtle, "verify");
  expect(await verifier.refusal(cached ?? "")).toBeUndefined();
  expect(checks).not.toHaveBeenCalled();
  expect(await verifier.verify(fresh ?? "")).toMatchObject({ expiresAt: exp * 1000, acceptedUntil });
  for (clock = acceptedUntil; clock < acceptedUntil + 3000; clock += 200) {
    expect((await verifier.refusal(cached ?? ""))?.code).toBe("token_expired");
    expect((await verifier.refusal(fresh ?? ""))?.code).toBe("token_expired");
  }
});

test("a refused token is not cached", async () => {
  let elapsed = 0;
  using verifier = await startVerifier(server.issuer.issuer, { now: () => Date.now() + elapsed });
  const nbf = Math.floor(Date.now() / 1000) + 300;
  const token = await server.issuer.sign(email, { claims: { nbf } });
  expect((await verifier.refusal(token))?.code).toBe("unauthorized");
  elapsed = 300_000;
  expect(await verifier.refusal(token)).toBeUndefined();
});

test("the cache holds 20,000 tokens and then evicts the oldest", async () => {
  using verifier = await startVerifier(server.issuer.issuer);
  // 20,000 real signatures would take too long, and are not what is tested here.
  using checks = spyOn(crypto.subtle, "verify").mockResolvedValue(true);
  const header = { alg: "RS256", kid: server.issuer.key.kid };
  const { exp } = expires(3600).claims;
  const token = (n: number) =>
    forge(header, { iss: server.issuer.issuer, aud: audience, sub: `user-${n}`, exp }, unsigned);
  const isCached = async (n: number) => {
    const before = checks.mock.calls.length;
    expect((await verifier.verify(await token(n))).sub).toBe(`user-${n}`);
    return checks.mock.calls.length === before;
  };
  for (let n = 0; n < 20_000; n++) await verifier.verify(await token(n));
  expect(checks).toHaveBeenCalledTimes(20_000);
  expect([await isCached(0), await isCached(1), await isCached(19_999)]).toEqual([true, true, true]);
  expect(await isCached(20_000)).toBe(false);
  expect([await isCached(1), await isCached(20_000)]).toEqual([true, true]);
  expect(await isCached(0)).toBe(false);
}, 20_000);

test("a revoked key is reported once, and only its tokens leave the cache", async () => {
  await using issuer = await startIssuer();
  const revoked: ReadonlySet<string>[] = [];
  using verifier = await startVerifier(issuer.issuer, {
    keys: { unknownKeyCooldownMs: 1, reloadIntervalMs: 20 },
    onKeysRevoked: (keys) => void revoked.push(keys),
  });
  const old = await issuer.sign(email);
  const before = await verifier.verify(old);
  await issuer.rotate({ keepOld: true });
  const next = await issuer.sign(email);
  let after: Identity | undefined;
  await waitUntil("the new key is loaded", async () => {
    after = await verifier.verify(next).catch(() => undefined);
    return after !== undefined;
  });
  if (!after) throw new Error("not reached");
  expect(before.signingKey).toStartWith(`${issuer.issuer} `);
  expect(after.signingKey).not.toBe(before.signingKey);
  expect([revoked, verifier.trusts(before), verifier.trusts(after)]).toEqual([[], true, true]);

  // The provider rotates again: the old key goes, and the next one stays.
  await issuer.rotate({ keepOld: true });
  await waitUntil("the old key is revoked", () => revoked.length > 0);
  expect(revoked).toEqual([new Set([before.signingKey])]);
  expect([verifier.trusts(before), verifier.trusts(after)]).toEqual([false, true]);
  using checks = spyOn(crypto.subtle, "verify");
  expect(await verifier.refusal(next)).toBeUndefined();
  expect(checks).not.toHaveBeenCalled();
  expect((await verifier.refusal(old))?.code).toBe("unauthorized");
});

test("a token whose key is revoked while it is verified is refused", async () => {
  await using issuer = await startIssuer();
  using verifier = await startVerifier(issuer.issuer, {
    keys: { unknownKeyCooldownMs: 1, reloadIntervalMs: 10 },
  });
  const token = await issuer.sign(email);
  const reached = Promise.withResolvers<void>();
  const resume = Promise.withResolvers<void>();
  const slow = spyOn(crypto.subtle, "verify").mockImplementation(async () => {
    reached.resolve();
    await resume.promise;
    return true;
  });
  const underWay = verifier.refusal(token);
  await reached.promise;
  slow.mockRestore();
  await issuer.rotate();
  const next = await issuer.sign(email);
  await waitUntil("the new key is loaded", async () => (await verifier.refusal(next)) === undefined);
  resume.resolve();
  expect((await underWay)?.code).toBe("unauthorized");
  expect((await verifier.refusal(token))?.code).toBe("unauthorized");
});
