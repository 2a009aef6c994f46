import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { connectClassic, type ConnectOptions, refusal } from "../support/client.ts";
import { useServer } from "../support/server.ts";

const email = "alice@example.com";
const app = "https://app.example.com";
const server = useServer({ env: { PARLEY_ALLOWED_ORIGINS: app } });

/** The one `Set-Cookie` of an answer, with its attributes in lower case. */
function cookieOf(headers: Headers) {
  const cookies = headers.getSetCookie();
  expect(cookies.length).toBe(1);
  const [pair = "", ...attributes] = (cookies[0] ?? "").split("; ");
  const [name, value] = pair.split("=", 2);
  return { pair, name, value, attributes: attributes.map((each) => each.toLowerCase()).toSorted() };
}

/** The cookie that a page is given for a token. */
async function cookieFor(token: string): Promise<string> {
  const { status, headers } = await callApi(server, "POST /api/session", { token, headers: { origin: app } });
  expect(status).toBe(204);
  return cookieOf(headers).pair;
}

/** What a page's own `new WebSocket(url)` sends. */
const page = (cookie: string, origin = app) => ({ headers: { cookie, origin } });

async function expectOpened(room: string, options: ConnectOptions): Promise<void> {
  const client = await connectClassic(server.host, room, options);
  expect(client.history).toEqual([]);
  await client.close();
}

/** The HTTP status with which a connection is refused. */
async function statusOf(room: string, options: ConnectOptions): Promise<number> {
  return (await refusal(connectClassic(server.host, room, options))).status;
}

test("a page that has posted its token connects with the cookie alone", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.issuer.sign(email));
  const client = await connectClassic(server.host, room, page(cookie));
  expect(client.history).toEqual([]);
  client.send({ message: "Hello, how are you?" });
  expect(await client.next()).toEqual({ message: "Hello, how are you?" });
});

