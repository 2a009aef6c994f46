import { expect, test } from "bun:test";

import { callApi, expectProblem } from "../../support/api.ts";
import { connectClassic, type ConnectOptions, refusal } from "../../support/client.ts";
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

/** The headers that a page's own `new WebSocket(url)` sends. */
const page = (cookie: string) => ({ headers: { cookie, origin: app } });

async function expectOpen(room: string, options: ConnectOptions): Promise<void> {
  const client = await connectClassic(server.host, room, options);
  expect(client.history).toEqual([]);
  await client.close();
}

/** The status with which a connection is refused. */
async function refusedWith(room: string, options: ConnectOptions): Promise<number> {
  return (await refusal(connectClassic(server.host, room, options))).status;
}

test("a page that has posted its token connects with the cookie alone", async () => {
  const room = await server.createRoom([email]);
  const cookie = await cookieFor(await server.token(email));
  const client = await connectClassic(server.host, room, page(cookie));
  expect(client.history).toEqual([]);
  client.send({ message: "Hello, how are you?" });
  expect(await client.next()).toEqual({ message: "Hello, how are you?" });
});

test("the cookie holds the token until it expires, for WebSockets alone", async () => {
  const exp = Math.floor(Date.now() / 1000) + 1234;
  const token = await server.token(email, { claims: { exp } });
  const { headers } = await callApi(server, "POST /api/session", { token });
  const { name, value, attributes } = cookieOf(headers);
  expect([name, value]).toEqual(["parley_session", token]);
  const expires = `expires=${new Date(exp * 1000).toUTCString().toLowerCase()}`;
  // No `Secure`, since this is http on loopback.
  expect(attributes).toEqual([expires, "httponly", "path=/ws", "samesite=lax"]);
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each([
  [{ host: "localhost:8000" }, false],
  [{ host: "chat.example.com" }, true],
  [{ host: "127.0.0.1.example.com" }, true],
  [{ "x-forwarded-proto": "HTTPS" }, true],
])("whether the cookie is Secure, with the headers %j: %p", async (headers, secure) => {
  const token = await server.token(email);
  for (const request of ["POST /api/session", "DELETE /api/session"]) {
    const { attributes } = cookieOf((await callApi(server, request, { token, headers })).headers);
    expect(attributes.includes("secure")).toBe(secure);
  }
});

test("a token that is valid for years gets a cookie for as long as browsers keep one", async () => {
  const year = 365 * 24 * 3600;
  const token = await server.token(email, {
    claims: { exp: Math.floor(Date.now() / 1000) + 10 * year },
  });
  const { status, headers } = await callApi(server, "POST /api/session", { token });
  expect(status).toBe(204);
  const expires = cookieOf(headers).attributes.find((one) => one.startsWith("expires=")) ?? "";
  const days = (Date.parse(expires.slice("expires=".length)) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(365);
  expect(days).toBeLessThanOrEqual(400);
});

test("the cookie does not count for the HTTP API", async () => {
  const token = await server.token(email);
  const headers = { cookie: await cookieFor(token), origin: app };
  for (const request of ["GET /api/me", "GET /api/rooms", "POST /api/rooms", "POST /api/session"]) {
    expect((await callApi(server, request, { headers })).status).toBe(401);
  }
  expect((await callApi(server, "GET /api/me", { headers, token })).status).toBe(200);
});

test("a token in a header takes precedence over the cookie", async () => {
  const room = await server.createRoom([email]);
  const mine = await server.token(email);
  const strangers = await server.token("stranger@example.com");
  const [good, bad] = [await cookieFor(mine), await cookieFor(strangers)];
  await expectOpen(room, { ...page(bad), token: mine });
  await expectOpen(room, { ...page(bad), protocols: ["classic", `bearer.${mine}`] });
  expect(await refusedWith(room, { ...page(good), token: strangers })).toBe(404);
  expect(await refusedWith(room, { ...page(good), token: "not.a.token" })).toBe(401);
  expect(await refusedWith(room, { ...page(good), protocols: ["classic", "bearer.not.a.token"] })).toBe(401);
  expect(await refusedWith(room, page(bad))).toBe(404);
  await expectOpen(room, page(good));
});

test("a cookie is verified like any token", async () => {
  const room = await server.createRoom([email]);
  const token = await server.token(email);
  const expired = await server.token(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const value of [expired, `${token}x`, "", "%00", "%"])
    expect(await refusedWith(room, page(`theme=dark; parley_session=${value}`))).toBe(401);
  await expectOpen(room, page(`parley_session=${token}`));
});

test("only a valid token becomes a cookie", async () => {
  const expired = await server.token(email, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  for (const token of [undefined, "not.a.token", expired]) {
    const { status, headers } = await callApi(server, "POST /api/session", {
      ...(token !== undefined && { token }),
    });
    expect(status).toBe(401);
    expect(headers.getSetCookie()).toEqual([]);
  }
});

test("a token that is too long for a browser's cookie is refused", async () => {
  // Name and value have 4096 bytes together (RFC 6265bis, section 5.5).
  const maxLength = 4096 - "parley_session".length;
  const sign = (filler: string) => server.token(email, { claims: { filler } });
  const short = (await sign("")).length;
  const signWith = (length: number) => sign("x".repeat(Math.floor(((length - short) * 3) / 4)));
  const [fits, tooLong] = [await signWith(maxLength - 8), await signWith(maxLength + 8)];
  expect(fits.length).toBeWithin(maxLength - 16, maxLength + 1);
  expect(tooLong.length).toBeWithin(maxLength + 1, maxLength + 16);
  expect((await callApi(server, "POST /api/session", { token: fits })).status).toBe(204);
  const refused = await callApi(server, "POST /api/session", { token: tooLong });
  expectProblem(refused, 400, "invalid_command");
  expect(refused.headers.get("set-cookie")).toBeNull();
  expect((await callApi(server, "GET /api/me", { token: tooLong })).status).toBe(200);
});

test("DELETE removes the cookie, and needs no token", async () => {
  const { status, headers } = await callApi(server, "DELETE /api/session");
  expect(status).toBe(204);
  const { pair, attributes } = cookieOf(headers);
  expect(pair).toBe("parley_session=");
  expect(attributes).toEqual(["httponly", "max-age=0", "path=/ws", "samesite=lax"]);
});
