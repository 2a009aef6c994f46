import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { callApi, expectProblem } from "../support/api.ts";
import { connectClassic } from "../support/client.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const app = "https://app.example.com";

let issuer: Issuer;
let parley: TestServer;
let made = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  parley = await startTestServer({
    issuer: issuer.issuer,
    env: { PARLEY_ALLOWED_ORIGINS: app, PARLEY_LOG_LEVEL: "debug" },
  });
});
afterAll(async () => {
  await parley[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const fresh = (name: string) => `${name}-${++made}`;
const token = (claims: Record<string, unknown> = {}) =>
  issuer.sign(`${fresh("user")}@example.com`, { claims });

describe("every refusal is a problem", () => {
  test.each([
    ["GET /", 404, "invalid_command"],
    ["GET /nothing", 404, "invalid_command"],
    ["POST /healthz", 404, "invalid_command"],
    ["GET /api/nothing", 404, "invalid_command"],
    ["PATCH /api/rooms", 404, "invalid_command"],
    ["GET /dev/jwks.json", 404, "invalid_command"],
    ["GET /ws/chat/room", 426, "invalid_command"],
    ["GET /ws/chat/room/", 426, "invalid_command"],
    ["GET /api/rooms/no-such-room", 404, "room_not_found"],
  ])("%s is %d %s", async (request, status, code) => {
    expectProblem(await callApi(parley, request, { token: await token() }), status, code);
  });

  test.each(["GET /api/me", "GET /api/rooms", "POST /api/rooms", "POST /api/session", "GET /api/nothing"])(
    "%s needs a token",
    async (request) => {
      const answer = await callApi(parley, request);
      expectProblem(answer, 401, "unauthorized");
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    },
  );

  test("the cookie of the socket is worth nothing here", async () => {
    const who = await token();
    const headers = { cookie: `parley_session=${who}`, origin: app };
    expectProblem(await callApi(parley, "GET /api/me", { headers }), 401, "unauthorized");
    expect((await callApi(parley, "GET /api/me", { token: who, headers })).status).toBe(200);
  });

  test("a token that no browser would keep as a cookie is refused, not lost", async () => {
    // RFC 6265bis, section 5.6: name and value have 4096 bytes together.
    const room = 4096 - "parley_session".length;
    const short = (await token({ filler: "" })).length;
    const sized = (length: number) => token({ filler: "x".repeat(Math.floor(((length - short) * 3) / 4)) });
    const [fits, long] = await Promise.all([sized(room - 8), sized(room + 8)]);
    expect(fits.length).toBeWithin(room - 16, room + 1);
    expect(long.length).toBeWithin(room + 1, room + 16);
    expect((await callApi(parley, "POST /api/session", { token: fits })).status).toBe(204);
    const refused = await callApi(parley, "POST /api/session", { token: long });
    expectProblem(refused, 400, "invalid_command");
    expect(refused.headers.get("set-cookie")).toBeNull();
    expect((await callApi(parley, "GET /api/me", { token: long })).status).toBe(200);
  });

  test("whoever reads ten times too much is told to wait, too, and may still write", async () => {
    await using slow = await startTestServer({
      issuer: issuer.issuer,
      env: { PARLEY_MESSAGE_RATE: "0.001", PARLEY_MESSAGE_BURST: "1" },
    });
    const who = await token();
    const statuses: number[] = [];
    for (let read = 0; read < 11; read++) {
      statuses.push((await callApi(slow, "GET /api/rooms", { token: who })).status);
    }
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 200), 429]);
    expect((await callApi(slow, "POST /api/rooms", { token: who, body: { name: "x" } })).status).toBe(201);
  });

  test("whoever writes too much is told to wait, and may still read", async () => {
    await using slow = await startTestServer({
      issuer: issuer.issuer,
      env: { PARLEY_MESSAGE_RATE: "0.1", PARLEY_MESSAGE_BURST: "2" },
    });
    const [who, other] = [await token(), await token()];
    const write = (by: string) => callApi(slow, "POST /api/rooms", { token: by, body: { name: "x" } });
    expect([(await write(who)).status, (await write(who)).status]).toEqual([201, 201]);
    const refused = await write(who);
    expectProblem(refused, 429, "rate_limited");
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 11);
    expect((await callApi(slow, "GET /api/rooms", { token: who })).status).toBe(200);
    expect((await write(other)).status).toBe(201);
  });
});

/** What a browser asks before it sends a token for a page of this origin. */
const asks = (origin: string, method = "PUT") => ({
  headers: {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,content-type",
  },
});

