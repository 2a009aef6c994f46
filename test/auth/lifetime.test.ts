import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { connectClassic, connectV2, Refused } from "../support/client.ts";
import { startIssuer } from "../support/issuer.ts";
import { startTestServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// How long a connection may use its token.

const alice = "alice@example.com";

/** A server that hears of changes to the issuer's keys within milliseconds. */
async function start() {
  const issuer = await startIssuer();
  const parley = await startTestServer({
    issuer: issuer.issuer,
    keys: { reloadIntervalMs: 20, unknownKeyCooldownMs: 1 },
    env: { PARLEY_CLOCK_TOLERANCE: "2" },
  });
  await parley.createRoom([alice], { id: "lobby" });
  return {
    issuer,
    parley,
    status: async (token: string) => (await callApi(parley, "GET /api/me", { token })).status,
    classic: (token: string) => connectClassic(parley.host, "lobby", { token }),
    v2: (token: string) => connectV2(parley.host, "lobby", { token }),
    async [Symbol.asyncDispose]() {
      await parley[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

test("when the issuer withdraws a key, connections whose token it signed are closed with 4401, and only those", async () => {
  await using at = await start();
  const old = await at.issuer.sign(alice);
  const [classic, v2, renewed] = [await at.classic(old), await at.v2(old), await at.v2(old)];
  await at.issuer.rotate({ keepOld: true });
  const next = await at.issuer.sign(alice);
  await waitUntil("the new key is known", async () => (await at.status(next)) === 200);
  const other = await at.v2(next);
  await renewed.ack({ type: "auth", token: next });

  // The provider rotates again: the first key goes, and the second stays.
  await at.issuer.rotate({ keepOld: true });
  expect(await classic.closed).toEqual({ code: 4401, reason: "unauthorized" });
  expect(await v2.closed).toMatchObject({ code: 4401, reason: "unauthorized" });
  expect(await at.status(old)).toBe(401);
  await other.say("still here");
  await renewed.say("here, too");
});

test("a connection ends at exp plus the tolerance, and its token is never accepted again", async () => {
  await using at = await start();
  const exp = Math.floor(Date.now() / 1000) + 1;
  const token = await at.issuer.sign(alice, { claims: { exp } });
  const [classic, v2] = [await at.classic(token), await at.v2(token)];
  await waitUntil("exp is past", () => Date.now() > exp * 1000);
  // Within the tolerance the token is still accepted, and the connection lives as long as it.
  const late = await at.classic(token);
  for (const client of [classic, v2, late]) {
    expect(await client.closed).toMatchObject({ code: 4401, reason: "token_expired" });
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 2) * 1000);
    const refusal = await at.classic(token).catch((error: unknown) => error);
    if (!(refusal instanceof Refused)) throw new Error("it was accepted");
    expect(refusal.problem).toMatchObject({ status: 401, code: "token_expired" });
  }
}, 10_000);
