import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";

import { decodeJwt } from "jose";

import { DevGrants } from "../../src/auth/dev-grants.ts";
import { DevIssuer } from "../../src/auth/dev-issuer.ts";
import { operator } from "../../src/chat/model.ts";
import { createHttpApp } from "../support/http-app.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// The development issuer as an OpenID provider. test/web/sign-in.test.ts runs the whole flow in a browser.

const ORIGIN = "http://127.0.0.1:8000";
const CALLBACK = "http://localhost:5173/callback?from=parley";
const VERIFIER = "a".repeat(43);
const REQUEST = {
  response_type: "code",
  client_id: "app",
  redirect_uri: CALLBACK,
  scope: "openid email",
  state: "s",
  nonce: "n",
  code_challenge: createHash("sha256").update(VERIFIER).digest("base64url"),
  code_challenge_method: "S256",
};

const folder = temporaryFolder();
let http: ReturnType<typeof createHttpApp>;
beforeAll(async () => {
  const devIssuer = await DevIssuer.openOrCreate(join(folder.path, "dev.db"));
  devIssuer.setIssuer(`${ORIGIN}/dev/`);
  http = createHttpApp({}, { devIssuer });
  await http.chat.rooms.create(operator, "lobby", "Lobby");
  await http.chat.rooms.setMember(operator, "lobby", { email: "alice@example.com" }, "moderator");
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const request = (
  path: string,
  init: { method?: string; headers?: Record<string, string>; body?: URLSearchParams } = {},
) =>
  http.app.request(`${ORIGIN}/dev/${path}`, {
    ...init,
    headers: { host: "127.0.0.1:8000", origin: ORIGIN, ...init.headers },
  });
const authorize = (change: Record<string, string> = {}) =>
  request(`authorize?${new URLSearchParams({ ...REQUEST, ...change }).toString()}`);
/** Sends the form of the sign-in page. */
const pick = (user: string, headers: Record<string, string> = {}) =>
  request("authorize", { method: "POST", body: new URLSearchParams({ ...REQUEST, user }), headers });
async function post(fields: Record<string, string>) {
  const response = await request("token", { method: "POST", body: new URLSearchParams(fields) });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}
const redeem = (code: string, change: Record<string, string> = {}) =>
  post({
    grant_type: "authorization_code",
    code,
    client_id: "app",
    redirect_uri: CALLBACK,
    code_verifier: VERIFIER,
    ...change,
  });

const refresh = (token: string, client = "app") =>
  post({ grant_type: "refresh_token", refresh_token: token, client_id: client });
/** The origin that may read the answer to a request of a page. */
async function allowedOrigin(origin: string): Promise<string | null> {
  const { headers } = await request("token", { method: "POST", headers: { origin } });
  return headers.get("access-control-allow-origin");
}

/** The parameters with which the user is sent back. */
function answer(response: Response): Record<string, string> {
  expect(response.status).toBe(303);
  const url = new URL(response.headers.get("location") ?? "");
  expect(url.href).toStartWith(CALLBACK);
  return Object.fromEntries(url.searchParams);
}
const codeFor = async (user: string) => answer(await pick(user))["code"] ?? "";
const invalidGrant = { status: 400, body: { error: "invalid_grant" } };

async function lobby(): Promise<Record<string, string>> {
  const members = await http.chat.rooms.members(operator, "lobby");
  return Object.fromEntries(members.map(({ user, role }) => [user.email ?? "", role]));
}

describe("the sign-in page", () => {
  test("lists the members of the lobby, and turns nothing that a client sends into HTML", async () => {
    const response = await authorize({ state: '"><script>alert(1)</script>' });
    const html = await response.text();
    expect(html).toContain('value="alice@example.com"');
    expect(html).not.toContain("<script>");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("form-action 'self' http://localhost:5173;");
    expect(policy).toContain("default-src 'none'");
  });

  test("sends the user back with a code and the state, and makes them a member of the lobby", async () => {
    expect(answer(await pick("Carol Doe"))).toEqual({
      from: "parley",
      code: expect.any(String),
      state: "s",
    });
    expect(await lobby()).toMatchObject({ "carol.doe@example.com": "member" });
  });

  test("leaves a member their role, and a banned user outside", async () => {
    await pick("alice@example.com");
    const mallory = { email: "mallory@example.com" };
    await http.chat.rooms.setMember(operator, "lobby", mallory, "member");
    const ban = { kind: "ban", until: null, reason: null } as const;
    await http.chat.moderation.restrict(operator, "lobby", mallory, ban);
    expect(await codeFor("mallory")).not.toBe("");
    const members = await lobby();
    expect(members["alice@example.com"]).toBe("moderator");
    expect(members).not.toHaveProperty("mallory@example.com");
  });

  test.each(["", "  ", "a@", "a@b@c"])("asks again for a name such as %p", async (user) => {
    const response = await pick(user);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('role="alert"');
  });

  test.each(["https://evil.example.com", "null"])("takes no form from a page of %s", async (origin) => {
    expect((await pick("eve", { origin })).status).toBe(403);
    expect(await lobby()).not.toHaveProperty("eve@example.com");
  });
});

test("prompt=none signs in the user of the hint, adds them to nothing, and asks nobody", async () => {
  const answered = answer(await authorize({ prompt: "none", login_hint: "dave@example.com" }));
  const { body } = await redeem(answered["code"] ?? "");
  expect(decodeJwt(body["access_token"] ?? "")).toMatchObject({ email: "dave@example.com" });
  expect(await lobby()).not.toHaveProperty("dave@example.com");
  expect(answer(await authorize({ prompt: "none" }))).toMatchObject({ error: "login_required", state: "s" });
});

test.each([
  ["response_type", "token"],
  ["scope", "email"],
  ["code_challenge", "short"],
  ["code_challenge_method", "plain"],
])("a request with a wrong %s is refused at the client", async (name, value) => {
  const { error, error_description: description, state } = answer(await authorize({ [name]: value }));
  expect([error, state]).toEqual(["invalid_request", "s"]);
  expect(description).toStartWith(`${name}: `);
});

test("a request names the parameter that is missing", async () => {
  const response = await request("authorize");
  expect([response.status, await response.text()]).toEqual([400, "client_id: must be given\n"]);
});

test.each(["https://evil.example.com/", "http://localhost.evil.com/", "javascript:alert(1)", "//x", ""])(
  "nobody is sent to %p",
  async (uri) => {
    const response = await authorize({ redirect_uri: uri });
    expect([response.status, response.headers.get("location")]).toEqual([400, null]);
    const logout = await request(`logout?post_logout_redirect_uri=${encodeURIComponent(uri)}`);
    expect([logout.status, logout.headers.get("location")]).toEqual([200, null]);
  },
);

test("signing out leads back to the client", async () => {
  const response = await request(`logout?state=x&post_logout_redirect_uri=${encodeURIComponent(CALLBACK)}`);
  expect(answer(response)).toEqual({ from: "parley", state: "x" });
});

describe("a code", () => {
  test("is worth tokens once", async () => {
    const code = await codeFor("alice@example.com");
    const { status, body } = await redeem(code);
    expect([status, body]).toMatchObject([200, { token_type: "Bearer", expires_in: 3600 }]);
    const [access, id] = [body["access_token"], body["id_token"]].map((token) => decodeJwt(token ?? ""));
    const user = { iss: `${ORIGIN}/dev/`, sub: "dev|alice@example.com", email: "alice@example.com" };
    expect(access).toMatchObject({ ...user, aud: "parley-dev" });
    expect(id).toMatchObject({ ...user, aud: "app", nonce: "n" });
    expect(await redeem(code)).toEqual(invalidGrant);
  });

  test.each([
    ["verifier", { code_verifier: "b".repeat(43) }],
    ["client", { client_id: "other" }],
    ["redirect URI", { redirect_uri: "http://localhost:5173/" }],
  ])("is worth nothing with another %s, and then with the right one neither", async (_, change) => {
    const code = await codeFor("alice@example.com");
    expect(await redeem(code, change)).toEqual(invalidGrant);
    expect(await redeem(code)).toEqual(invalidGrant);
  });

  test("is valid for a minute, and a thousand newer ones push it out", () => {
    const clock = { ms: 0 };
    const grants = new DevGrants(() => clock.ms);
    const { client_id: clientId, redirect_uri: redirectUri, code_challenge: challenge } = REQUEST;
    const issue = () =>
      grants.issueCode({ clientId, redirectUri, challenge, nonce: undefined, email: "a@b" });
    const isValid = (code: string) =>
      grants.redeemCode({ code, clientId, redirectUri, verifier: VERIFIER }) !== undefined;
    const codes = [issue(), issue()] as const;
    clock.ms = 59_999;
    expect(isValid(codes[0])).toBe(true);
    clock.ms = 60_000;
    expect(isValid(codes[1])).toBe(false);
    const [first = "", second = ""] = Array.from({ length: 1001 }, issue);
    expect([isValid(first), isValid(second)]).toEqual([false, true]);
  });
});

describe("a refresh token", () => {
  test("is worth new tokens once, among them the next refresh token", async () => {
    const first = (await redeem(await codeFor("bob"))).body["refresh_token"] ?? "";
    const { status, body } = await refresh(first);
    expect(status).toBe(200);
    expect(decodeJwt(body["access_token"] ?? "")).toMatchObject({ email: "bob@example.com" });
    expect(await refresh(first)).toEqual(invalidGrant);
    expect((await refresh(body["refresh_token"] ?? "")).status).toBe(200);
  });

  test("is worth nothing to another client", async () => {
    const token = (await redeem(await codeFor("bob"))).body["refresh_token"] ?? "";
    expect(await refresh(token, "other")).toEqual(invalidGrant);
  });
});

test("grant_type=password returns the tokens of any user; another one is not supported", async () => {
  const { body } = await post({ grant_type: "password", username: "erin" });
  expect(decodeJwt(body["access_token"] ?? "")).toMatchObject({ email: "erin@example.com" });
  expect(await post({ grant_type: "password", username: "" })).toEqual(invalidGrant);
  expect(await post({ grant_type: "client_credentials" })).toEqual({
    status: 400,
    body: { error: "unsupported_grant_type" },
  });
});

test("pages of this machine may read its answers, others may not", async () => {
  for (const origin of ["http://localhost:5173", "http://127.0.0.1:1", "https://[::1]:3000"])
    expect(await allowedOrigin(origin)).toBe(origin);
  for (const origin of ["https://evil.example.com", "http://localhost.evil.com", "null"])
    expect(await allowedOrigin(origin)).toBeNull();
});

test.each([
  ["a site whose name now resolves to this machine", { host: "evil.example.com:8000" }],
  // It could not read the tokens, but they would push out those of others.
  ["a page of another site", { origin: "http://evil.example.com:8000" }],
  ["a page without an origin", { origin: "null" }],
])("%s gets no tokens", async (_, headers) => {
  const response = await request("token", {
    method: "POST",
    headers,
    body: new URLSearchParams({ grant_type: "password", username: "alice" }),
  });
  expect(response.status).toBe(403);
});
