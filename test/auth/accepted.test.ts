import { beforeAll, describe, expect, test } from "bun:test";

import { exportJWK, importJWK } from "jose";

import { callApi } from "../support/api.ts";
import { connectClassic } from "../support/client.ts";
import { publish, startFaultyIssuer } from "../support/faulty-issuer.ts";
import { forge, rs256 } from "../support/forge.ts";
import { startIssuer } from "../support/issuer.ts";
import { startTestServer, useServer } from "../support/server.ts";
import { audience, makeKey, sign, type SigningKey, type TokenOptions } from "../support/tokens.ts";

const email = "alice@example.com";
const room = "lobby";
const server = useServer({ env: { PARLEY_CLOCK_TOLERANCE: "60", PARLEY_CONNECTIONS_PER_USER: "0" } });
beforeAll(() => server.createRoom([email], { id: room }));

const seconds = () => Math.floor(Date.now() / 1000);

describe("a token is accepted", () => {
  const cases: [name: string, options: () => TokenOptions][] = [
    ["with its aud in an array", () => ({ claims: { aud: ["https://other.example.com", audience] } })],
    ["with typ jwt", () => ({ header: { typ: "jwt" } })],
    ["with typ at+jwt", () => ({ header: { typ: "at+jwt" } })],
    ["with typ application/at+jwt", () => ({ header: { typ: "application/at+jwt" } })],
    ["with no iat", () => ({ claims: { iat: undefined } })],
    ["with a sub of 255 characters", () => ({ claims: { sub: "s".repeat(255) } })],
    ["that expired within the clock's tolerance", () => ({ claims: { exp: seconds() - 20 } })],
    ["that becomes valid within the clock's tolerance", () => ({ claims: { nbf: seconds() + 40 } })],
    ["that was issued within the clock's tolerance", () => ({ claims: { iat: seconds() + 40 } })],
  ];
  test.each(cases)("%s", async (name, options) => {
    // An email for each case, because some cases have another `sub`.
    const own = `${name.replaceAll(/\W+/g, "-")}@example.com`;
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, room, { email: own }, "member"),
    );
    const client = await connectClassic(server.host, room, {
      token: await server.issuer.sign(own, options()),
    });
    expect(client.history).toEqual([]);
    await client.close();
  });

  test("with neither typ nor kid when the issuer has one key", async () => {
    const { issuer, key } = server.issuer;
    const claims = { iss: issuer, aud: audience, sub: "bare", exp: seconds() + 60 };
    const token = await forge({ alg: "RS256" }, claims, rs256(key));
    expect((await callApi(server, "GET /api/me", { token })).body).toMatchObject({ id: "bare" });
  });

  test("that the provider issued itself", async () => {
    const { status, body } = await callApi(server, "GET /api/me", { token: await server.issuer.grant() });
    expect([status, body]).toEqual([200, { id: "backend", email: null, name: null, admin: true }]);
  });
});

test("several issuers and audiences may be trusted, each issuer with its own keys only", async () => {
  await using second = await startIssuer();
  await using parley = await startTestServer({
    issuer: `${server.issuer.issuer}, ${second.issuer}`,
    env: { PARLEY_AUDIENCE: `${audience},urn:mobile` },
  });
  const status = async (token: Promise<string>) =>
    (await callApi(parley, "GET /api/me", { token: await token })).status;
  for (const issuer of [server.issuer, second]) {
    expect(await status(issuer.sign(email))).toBe(200);
    expect(await status(issuer.sign(email, { claims: { aud: "urn:mobile" } }))).toBe(200);
    expect(await status(issuer.sign(email, { claims: { aud: "urn:tablet" } }))).toBe(401);
  }
  const { key } = second;
  expect(await status(server.issuer.sign(email, { key }))).toBe(401);
  expect(await status(server.issuer.sign(email, { key, header: { kid: server.issuer.key.kid } }))).toBe(401);
  expect(await status(sign(`${server.issuer.issuer}, ${second.issuer}`, email, { key }))).toBe(401);
});

test("of several issuers, only those of PARLEY_ADMIN_ISSUER may grant chat:admin; the log says so once per user", async () => {
  await using second = await startIssuer();
  const [first] = [server.issuer];
  await using parley = await startTestServer({
    issuer: `${first.issuer},${second.issuer}`,
    env: { PARLEY_ADMIN_ISSUER: first.issuer },
  });
  const isAdmin = async (issuer: Pick<typeof first, "sign">) => {
    const token = await issuer.sign(email, { claims: { scope: "chat:admin" } });
    return (await callApi(parley, "GET /api/me", { token })).body["admin"];
  };
  expect(await isAdmin(first)).toBe(true);
  for (let each = 0; each < 2; each++) expect(await isAdmin(second)).toBe(false);
  const warnings = parley.logs.filter(({ msg }) => msg === "chat:admin of a token ignored");
  expect(warnings).toMatchObject([{ reason: `PARLEY_ADMIN_ISSUER does not have ${second.issuer}` }]);
});

/** The algorithms whose tokens a server with these settings accepts. */
async function acceptedOf(algorithms: readonly string[], env: Record<string, string>): Promise<string[]> {
  await using issuer = await startFaultyIssuer();
  const keys = await Promise.all(algorithms.map(async (alg) => ({ alg, key: await makeKey(alg) })));
  issuer.handler = publish(
    issuer,
    keys.map(({ key }) => key.publicJwk),
  );
  await using parley = await startTestServer({ issuer: issuer.issuer, env });
  const accepted: string[] = [];
  for (const { alg, key } of keys) {
    const token = await sign(issuer.issuer, email, { key, header: { alg } });
    const { status } = await callApi(parley, "GET /api/me", { token });
    if (status === 200) accepted.push(alg);
    else expect(status).toBe(401);
  }
  return accepted;
}

describe("accepted algorithms", () => {
  test("are RS256, ES256, EdDSA and PS256 by default", async () => {
    const all = ["RS256", "ES256", "EdDSA", "PS256", "RS384", "ES384"];
    expect(await acceptedOf(all, {})).toEqual(["RS256", "ES256", "EdDSA", "PS256"]);
  });

  test("are only those of PARLEY_ALGORITHMS when it is set", async () => {
    const all = ["RS256", "ES256", "EdDSA", "PS256", "ES384"];
    expect(await acceptedOf(all, { PARLEY_ALGORITHMS: "ES256,ES384" })).toEqual(["ES256", "ES384"]);
  });

  test("may share an RSA key that has no alg", async () => {
    await using issuer = await startFaultyIssuer();
    const rsa = await makeKey("RS256");
    const pss = await makeKey("PS256");
    const { alg: _, ...publicJwk } = pss.publicJwk;
    issuer.handler = publish(issuer, [publicJwk]);
    await using parley = await startTestServer({ issuer: issuer.issuer });
    const status = async (key: SigningKey, alg: string) => {
      const token = await sign(issuer.issuer, email, { key, header: { alg, kid: pss.kid } });
      return (await callApi(parley, "GET /api/me", { token })).status;
    };
    const pkcs1 = await importJWK(await exportJWK(pss.privateKey), "RS256");
    if (pkcs1 instanceof Uint8Array) throw new Error("not a private key");
    expect(await status(pss, "PS256")).toBe(200);
    expect(await status({ ...pss, privateKey: pkcs1 }, "RS256")).toBe(200);
    expect(await status(rsa, "RS256")).toBe(401);
  });
});
