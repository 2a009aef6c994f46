import { describe, expect, test } from "bun:test";

import type { JwksTiming } from "../../src/auth/jwks.ts";
import { callApi } from "../support/api.ts";
import { connectClassic, Refused } from "../support/client.ts";
import {
  DISCOVERY_PATH,
  type FaultyIssuer,
  type Handler,
  json,
  JWKS_PATH,
  publish,
  startFaultyIssuer,
} from "../support/faulty-issuer.ts";
import { startIssuer } from "../support/issuer.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeKey, sign } from "../support/tokens.ts";
import { type StartedVerifier, startVerifier } from "../support/verifier.ts";
import { waitUntil } from "../support/wait.ts";

// How the keys of an issuer are loaded, and what an issuer that fails does to its users.

const email = "alice@example.com";

// Making keys takes a while, so these two are shared: the key of the faulty issuers, and one that nobody publishes.
const published = makeKey();
const unpublished = makeKey();

const status = async (parley: TestServer, token: string) =>
  (await callApi(parley, "GET /api/me", { token })).status;
const isReady = async ({ url }: TestServer) => (await fetch(`${url}/readyz`)).status === 200;

/** "accepted", or the code of the refusal. */
const outcome = async (verifier: StartedVerifier, token: string) =>
  (await verifier.refusal(token))?.code ?? "accepted";

/** A token that the key of the faulty issuers signed. */
const signPublished = async ({ issuer }: FaultyIssuer) => sign(issuer, email, { key: await published });