describe("pages of other origins", () => {
  test("an allowed origin may ask, and read answers and refusals", async () => {
    const preflight = await callApi(parley, "OPTIONS /api/rooms/x/members/y", asks(app));
    expect(preflight.status).toBe(204);
    const headers = Object.fromEntries(preflight.headers);
    expect(headers).toMatchObject({
      "access-control-allow-origin": app,
      "access-control-allow-credentials": "true",
      "access-control-allow-headers": "authorization,content-type",
    });
    for (const method of ["GET", "POST", "PUT", "DELETE"])
      expect(headers["access-control-allow-methods"]).toContain(method);
    const asked = { headers: { origin: app } };
    for (const [request, status] of [
      ["GET /api/me", 200],
      ["GET /api/rooms/none", 404],
    ] as const) {
      const answer = await callApi(parley, request, { token: await token(), ...asked });
      expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([status, app]);
      expect(answer.headers.get("vary")).toMatch(/origin/i);
      expect(answer.headers.get("access-control-expose-headers")).toContain("retry-after");
    }
    const refused = await callApi(parley, "GET /api/me", asked);
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, app]);
  });

  test.each([
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.com",
    "null",
  ])("%s may not", async (origin) => {
    const preflight = await callApi(parley, "OPTIONS /api/rooms", asks(origin));
    const answer = await callApi(parley, "GET /api/me", { token: await token(), headers: { origin } });
    for (const { headers } of [preflight, answer])
      expect(headers.get("access-control-allow-origin")).toBeNull();
  });

  test("without a list only the server's own origin may", async () => {
    await using own = await startTestServer({ issuer: issuer.issuer });
    for (const [origin, allowed] of [
      [own.url, own.url],
      [app, null],
      [`http://localhost:${own.host.split(":")[1]}`, null],
    ] as const) {
      const answer = await callApi(own, "OPTIONS /api/me", asks(origin));
      expect(answer.headers.get("access-control-allow-origin")).toBe(allowed);
    }
  });
});

describe("what operators see", () => {
  test("alive and ready, while keys and storage are there", async () => {
    expect((await callApi(parley, "GET /healthz")).body).toEqual({ status: "ok" });
    expect((await callApi(parley, "GET /readyz")).body).toEqual({ status: "ready" });
  });

  test("not ready without the issuer's keys, but alive", async () => {
    await using lost = await startTestServer({ issuer: "http://127.0.0.1:9" });
    const { status, body } = await callApi(lost, "GET /readyz");
    expect([status, body]).toEqual([503, { status: "not ready", reason: "signing keys" }]);
    expect((await callApi(lost, "GET /healthz")).status).toBe(200);
    expectProblem(
      await callApi(lost, "GET /api/me", {
        token: await issuer.sign("a@example.com", { claims: { iss: "http://127.0.0.1:9" } }),
      }),
      503,
      "keys_unavailable",
    );
  });

  test("counters, in Prometheus' format", async () => {
    await using counted = await startTestServer({ issuer: issuer.issuer });
    await counted.createRoom(["alice@example.com"], { id: "room" });
    const alice = await connectClassic(counted.host, "room", {
      token: await issuer.sign("alice@example.com"),
    });
    alice.send({ message: "one" });
    await alice.next();
    alice.send("{}");
    await alice.next();
    const { text, headers } = await callApi(counted, "GET /metrics");
    expect(headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    for (const line of [
      "parley_connections 1",
      "parley_messages_total 1",
      'parley_refusals_total{code="invalid_message"} 1',
      "parley_history_failures_total 0",
      "parley_commit_failures_total 0",
    ])
      expect(text.split("\n")).toContain(line);
  });

  test("one line for each request, without token, cookie or query string", async () => {
    const who = await token();
    const path = `/api/rooms/${fresh("logged")}`;
    await callApi(parley, `GET ${path}?token=${who}`, {
      token: who,
      headers: { cookie: `parley_session=${who}` },
    });
    const lines = parley.logs.filter((line) => line["path"] === path);
    expect(lines).toEqual([
      expect.objectContaining({ msg: "request", method: "GET", path, status: 404, ms: expect.any(Number) }),
    ]);
    const room = fresh("room");
    await parley.createRoom([], { id: room });
    await connectClassic(parley.host, room, { protocols: ["classic", `bearer.${who}`] }).catch(
      () => undefined,
    );
    const upgrade = parley.logs.filter((line) => line["path"] === `/ws/chat/${room}/`);
    expect(upgrade).toEqual([expect.objectContaining({ method: "GET", status: 404 })]);
    const all = JSON.stringify(parley.logs);
    expect(all).not.toContain(who);
    expect(all).not.toContain(who.split(".")[2] ?? "?");
  });
});
