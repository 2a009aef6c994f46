import { describe, expect, spyOn, test } from "bun:test";

import { call } from "../support/api.ts";
import { connect, Refused } from "../support/client.ts";
import { type Answer, type Crooked, honest, json, startCrooked } from "../support/crooked.ts";
import { startIssuer } from "../support/issuer.ts";
import { type Parley, type ParleyOptions, startParley } from "../support/parley.ts";
import { makeKey, sign } from "../support/tokens.ts";
import { until } from "../support/until.ts";

const email = "alice@example.com";
const discoveryPath = "/.well-known/openid-configuration";

// Made once, since it takes a while: the key of the issuers here that are not real ones, and one that nobody publishes.
const known = makeKey();
const unknown = makeKey();

/** How the HTTP API takes a token. */
const me = (parley: Parley, token: string) => call(parley, "GET /api/me", { token });
const status = async (parley: Parley, token: string) => (await me(parley, token)).status;
const ready = async ({ url }: Parley) => (await fetch(`${url}/readyz`)).status === 200;

/** A server that knows an honest issuer's keys. */
async function warm(keys?: ParleyOptions["keys"]) {
  const issuer = await startIssuer();
  const parley = await startParley({ issuer: issuer.issuer, ...(keys && { keys }) });
  return {
    issuer,
    parley,
    async [Symbol.asyncDispose]() {
      await parley[Symbol.asyncDispose]();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

/** Every way to be a bad issuer. Each is told where a good answer would be found. */
const bad: [name: string, answer: (keys: readonly object[], crooked: Crooked) => Answer][] = [
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

describe("rotation", () => {
  test("an unknown kid fetches the keys once, and the new key's token works", async () => {
    await using at = await warm({ cooldown: 1 });
    const old = await at.issuer.sign(email);
    expect(await status(at.parley, old)).toBe(200);
    expect(at.issuer.hits.get("/jwks")).toBe(1);
    await at.issuer.rotate({ keepOld: true });
    expect(await status(at.parley, await at.issuer.sign(email))).toBe(200);
    expect(at.issuer.hits.get("/jwks")).toBe(2);
    expect(await status(at.parley, await at.issuer.sign(email, { claims: { n: 2 } }))).toBe(200);
    expect(await status(at.parley, old)).toBe(200);
    expect(at.issuer.hits.get("/jwks")).toBe(2);
  });

  test("within half a minute of the last fetch a new key has to wait, and then it is fetched", async () => {
    // Whole, so that adding to it is exact.
    const start = Math.ceil(performance.now());
    using clock = spyOn(performance, "now").mockReturnValue(start);
    await using at = await warm();
    await at.issuer.rotate();
    const token = await at.issuer.sign(email);
    clock.mockReturnValue(start + 29_999);
    expect(await status(at.parley, token)).toBe(401);
    expect(at.issuer.hits.get("/jwks")).toBe(1);
    clock.mockReturnValue(start + 30_000);
    expect(await status(at.parley, token)).toBe(200);
    expect(at.issuer.hits.get("/jwks")).toBe(2);
  });

  test("tokens of a key that was withdrawn are forgotten, also those that were verified before", async () => {
    await using at = await warm({ cooldown: 1, reload: 50 });
    const token = await at.issuer.sign(email);
    expect(await status(at.parley, token)).toBe(200);
    await at.issuer.rotate({ keepOld: true });
    const next = await at.issuer.sign(email);
    const fetched = at.issuer.hits.get("/jwks") ?? 0;
    await until("the keys were loaded again", () => (at.issuer.hits.get("/jwks") ?? 0) > fetched + 1);
    expect(await status(at.parley, token)).toBe(200);
    await at.issuer.rotate();
    await until("the token is refused", async () => (await status(at.parley, token)) === 401);
    expect(await status(at.parley, next)).toBe(401);
    expect(await status(at.parley, await at.issuer.sign(email))).toBe(200);
  });
});

/** Sixty tokens of keys that nobody has, most of them at once, the rest one after the other; how each was answered. */
const flood = async (parley: Parley, issuer: string) => {
  const key = await unknown;
  const token = (n: number) => sign(issuer, email, { key, header: { kid: `${key.kid}-${n}` } });
  const tokens = await Promise.all(Array.from({ length: 60 }, (_, n) => token(n)));
  const answers = await Promise.all(tokens.slice(10).map((one) => status(parley, one)));
  for (const one of tokens.slice(0, 10)) answers.push(await status(parley, one));
  return answers;
};

describe("a flood of unknown kids", () => {
  test("does not fetch again within half a minute, however honest the issuer is", async () => {
    await using at = await warm();
    expect(await flood(at.parley, at.issuer.issuer)).not.toContain(200);
    expect([at.issuer.hits.get("/jwks"), at.issuer.hits.get(discoveryPath)]).toEqual([1, 1]);
    expect(await status(at.parley, await at.issuer.sign(email))).toBe(200);
  });

  test.each(bad)("nor on a server that starts while the issuer %s", async (_, answer) => {
    await using issuer = await startCrooked();
    issuer.answer = answer([], issuer);
    await using parley = await startParley({ issuer: issuer.issuer, keys: { timeout: 50 } });
    expect(new Set(await flood(parley, issuer.issuer))).toEqual(new Set([503]));
    expect([...issuer.hits]).toEqual([[discoveryPath, 1]]);
  });

  test.each(bad)("fetches at most once in each cooldown while the issuer %s", async (_, answer) => {
    await using issuer = await startCrooked();
    const key = await known;
    const good = honest(issuer, [key.publicJwk]);
    issuer.answer = good;
    const cooldown = 150;
    await using parley = await startParley({ issuer: issuer.issuer, keys: { cooldown, timeout: 50 } });
    const turned = performance.now();
    issuer.answer = (request, response) => {
      const asked = request.url === "/jwks.json" ? answer([key.publicJwk], issuer) : good;
      asked(request, response);
    };
    const fetched = () => (issuer.hits.get("/jwks.json") ?? 0) - 1;
    while (fetched() < 2) expect(await flood(parley, issuer.issuer)).not.toContain(200);
    expect(fetched()).toBeLessThanOrEqual(1 + (performance.now() - turned) / cooldown);
    // Whatever it answered was not taken for an answer.
    expect(new Set(await flood(parley, issuer.issuer))).toEqual(new Set([503]));
    // What the server had is still good, and where it was sent it never went.
    expect(await status(parley, await sign(issuer.issuer, email, { key }))).toBe(200);
    expect([...issuer.hits.keys()].toSorted()).toEqual([discoveryPath, "/jwks.json"]);
  });
});

describe("an issuer that is down", () => {
  test("keeps nobody out whose token is good: the keys stay", async () => {
    await using at = await warm({ cooldown: 20, reload: 20 });
    await at.parley.room("lobby", [email]);
    await at.issuer.kill();
    const failures = () => at.parley.logs.filter(({ msg }) => String(msg).startsWith("keys not reloaded"));
    await until("the keys could not be reloaded, again and again", () => failures().length > 3);
    const client = await connect(at.parley.host, "lobby", { token: await at.issuer.sign(email) });
    expect(await client.next()).toEqual([]);
    expect(await ready(at.parley)).toBe(true);
    // A key that nobody knows may be a new one: it can't be told.
    const stranger = await me(at.parley, await at.issuer.sign(email, { key: await unknown }));
    expect([stranger.status, stranger.body["code"]]).toEqual([503, "keys_unavailable"]);
    await at.issuer.revive();
    await at.issuer.rotate();
    const next = await at.issuer.sign(email);
    await until("the new key is here", async () => (await status(at.parley, next)) === 200);
  });

  test("makes a server that starts meanwhile say so, and recover by itself", async () => {
    await using issuer = await startIssuer();
    const token = await issuer.sign(email);
    await issuer.kill();
    await using parley = await startParley({ issuer: issuer.issuer, keys: { cooldown: 20 } });
    await parley.room("lobby", [email]);
    const refusal = await connect(parley.host, "lobby", { token }).catch((error: unknown) => error);
    if (!(refusal instanceof Refused)) throw new Error("it was let in");
    expect(refusal.problem).toMatchObject({ status: 503, code: "keys_unavailable" });
    expect(refusal.status).toBe(503);
    expect(refusal.headers).toMatchObject({ "content-type": "application/problem+json" });
    expect(Number(refusal.headers["retry-after"])).toBeGreaterThan(0);
    expect(await ready(parley)).toBe(false);
    expect((await fetch(`${parley.url}/healthz`)).status).toBe(200);
    await issuer.revive();
    await until("the server is ready", () => ready(parley));
    const client = await connect(parley.host, "lobby", { token });
    expect(await client.next()).toEqual([]);
  });
});

describe("the discovery document", () => {
  const cases: [
    name: string,
    document: (crooked: Crooked, keys: readonly object[]) => object,
    isReady: boolean,
  ][] = [
    ["is followed when it is right", ({ issuer, jwksUrl }) => ({ issuer, jwks_uri: jwksUrl }), true],
    [
      "may not name another issuer",
      ({ jwksUrl }) => ({ issuer: "https://x.example.com", jwks_uri: jwksUrl }),
      false,
    ],
    [
      "must have the last slash right",
      ({ issuer, jwksUrl }) => ({ issuer: `${issuer}/`, jwks_uri: jwksUrl }),
      false,
    ],
    ["may not name no issuer", ({ jwksUrl }) => ({ jwks_uri: jwksUrl }), false],
    ["must say where the keys are", ({ issuer }) => ({ issuer }), false],
    // It would be found there: 0.0.0.0 is this machine for the kernel, but no name of it for us.
    [
      "may not send us to http",
      ({ issuer, jwksUrl }) => ({ issuer, jwks_uri: jwksUrl.replace("127.0.0.1", "0.0.0.0") }),
      false,
    ],
    [
      "may not bring the keys itself",
      ({ issuer }, keys) => ({ issuer, jwks_uri: `data:application/json,${JSON.stringify({ keys })}` }),
      false,
    ],
    ["may not send us to a file", ({ issuer }) => ({ issuer, jwks_uri: "file:///etc/passwd" }), false],
  ];
  test.each(cases)("%s", async (_, document, isReady) => {
    await using issuer = await startCrooked();
    const key = await known;
    const good = honest(issuer, [key.publicJwk]);
    issuer.answer = (request, response) => {
      (request.url === discoveryPath ? json(document(issuer, [key.publicJwk])) : good)(request, response);
    };
    await using parley = await startParley({ issuer: issuer.issuer });
    expect(await status(parley, await sign(issuer.issuer, email, { key }))).toBe(isReady ? 200 : 503);
    expect(await ready(parley)).toBe(isReady);
    expect(issuer.hits.get("/jwks.json") ?? 0).toBe(isReady ? 1 : 0);
  });

  test("of an issuer with a slash at the end is found after that slash", async () => {
    await using crooked = await startCrooked();
    const key = await known;
    const issuer = `${crooked.issuer}/`;
    crooked.answer = honest({ ...crooked, issuer }, [key.publicJwk]);
    await using parley = await startParley({ issuer });
    expect(await status(parley, await sign(issuer, email, { key }))).toBe(200);
    expect(crooked.hits.get(discoveryPath)).toBe(1);
  });

  test("is not asked for when PARLEY_JWKS_URL says where the keys are", async () => {
    await using crooked = await startCrooked();
    const key = await known;
    const issuer = "https://tenant.example.com/";
    crooked.answer = honest(crooked, [key.publicJwk]);
    await using parley = await startParley({ issuer, env: { PARLEY_JWKS_URL: crooked.jwksUrl } });
    expect(await status(parley, await sign(issuer, email, { key }))).toBe(200);
    expect(await status(parley, await sign(crooked.issuer, email, { key }))).toBe(401);
    expect([...crooked.hits]).toEqual([["/jwks.json", 1]]);
  });
});
