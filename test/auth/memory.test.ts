import { expect, spyOn, test } from "bun:test";

import pino from "pino";

import { Verifier } from "../../src/auth/verifier.ts";
import { ChatError } from "../../src/chat/errors.ts";
import { connect } from "../support/client.ts";
import { forge, unsigned } from "../support/forge.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { stage } from "../support/stage.ts";
import { audience } from "../support/tokens.ts";
import { until } from "../support/until.ts";

// What a verifier remembers. Whether it verified is told by counting the calls of WebCrypto.

const email = "alice@example.com";
const at = stage();

/** A verifier with a clock that a test can move. */
async function startVerifier(issuer: Issuer = at.issuer, keys?: { cooldown: number; reload: number }) {
  let elapsed = 0;
  const verifier = new Verifier({
    issuers: [{ issuer: issuer.issuer, jwksUrl: undefined }],
    audiences: [audience],
    algorithms: ["RS256"],
    emailClaim: "email",
    nameClaim: "name",
    clockTolerance: 0,
    log: pino({ level: "silent" }),
    now: () => Date.now() + elapsed,
    ...(keys && { keys }),
  });
  await verifier.start();
  return {
    verify: (token: string) => verifier.verify(token),
    /** The code with which a token is refused; undefined when it is good. */
    refusal: (token: string) =>
      verifier.verify(token).then(
        () => undefined,
        (error: unknown) => (error instanceof ChatError ? error.code : error),
      ),
    pass: (seconds: number) => (elapsed += seconds * 1000),
    [Symbol.dispose]: () => verifier.stop(),
  };
}

test("a reconnect with the same token is not verified again", async () => {
  const room = await at.roomOf(email);
  const token = await at.issuer.sign(email);
  const open = async (one: string) => {
    const client = await connect(at.parley.host, room, { token: one });
    await client.close();
  };
  using verified = spyOn(crypto.subtle, "verify");
  await open(token);
  expect(verified).toHaveBeenCalledTimes(1);
  for (let n = 0; n < 5; n++) await open(token);
  expect(verified).toHaveBeenCalledTimes(1);
  await open(await at.issuer.sign(email, { claims: { n: 1 } }));
  expect(verified).toHaveBeenCalledTimes(2);
});

test("a token that is remembered is not good for a moment longer than it says", async () => {
  using verifier = await startVerifier();
  const exp = Math.floor(Date.now() / 1000) + 600;
  const token = await at.issuer.sign(email, { claims: { exp } });
  using verified = spyOn(crypto.subtle, "verify");
  expect((await verifier.verify(token)).expiresAt).toBe(exp * 1000);
  verifier.pass(590);
  expect(await verifier.refusal(token)).toBeUndefined();
  expect(verified).toHaveBeenCalledTimes(1);
  verifier.pass(10);
  expect(await verifier.refusal(token)).toBe("token_expired");
});

test("a token that is refused is not remembered either way", async () => {
  using verifier = await startVerifier();
  const now = Math.floor(Date.now() / 1000);
  const token = await at.issuer.sign(email, { claims: { nbf: now + 300 } });
  expect(await verifier.refusal(token)).toBe("unauthorized");
  verifier.pass(300);
  expect(await verifier.refusal(token)).toBeUndefined();
});

test("twenty thousand are remembered, and then the oldest is forgotten", async () => {
  using verifier = await startVerifier();
  // Signing that many would take its time, and what is asked here is not whether signatures are checked.
  using verified = spyOn(crypto.subtle, "verify").mockResolvedValue(true);
  const header = { alg: "RS256", kid: at.issuer.key.kid };
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const token = (n: number) =>
    forge(header, { iss: at.issuer.issuer, aud: audience, sub: `user-${n}`, exp }, unsigned);
  /** Whether a token had to be verified. */
  const isNew = async (n: number) => {
    const before = verified.mock.calls.length;
    expect((await verifier.verify(await token(n))).sub).toBe(`user-${n}`);
    return verified.mock.calls.length > before;
  };
  for (let n = 0; n < 20_000; n++) await verifier.verify(await token(n));
  expect(verified).toHaveBeenCalledTimes(20_000);
  expect([await isNew(0), await isNew(1), await isNew(19_999)]).toEqual([false, false, false]);
  expect(await isNew(20_000)).toBe(true);
  expect([await isNew(1), await isNew(20_000)]).toEqual([false, false]);
  expect(await isNew(0)).toBe(true);
}, 20_000);

test("a token whose key is withdrawn while it is being verified is not remembered", async () => {
  await using issuer = await startIssuer();
  using verifier = await startVerifier(issuer, { cooldown: 1, reload: 10 });
  const token = await issuer.sign(email);
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const slow = spyOn(crypto.subtle, "verify").mockImplementation(async () => {
    reached.resolve();
    await go.promise;
    return true;
  });
  const first = verifier.refusal(token);
  await reached.promise;
  slow.mockRestore();
  await issuer.rotate();
  // Only the new key is known by now, whose token this is.
  const next = await issuer.sign(email);
  await until("the key is withdrawn", async () => (await verifier.refusal(next)) === undefined);
  go.resolve();
  expect(await first).toBeUndefined();
  expect(await verifier.refusal(token)).toBe("unauthorized");
});