/** A verifier that has loaded a provider's keys. */
async function startLoaded(keys?: JwksTiming) {
  const issuer = await startIssuer();
  const verifier = await startVerifier(issuer.issuer, keys && { keys });
  return {
    issuer,
    verifier,
    loads: () => issuer.hits.get("/jwks") ?? 0,
    async [Symbol.asyncDispose]() {
      verifier[Symbol.dispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

/** Every way in which an issuer may fail. Each is told which keys a good answer would have. */
const failures: [name: string, handler: (keys: readonly object[]) => Handler][] = [
  ["answers 500", () => (_, response) => void response.writeHead(500).end("{}")],
  [
    "answers 404 with good keys",
    (keys) => (request, response) => {
      response.statusCode = 404;
      json({ keys })(request, response);
    },
  ],
  ["hangs", () => () => undefined],
  ["stops in the middle", () => (_, response) => void response.writeHead(200).write('{"keys":[')],
  ["redirects", () => (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end()],
  ["sends HTML", () => (_, response) => void response.end("<!doctype html><title>Sign in</title>")],
  ["sends JSON that is no key set", () => json({ keys: "none" })],
  ["sends more than a megabyte", (keys) => json({ keys, padding: "x".repeat(1_100_000) })],
  ["closes the connection", () => (_, response) => void response.destroy()],
];

/** Verifies sixty tokens with different unknown kids, most of them at once. Resolves with the outcomes. */
async function flood(verifier: StartedVerifier, issuer: string): Promise<string[]> {
  const key = await unpublished;
  const tokens = await Promise.all(
    Array.from({ length: 60 }, (_, n) => sign(issuer, email, { key, header: { kid: `unknown-${n}` } })),
  );
  const outcomes = await Promise.all(tokens.slice(10).map((token) => outcome(verifier, token)));
  for (const token of tokens.slice(0, 10)) outcomes.push(await outcome(verifier, token));
  return outcomes;
}

describe("rotation", () => {
  test("an unknown kid loads the keys once, and tokens of the new and the old key are accepted", async () => {
    await using at = await startLoaded({ unknownKeyCooldownMs: 0 });
    const old = await at.issuer.sign(email);
    expect(await outcome(at.verifier, old)).toBe("accepted");
    expect(at.loads()).toBe(1);
    await at.issuer.rotate({ keepOld: true });
    expect(await outcome(at.verifier, await at.issuer.sign(email))).toBe("accepted");
    expect(at.loads()).toBe(2);
    expect(await outcome(at.verifier, await at.issuer.sign(email, { claims: { n: 2 } }))).toBe("accepted");
    expect(await outcome(at.verifier, old)).toBe("accepted");
    expect(at.loads()).toBe(2);
  });

  test("an unknown kid loads the keys at most once in 30 seconds", async () => {
    let clock = 0;
    await using at = await startLoaded({ monotonic: () => clock });
    await at.issuer.rotate();
    const token = await at.issuer.sign(email);
    clock = 29_999;
    expect(await outcome(at.verifier, token)).toBe("unauthorized");
    expect(await flood(at.verifier, at.issuer.issuer)).not.toContain("accepted");
    expect([at.loads(), at.issuer.hits.get(DISCOVERY_PATH)]).toEqual([1, 1]);
    clock = 30_000;
    expect(await outcome(at.verifier, token)).toBe("accepted");
    expect(at.loads()).toBe(2);
  });

  test("a key that the issuer withdraws is forgotten at the next reload, without any token", async () => {
    await using at = await startLoaded({ unknownKeyCooldownMs: 1, reloadIntervalMs: 50 });
    const token = await at.issuer.sign(email);
    const identity = await at.verifier.verify(token);
    await at.issuer.rotate();
    await waitUntil("the key is forgotten", () => !at.verifier.trusts(identity));
    expect(await outcome(at.verifier, token)).toBe("unauthorized");
    expect(await outcome(at.verifier, await at.issuer.sign(email))).toBe("accepted");
  });

  test("a key that is published under another kid is still the same key", async () => {
    await using issuer = await startFaultyIssuer();
    const { publicJwk } = await published;
    issuer.handler = publish(issuer, [publicJwk]);
    using verifier = await startVerifier(issuer.issuer, {
      keys: { reloadIntervalMs: 20 },
      onKeysRevoked: () => expect.unreachable(),
    });
    const identity = await verifier.verify(await signPublished(issuer));
    issuer.handler = publish(issuer, [{ ...publicJwk, kid: "renamed" }]);
    const renamed = await sign(issuer.issuer, email, { key: await published, header: { kid: "renamed" } });
    await waitUntil("the new kid is known", async () => (await verifier.refusal(renamed)) === undefined);
    expect(verifier.trusts(identity)).toBe(true);
  });
});

describe("an issuer that fails", () => {
  test.each(failures)(
    "is not asked again by tokens after a first load in which it %s",
    async (_, handler) => {
      await using issuer = await startFaultyIssuer();
      issuer.handler = handler([]);
      using verifier = await startVerifier(issuer.issuer, { keys: { timeoutMs: 50, minRetryMs: 30_000 } });
      expect(new Set(await flood(verifier, issuer.issuer))).toEqual(new Set(["keys_unavailable"]));
      expect([...issuer.hits]).toEqual([[DISCOVERY_PATH, 1]]);
    },
  );

  test.each(failures)("is asked no faster than the backoff allows while it %s", async (_, handler) => {
    await using issuer = await startFaultyIssuer();
    const { publicJwk } = await published;
    const good = publish(issuer, [publicJwk]);
    issuer.handler = good;
    const retryMs = 150;
    using verifier = await startVerifier(issuer.issuer, {
      keys: { unknownKeyCooldownMs: retryMs, minRetryMs: retryMs, maxRetryMs: retryMs, timeoutMs: 300 },
      onKeysRevoked: () => expect.unreachable(),
    });
    issuer.handler = (request, response) =>
      (request.url === JWKS_PATH ? handler([publicJwk]) : good)(request, response);
    while (issuer.jwksRequests.length < 4) {
      expect(await flood(verifier, issuer.issuer)).not.toContain("accepted");
    }
    for (const [n, at] of issuer.jwksRequests.entries()) {
      // A timer may fire a millisecond early.
      if (n > 0) expect(at - (issuer.jwksRequests[n - 1] ?? 0)).toBeGreaterThan(retryMs - 2);
    }
    expect(new Set(await flood(verifier, issuer.issuer))).toEqual(new Set(["keys_unavailable"]));
    // The keys of the last load stay in use, and a redirect was not followed.
    expect(await outcome(verifier, await signPublished(issuer))).toBe("accepted");
    expect([...issuer.hits.keys()].toSorted()).toEqual([DISCOVERY_PATH, JWKS_PATH]);
  });

  test("is asked again after a time that doubles with each failure, and the client hears how long", async () => {
    await using issuer = await startFaultyIssuer();
    // A clock that stands still shows the whole delay, and lets no token cause a load.
    const keys = { minRetryMs: 50, maxRetryMs: 400, monotonic: () => 0 };
    const { publicJwk } = await published;
    const good = publish(issuer, [publicJwk]);
    issuer.handler = (request, response) =>
      request.url === JWKS_PATH ? void response.writeHead(500).end() : good(request, response);
    using verifier = await startVerifier(issuer.issuer, { keys });
    const token = await signPublished(issuer);
    const heard = new Set<number | undefined>();
    while (issuer.jwksRequests.length < 7) {
      const refusal = await verifier.refusal(token);
      expect(refusal?.code).toBe("keys_unavailable");
      heard.add(refusal?.retryAfterMs);
      await Bun.sleep(1);
    }
    expect([...heard]).toEqual([50, 100, 200, 400]);
    const delays = issuer.jwksRequests.slice(1).map((at, n) => at - (issuer.jwksRequests[n] ?? 0));
    const expected = [50, 100, 200, 400, 400, 400];
    for (const [n, delay] of delays.entries()) expect(delay).toBeGreaterThan((expected[n] ?? 0) - 2);
    // The first failure after a success counts as the first one again.
    issuer.handler = good;
    await waitUntil("the keys are loaded", () => verifier.ready);
    expect(await outcome(verifier, token)).toBe("accepted");
  });

  test("lets the server work about two seconds after it starts, if it starts a second later", async () => {
    await using issuer = await startIssuer();
    const token = await issuer.sign(email);
    await issuer.kill();
    await using parley = await startTestServer({ issuer: issuer.issuer });
    await parley.createRoom([email], { id: "lobby" });
    const refusal = await connectClassic(parley.host, "lobby", { token }).catch((error: unknown) => error);
    if (!(refusal instanceof Refused)) throw new Error("it was accepted");
    expect(refusal.problem).toMatchObject({ status: 503, code: "keys_unavailable" });
    expect(refusal.status).toBe(503);
    expect(refusal.headers).toMatchObject({ "content-type": "application/problem+json", "retry-after": "1" });
    expect(await isReady(parley)).toBe(false);
    expect((await fetch(`${parley.url}/healthz`)).status).toBe(200);
    await Bun.sleep(1000);
    await issuer.revive();
    const revived = performance.now();
    await waitUntil("the server is ready", () => isReady(parley), 5000);
    expect(performance.now() - revived).toBeLessThan(3000);
    expect((await connectClassic(parley.host, "lobby", { token })).history).toEqual([]);
  }, 15_000);

  test("does not lock out users whose key is known", async () => {
    await using issuer = await startIssuer();
    const keys = { reloadIntervalMs: 20, minRetryMs: 10, maxRetryMs: 20 };
    await using parley = await startTestServer({ issuer: issuer.issuer, keys });
    await parley.createRoom([email], { id: "lobby" });
    await issuer.kill();
    const failed = () => parley.logs.filter(({ msg }) => String(msg).startsWith("Signing keys not reloaded"));
    await waitUntil("several reloads failed", () => failed().length > 3);
    const client = await connectClassic(parley.host, "lobby", { token: await issuer.sign(email) });
    expect(client.history).toEqual([]);
    expect(await isReady(parley)).toBe(true);
    // An unknown key may be a new one, which the issuer can't tell just now.
    const stranger = await callApi(parley, "GET /api/me", {
      token: await issuer.sign(email, { key: await unpublished }),
    });
    expect([stranger.status, stranger.body["code"]]).toEqual([503, "keys_unavailable"]);
    await issuer.revive();
    await issuer.rotate();
    const next = await issuer.sign(email);
    await waitUntil("the new key is loaded", async () => (await status(parley, next)) === 200);
  });
});

describe("the discovery document", () => {
  const cases: [
    name: string,
    document: (issuer: FaultyIssuer, keys: readonly object[]) => object,
    accepted: boolean,
  ][] = [
    ["is followed when it is right", ({ issuer, jwksUrl }) => ({ issuer, jwks_uri: jwksUrl }), true],
    [
      "must not name another issuer",
      ({ jwksUrl }) => ({ issuer: "https://x.example.com", jwks_uri: jwksUrl }),
      false,
    ],
    [
      "must have the same last slash",
      ({ issuer, jwksUrl }) => ({ issuer: `${issuer}/`, jwks_uri: jwksUrl }),
      false,
    ],
    ["must name an issuer", ({ jwksUrl }) => ({ jwks_uri: jwksUrl }), false],
    ["must say where the keys are", ({ issuer }) => ({ issuer }), false],
    // The kernel takes 0.0.0.0 for this machine, but it is no loopback address.
    [
      "must not lead to http",
      ({ issuer, jwksUrl }) => ({ issuer, jwks_uri: jwksUrl.replace("127.0.0.1", "0.0.0.0") }),
      false,
    ],
    [
      "must not carry the keys itself",
      ({ issuer }, keys) => ({ issuer, jwks_uri: `data:application/json,${JSON.stringify({ keys })}` }),
      false,
    ],
    ["must not lead to a file", ({ issuer }) => ({ issuer, jwks_uri: "file:///etc/passwd" }), false],
  ];
  test.each(cases)("%s", async (_, document, accepted) => {
    await using issuer = await startFaultyIssuer();
    const { publicJwk } = await published;
    const good = publish(issuer, [publicJwk]);
    issuer.handler = (request, response) => {
      (request.url === DISCOVERY_PATH ? json(document(issuer, [publicJwk])) : good)(request, response);
    };
    using verifier = await startVerifier(issuer.issuer);
    const expected = accepted ? "accepted" : "keys_unavailable";
    expect(await outcome(verifier, await signPublished(issuer))).toBe(expected);
    expect(verifier.ready).toBe(accepted);
    expect(issuer.hits.get(JWKS_PATH) ?? 0).toBe(accepted ? 1 : 0);
  });

  test("of an issuer with a slash at the end is found after that slash", async () => {
    await using faulty = await startFaultyIssuer();
    const key = await published;
    const issuer = `${faulty.issuer}/`;
    faulty.handler = publish({ ...faulty, issuer }, [key.publicJwk]);
    using verifier = await startVerifier(issuer);
    expect(await outcome(verifier, await sign(issuer, email, { key }))).toBe("accepted");
    expect(faulty.hits.get(DISCOVERY_PATH)).toBe(1);
  });

  test("is not fetched when PARLEY_JWKS_URL says where the keys are", async () => {
    await using faulty = await startFaultyIssuer();
    const key = await published;
    const issuer = "https://tenant.example.com/";
    faulty.handler = publish(faulty, [key.publicJwk]);
    await using parley = await startTestServer({ issuer, env: { PARLEY_JWKS_URL: faulty.jwksUrl } });
    expect(await status(parley, await sign(issuer, email, { key }))).toBe(200);
    expect(await status(parley, await sign(faulty.issuer, email, { key }))).toBe(401);
    expect([...faulty.hits]).toEqual([[JWKS_PATH, 1]]);
  });
});
