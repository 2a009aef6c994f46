import { expect, test } from "bun:test";

import { callApi } from "../../support/api.ts";
import { connectClassic, type ConnectOptions, Refused } from "../../support/client.ts";
import { useServer } from "../../support/server.ts";

const email = "alice@example.com";
const app = "https://app.example.com";
const server = useServer({ env: { PARLEY_ALLOWED_ORIGINS: app } });

/** The `Set-Cookie` of an answer: its name, its value, and its attributes in lower case. */
function cookieOf(headers: Headers) {
  const cookies = headers.getSetCookie();
  expect(cookies.length).toBe(1);
  const [pair = "", ...attributes] = (cookies[0] ?? "").split("; ");
  const [name, value] = pair.split("=", 2);
  return { pair, name, value, attributes: attributes.map((one) => one.toLowerCase()).toSorted() };
}

/** The cookie that a page gets for a token. */
async function cookieFor(token: string): Promise<string> {
  const { status, headers } = await callApi(server, "POST /api/session", { token, headers: { origin: app } });
  expect(status).toBe(204);
  return cookieOf(headers).pair;
}

/** What a page's own `new WebSocket(url)` sends. */
const page = (cookie: string, origin = app) => ({ headers: { cookie, origin } });

async function opened(room: string, options: ConnectOptions): Promise<void> {
  const client = await connectClassic(server.host, room, options);
  expect(client.history).toEqual([]);
  await client.close();
}

async function refused(room: string, options: ConnectOptions): Promise<unknown> {
  const refusal = await connectClassic(server.host, room, options).catch((error: unknown) => error);
  if (!(refusal instanceof Refused)) throw new Error("it was let in");
  return refusal.status;
}

test("a page that posted its token connects with the cookie alone, as the old front end does", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.issuer.sign(email));
  const client = await connectClassic(server.host, room, page(cookie));
  expect(client.history).toEqual([]);
  client.send({ message: "Hello, how are you?" });
  expect(await client.next()).toEqual({ message: "Hello, how are you?" });
});

test("the cookie holds the token until its end, for the socket alone", async () => {
  const exp = Math.floor(Date.now() / 1000) + 1234;
  const token = await server.issuer.sign(email, { claims: { exp } });
  const { headers } = await callApi(server, "POST /api/session", { token });
  const { name, value, attributes } = cookieOf(headers);
  expect([name, value]).toEqual(["parley_session", token]);
  const expires = `expires=${new Date(exp * 1000).toUTCString().toLowerCase()}`;
  // No `Secure`, since this is http on loopback.
  expect(attributes).toEqual([expires, "httponly", "path=/ws", "samesite=lax"]);
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each([
  ["is reached under a name of its own", { host: "chat.example.com" }, true],
  ["is reached over https that a proxy ends", { "x-forwarded-proto": "https" }, true],
  ["is reached over http by localhost", { host: "localhost:8000" }, false],
  ["is reached under a name that only begins like loopback", { host: "127.0.0.1.example.com" }, true],
])("Secure, where the server %s", async (_, headers, secure) => {
  const token = await server.issuer.sign(email);
  for (const request of ["POST /api/session", "DELETE /api/session"]) {
    const { attributes } = cookieOf((await callApi(server, request, { token, headers })).headers);
    expect(attributes.includes("secure")).toBe(secure);
  }
});

test("a token that is good for years gets a cookie for as long as browsers keep one", async () => {
  const year = 365 * 24 * 3600;
  const token = await server.issuer.sign(email, {
    claims: { exp: Math.floor(Date.now() / 1000) + 10 * year },
  });
  const { status, headers } = await callApi(server, "POST /api/session", { token });
  expect(status).toBe(204);
  const expires = cookieOf(headers).attributes.find((one) => one.startsWith("expires=")) ?? "";
  const days = (Date.parse(expires.slice("expires=".length)) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(365);
  expect(days).toBeLessThanOrEqual(400);
});

test("the cookie is good only with an Origin that is allowed", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.issuer.sign(email));
  expect(await refused(room, { headers: { cookie } })).toBe(401);
  for (const origin of ["https://evil.example.com", "http://app.example.com", `${app}.evil.com`, "null"]) {
    expect(await refused(room, page(cookie, origin))).toBe(403);
  }
  await opened(room, page(cookie));
});

test("the HTTP API does not know the cookie", async () => {
  const token = await server.issuer.sign(email);
  const headers = { cookie: await cookieFor(token), origin: app };
  for (const request of ["GET /api/me", "GET /api/rooms", "POST /api/rooms", "POST /api/session"]) {
    expect((await callApi(server, request, { headers })).status).toBe(401);
  }
  expect((await callApi(server, "GET /api/me", { headers, token })).status).toBe(200);
});

test("a token that is sent explicitly beats the cookie", async () => {
  const room = await server.createRoom([email]);
  const mine = await server.issuer.sign(email);
  const strangers = await server.issuer.sign("stranger@example.com");
  const [good, bad] = [await cookieFor(mine), await cookieFor(strangers)];
  await opened(room, { ...page(bad), token: mine });
  await opened(room, { ...page(bad), protocols: ["classic", `bearer.${mine}`] });
  expect(await refused(room, { ...page(good), token: strangers })).toBe(404);
  expect(await refused(room, { ...page(good), token: "not.a.token" })).toBe(401);
  expect(await refused(room, { ...page(good), protocols: ["classic", "bearer.not.a.token"] })).toBe(401);
  expect(await refused(room, page(bad))).toBe(404);
  await opened(room, page(good));
});

test("a cookie is verified like any token", async () => {
  const room = await server.createRoom([email]);
  const token = await server.issuer.sign(email);
  const expired = await server.issuer.sign(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const value of [expired, `${token}x`, "", "%00", "%"])
    expect(await refused(room, page(`theme=dark; parley_session=${value}`))).toBe(401);
  await opened(room, page(`parley_session=${token}`));
});

test("only a good token makes a cookie", async () => {
  const expired = await server.issuer.sign(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const token of [undefined, "not.a.token", expired]) {
    const { status, headers } = await callApi(server, "POST /api/session", {
      ...(token !== undefined && { token }),
    });
    expect(status).toBe(401);
    expect(headers.getSetCookie()).toEqual([]);
  }
});

/** What a browser asks before it sends a page's request to another origin. */
const preflight = (origin: string) =>
  callApi(server, "OPTIONS /api/session", {
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });

test("a page of another origin can't set the cookie: the browser's question is not answered", async () => {
  const foreign = await preflight("https://evil.example.com");
  expect(foreign.headers.get("access-control-allow-origin")).toBeNull();
  const own = await preflight(app);
  expect(own.headers.get("access-control-allow-origin")).toBe(app);
  expect(own.headers.get("access-control-allow-credentials")).toBe("true");
});

test("DELETE drops the cookie, and needs no token for it", async () => {
  const { status, headers } = await callApi(server, "DELETE /api/session");
  expect(status).toBe(204);
  const { pair, attributes } = cookieOf(headers);
  expect(pair).toBe("parley_session=");
  expect(attributes).toEqual(["httponly", "max-age=0", "path=/ws", "samesite=lax"]);
});