test("the cookie holds the token until it expires, and is sent with WebSocket requests only", async () => {
  const exp = Math.floor(Date.now() / 1000) + 1234;
  const token = await server.issuer.sign(email, { claims: { exp } });
  const { headers } = await callApi(server, "POST /api/session", { token });
  const { name, value, attributes } = cookieOf(headers);
  expect([name, value]).toEqual(["parley_session", token]);
  const expires = `expires=${new Date(exp * 1000).toUTCString().toLowerCase()}`;
  // Without `Secure`: this is http on a loopback address.
  expect(attributes).toEqual([expires, "httponly", "path=/ws", "samesite=lax"]);
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each([
  ["has a name of its own", { host: "chat.example.com" }, true],
  ["is behind a proxy that speaks https", { "x-forwarded-proto": "https" }, true],
  ["is localhost", { host: "localhost:8000" }, false],
  ["has a name that begins like a loopback address", { host: "127.0.0.1.example.com" }, true],
])("the attribute Secure, where the server %s", async (_, headers, secure) => {
  const token = await server.issuer.sign(email);
  for (const request of ["POST /api/session", "DELETE /api/session"]) {
    const { attributes } = cookieOf((await callApi(server, request, { token, headers })).headers);
    expect(attributes.includes("secure")).toBe(secure);
  }
});

test("a cookie lasts at most as long as browsers keep one", async () => {
  const year = 365 * 24 * 3600;
  const token = await server.issuer.sign(email, {
    claims: { exp: Math.floor(Date.now() / 1000) + 10 * year },
  });
  const { status, headers } = await callApi(server, "POST /api/session", { token });
  expect(status).toBe(204);
  const expires = cookieOf(headers).attributes.find((each) => each.startsWith("expires=")) ?? "";
  const days = (Date.parse(expires.slice("expires=".length)) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(365);
  expect(days).toBeLessThanOrEqual(400);
});

test("the cookie counts only with an allowed Origin", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.issuer.sign(email));
  expect(await statusOf(room, { headers: { cookie } })).toBe(401);
  for (const origin of ["https://evil.example.com", "http://app.example.com", `${app}.evil.com`, "null"]) {
    expect(await statusOf(room, page(cookie, origin))).toBe(403);
  }
  await expectOpened(room, page(cookie));
});

test("the HTTP API ignores the cookie", async () => {
  const token = await server.issuer.sign(email);
  const headers = { cookie: await cookieFor(token), origin: app };
  for (const request of ["GET /api/me", "GET /api/rooms", "POST /api/rooms", "POST /api/session"]) {
    expect((await callApi(server, request, { headers })).status).toBe(401);
  }
  expect((await callApi(server, "GET /api/me", { headers, token })).status).toBe(200);
});

test("a token that is sent in another way takes precedence over the cookie", async () => {
  const room = await server.createRoom([email]);
  const mine = await server.issuer.sign(email);
  const strangers = await server.issuer.sign("stranger@example.com");
  const [own, foreign] = [await cookieFor(mine), await cookieFor(strangers)];
  await expectOpened(room, { ...page(foreign), token: mine });
  await expectOpened(room, { ...page(foreign), protocols: ["classic", `bearer.${mine}`] });
  expect(await statusOf(room, { ...page(own), token: strangers })).toBe(404);
  expect(await statusOf(room, { ...page(own), token: "not.a.token" })).toBe(401);
  expect(await statusOf(room, { ...page(own), protocols: ["classic", "bearer.not.a.token"] })).toBe(401);
  expect(await statusOf(room, page(foreign))).toBe(404);
  await expectOpened(room, page(own));
});

test("the cookie is verified like any token", async () => {
  const room = await server.createRoom([email]);
  const token = await server.issuer.sign(email);
  const expired = await server.issuer.sign(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const value of [expired, `${token}x`, "", "%00", "%"])
    expect(await statusOf(room, page(`theme=dark; parley_session=${value}`))).toBe(401);
  await expectOpened(room, page(`parley_session=${token}`));
});

test("two session cookies are refused: one may have been planted by a sibling domain", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.issuer.sign(email));
  const planted = await cookieFor(await server.issuer.sign("stranger@example.com"));
  for (const pair of [`${planted}; ${cookie}`, `${cookie}; ${planted}`, `${cookie}; theme=dark; ${cookie}`])
    expect(await statusOf(room, page(pair))).toBe(401);
  await expectOpened(room, page(`other_${planted}; ${cookie}`));
});

test("a token that is too long for a cookie is refused with the reason", async () => {
  const token = await server.issuer.sign(email, { claims: { padding: "x".repeat(3500) } });
  const { status, body } = await callApi(server, "POST /api/session", { token });
  expect([status, body]).toMatchObject([400, { detail: expect.stringContaining("too long for a cookie") }]);
});

test("there is no cookie for a missing, malformed or expired token", async () => {
  const expired = await server.issuer.sign(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const token of [undefined, "not.a.token", expired]) {
    const { status, headers } = await callApi(server, "POST /api/session", {
      ...(token !== undefined && { token }),
    });
    expect(status).toBe(401);
    expect(headers.getSetCookie()).toEqual([]);
  }
});

/** What a browser sends before the request of a page of another origin. */
const preflight = (origin: string) =>
  callApi(server, "OPTIONS /api/session", {
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });

test("a page of a foreign origin cannot have the cookie set", async () => {
  const [foreign, allowed] = [await preflight("https://evil.example.com"), await preflight(app)];
  expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
  expect(allowed.headers.get("access-control-allow-origin")).toBe(app);
  expect(allowed.headers.get("access-control-allow-credentials")).toBe("true");
});

test("DELETE deletes the cookie, and needs no token", async () => {
  const { status, headers } = await callApi(server, "DELETE /api/session");
  expect(status).toBe(204);
  const { pair, attributes } = cookieOf(headers);
  expect(pair).toBe("parley_session=");
  expect(attributes).toEqual(["httponly", "max-age=0", "path=/ws", "samesite=lax"]);
});
