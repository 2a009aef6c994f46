import { beforeAll, describe, expect, test } from "bun:test";

import { exportJWK, generateKeyPair } from "jose";

import { call } from "../support/api.ts";
import { connect } from "../support/client.ts";
import { honest, startCrooked } from "../support/crooked.ts";
import { forge, rs256 } from "../support/forge.ts";
import { startIssuer } from "../support/issuer.ts";
import { startParley } from "../support/parley.ts";
import { stage } from "../support/stage.ts";
import { audience, makeKey, sign, type SigningKey, type TokenOptions } from "../support/tokens.ts";

const email = "alice@example.com";
const room = "lobby";
const at = stage({ env: { PARLEY_CLOCK_TOLERANCE: "60", PARLEY_CONNECTIONS_PER_USER: "0" } });
beforeAll(() => at.parley.room(room, [email]));

const seconds = () => Math.floor(Date.now() / 1000);

describe("a token is good", () => {
  const cases: [name: string, options: () => TokenOptions][] = [
    ["with its aud in an array", () => ({ claims: { aud: ["https://other.example.com", audience] } })],
    ["with typ jwt", () => ({ header: { typ: "jwt" } })],
    ["with typ at+jwt", () => ({ header: { typ: "at+jwt" } })],
    ["with typ application/at+jwt", () => ({ header: { typ: "application/at+jwt" } })],
    ["with no iat", () => ({ claims: { iat: undefined } })],
    ["with a sub of 255 characters", () => ({ claims: { sub: "s".repeat(255) } })],
    ["that expired within the clock's tolerance", () => ({ claims: { exp: seconds() - 20 } })],
    ["that begins within the clock's tolerance", () => ({ claims: { nbf: seconds() + 40 } })],
    ["that was issued within the clock's tolerance", () => ({ claims: { iat: seconds() + 40 } })],
  ];
  test.each(cases)("%s", async (name, options) => {
    // Emails of their own, for each comes with another `sub` or is the first to bring it.
    const own = `${name.replaceAll(/\W+/g, "-")}@example.com`;
    await at.parley.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, room, { email: own }, "member"),
    );
    const client = await connect(at.parley.host, room, { token: await at.issuer.sign(own, options()) });
    expect(await client.next()).toEqual([]);
    await client.close();
  });

  test("with neither typ nor kid, where the issuer has one key", async () => {
    const { issuer, key } = at.issuer;
    const claims = { iss: issuer, aud: audience, sub: "bare", exp: seconds() + 60 };
    const token = await forge({ alg: "RS256" }, claims, rs256(key));
    expect((await call(at.parley, "GET /api/me", { token })).body).toMatchObject({ id: "bare" });
  });

  test("as the provider itself issued it", async () => {
    const { status, body } = await call(at.parley, "GET /api/me", { token: await at.issuer.grant() });
    expect([status, body]).toEqual([200, { id: "backend", email: null, name: null, admin: true }]);
  });
});

test("several issuers and audiences may be trusted, each issuer with its own keys only", async () => {
  await using second = await startIssuer();
  await using parley = await startParley({
    issuer: `${at.issuer.issuer}, ${second.issuer}`,
    env: { PARLEY_AUDIENCE: `${audience},urn:mobile` },
  });
  const status = async (token: Promise<string>) =>
    (await call(parley, "GET /api/me", { token: await token })).status;
  for (const issuer of [at.issuer, second]) {
    expect(await status(issuer.sign(email))).toBe(200);
    expect(await status(issuer.sign(email, { claims: { aud: "urn:mobile" } }))).toBe(200);
    expect(await status(issuer.sign(email, { claims: { aud: "urn:tablet" } }))).toBe(401);
  }
  const { key } = second;
  expect(await status(at.issuer.sign(email, { key }))).toBe(401);
  expect(await status(at.issuer.sign(email, { key, header: { kid: at.issuer.key.kid } }))).toBe(401);
  expect(await status(sign(`${at.issuer.issuer}, ${second.issuer}`, email, { key }))).toBe(401);
});

async function keyFor(alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = `key-for-${alg}`;
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

/** Which of these algorithms a server with these settings takes. */
async function taken(algorithms: readonly string[], env: Record<string, string>): Promise<string[]> {
  await using issuer = await startCrooked();
  const keys = await Promise.all(algorithms.map(keyFor));
  issuer.answer = honest(
    issuer,
    keys.map(({ publicJwk }) => publicJwk),
  );
  await using parley = await startParley({ issuer: issuer.issuer, env });
  const good: string[] = [];
  for (const [index, alg] of algorithms.entries()) {
    const key = keys[index] ?? (await makeKey());
    const token = await sign(issuer.issuer, email, { key, header: { alg } });
    const { status } = await call(parley, "GET /api/me", { token });
    if (status === 200) good.push(alg);
    else expect(status).toBe(401);
  }
  return good;
}

describe("algorithms", () => {
  test("RS256, ES256, EdDSA and PS256 are taken unless told otherwise", async () => {
    const all = ["RS256", "ES256", "EdDSA", "PS256", "RS384", "ES384"];
    expect(await taken(all, {})).toEqual(["RS256", "ES256", "EdDSA", "PS256"]);
  });

  test("and only those of PARLEY_ALGORITHMS when it is set", async () => {
    const all = ["RS256", "ES256", "EdDSA", "PS256", "ES384"];
    expect(await taken(all, { PARLEY_ALGORITHMS: "ES256,ES384" })).toEqual(["ES256", "ES384"]);
  });
});
