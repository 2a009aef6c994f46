import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { CompactEncrypt, exportSPKI, importJWK } from "jose";

import { connectClassic, type ConnectOptions, Refused } from "../support/client.ts";
import { forge, hs256, rs256, unsigned } from "../support/forge.ts";
import { handshake, RawConnection } from "../support/raw.ts";
import { startTestServer, useServer } from "../support/server.ts";
import { audience, makeKey, type SigningKey } from "../support/tokens.ts";

const email = "alice@example.com";
const room = "lobby";
const now = Math.floor(Date.now() / 1000);

const server = useServer({
  env: { PARLEY_CLOCK_TOLERANCE: "60", PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_LOG_LEVEL: "trace" },
});

let attacker: SigningKey;
let attackerServer: ReturnType<typeof Bun.serve>;
let attackerHits = 0;

beforeAll(async () => {
  await server.createRoom([email], { id: room });
  attacker = await makeKey();
  attackerServer = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => {
      attackerHits++;
      return Response.json({ keys: [attacker.publicJwk] });
    },
  });
});
afterAll(() => attackerServer.stop(true));

type Part = Record<string, unknown>;
const header = (changes: Part = {}): Part => ({
  alg: "RS256",
  kid: server.issuer.key.kid,
  typ: "JWT",
  ...changes,
});
const claims = (changes: Part = {}): Part => ({
  iss: server.issuer.issuer,
  aud: audience,
  sub: `user|${email}`,
  email,
  email_verified: true,
  iat: now,
  exp: now + 3600,
  ...changes,
});
/** A valid token with these changes. An undefined value leaves something out. */
const make = (inHeader: Part = {}, inClaims: Part = {}) =>
  forge(header(inHeader), claims(inClaims), rs256(server.issuer.key));

async function accepted(options: ConnectOptions): Promise<void> {
  const client = await connectClassic(server.host, room, options);
  expect(client.history).toEqual([]);
  await client.close();
}

async function refused(options: ConnectOptions): Promise<Refused> {
  const client = await connectClassic(server.host, room, options).catch((error: unknown) => error);
  if (!(client instanceof Refused)) throw new Error("it was accepted", { cause: client });
  expect(client.headers).toMatchObject({
    "www-authenticate": "Bearer",
    "content-type": "application/problem+json",
  });
  expect(client.problem).toMatchObject({ type: "about:blank", title: "Unauthorized", status: 401 });
  expect(client.status).toBe(401);
  return client;
}

/** The answer to every invalid token, whatever the reason. */
const invalid = { code: "unauthorized", detail: "The token is not valid here." };

/** Checks that a token gets the usual refusal, that the log has this reason, and that a valid token is accepted. */
async function refusedFor(token: string, reason: RegExp, answer = invalid): Promise<void> {
  const before = server.logs.length;
  const refusal = await refused({ token });
  const logged = server.logs.slice(before).filter(({ msg }) => msg === "Token refused");
  expect(logged).toEqual([expect.objectContaining({ reason: expect.stringMatching(reason) })]);
  expect(refusal.problem).toMatchObject(answer);
  expect(Object.keys(refusal.headers).toSorted()).toEqual(
    Object.keys((await refused({ token: "not.a.token" })).headers).toSorted(),
  );
  await accepted({ token: await make() });
  const log = JSON.stringify(server.logs);
  for (const part of token.split(".").filter((text) => text.length > 20)) expect(log).not.toContain(part);
}

describe("refused: an invalid header", () => {
  const cases: [name: string, header: () => Part, reason: RegExp][] = [
    ["a kid that is not known", () => ({ kid: "nobody" }), /no key for/],
    ["a kid that is a path", () => ({ kid: "../../../../dev/null" }), /no key for/],
    ["a kid that is SQL", () => ({ kid: "' OR 1=1 --" }), /no key for/],
    ["a numeric kid", () => ({ kid: 1 }), /kid/],
    ["crit of something unknown", () => ({ crit: ["exp"], exp: 1 }), /crit/],
    ["crit of b64", () => ({ crit: ["b64"], b64: true }), /crit/],
    ["an empty crit", () => ({ crit: [] }), /crit/],
    ["b64: false", () => ({ b64: false }), /b64/],
    ["b64: false as crit asks for", () => ({ crit: ["b64"], b64: false }), /crit/],
    ["typ dpop+jwt", () => ({ typ: "dpop+jwt" }), /dpop/],
    ["typ logout+jwt", () => ({ typ: "application/logout+jwt" }), /logout/],
    ["an empty typ", () => ({ typ: "" }), /typ/],
    ["typ that is not a string", () => ({ typ: 1 }), /typ/],
    ["no alg", () => ({ alg: undefined }), /alg/i],
    ["another algorithm than the key's", () => ({ alg: "PS256" }), /no key for/],
  ];
  test.each(cases)("%s", async (_, changes, reason) => {
    await refusedFor(await make(changes()), reason);
  });
});

/** A token with valid claims that the attacker signed. */
const signed = (changes: Part, signer = rs256(attacker)) => forge(header(changes), claims(), signer);
const pem = async () => {
  const key = await importJWK(server.issuer.key.publicJwk, "RS256", { extractable: true });
  if (key instanceof Uint8Array) throw new Error("not a public key");
  return exportSPKI(key);
};
const modulus = () => Buffer.from(server.issuer.key.publicJwk.n ?? "", "base64url");

describe("refused: a signature that is not the issuer's", () => {
  const cases: [name: string, token: () => Promise<string>, reason: RegExp][] = [
    ["alg none", () => signed({ alg: "none", kid: undefined }, unsigned), /alg/i],
    ["alg None", () => signed({ alg: "None" }, unsigned), /alg/i],
    ["alg NONE with the issuer's signature", () => signed({ alg: "NONE" }, rs256(server.issuer.key)), /alg/i],
    ["no signature", () => signed({}, unsigned), /signature/],
    ["HS256 with the public key's PEM", async () => signed({ alg: "HS256" }, hs256(await pem())), /alg/i],
    [
      "HS256 with the modulus",
      () => signed({ alg: "HS256" }, hs256(server.issuer.key.publicJwk.n ?? "")),
      /alg/i,
    ],
    ["HS256 with the modulus's bytes", () => signed({ alg: "HS256" }, hs256(modulus())), /alg/i],
    [
      "HS256 with the JWK",
      () => signed({ alg: "HS256" }, hs256(JSON.stringify(server.issuer.key.publicJwk))),
      /alg/i,
    ],
    ["another key under the issuer's kid", () => signed({}), /signature/],
    ["an embedded jwk", () => signed({ jwk: attacker.publicJwk }), /signature/],
    [
      "an embedded jwk under its own kid",
      () => signed({ jwk: attacker.publicJwk, kid: attacker.kid }),
      /key/,
    ],
  ];
  test.each(cases)("%s", async (_, token, reason) => {
    await refusedFor(await token(), reason);
  });

  test.each(["jku", "x5u"])("a key at the URL in %s, which is not fetched", async (name) => {
    const pointer = (kid: string) => ({ [name]: new URL("/jwks.json", attackerServer.url).href, kid });
    const before = attackerHits;
    await refusedFor(await signed(pointer(server.issuer.key.kid)), /signature/);
    await refusedFor(await signed(pointer(attacker.kid)), /key/);
    expect(attackerHits).toBe(before);
    // The attacker's server does answer.
    expect((await fetch(attackerServer.url)).status).toBe(200);
    expect(attackerHits).toBe(before + 1);
  });

  test("one with a single character changed", async () => {
    const token = await make();
    const middle = token.lastIndexOf(".") + 100;
    const changed = token[middle] === "A" ? "B" : "A";
    // It is in the cache from here on, and the changed one must not be taken for it.
    await accepted({ token });
    await refusedFor(token.slice(0, middle) + changed + token.slice(middle + 1), /signature/);
    await accepted({ token });
  });
});

describe("refused: claims", () => {
  const cases: [name: string, claims: () => Part, reason: RegExp][] = [
    ["no exp", () => ({ exp: undefined }), /exp/],
    ["exp that is a string", () => ({ exp: String(now + 3600) }), /exp/],
    ["nbf in the future", () => ({ nbf: now + 600 }), /nbf/],
    ["nbf that is a string", () => ({ nbf: String(now) }), /nbf/],
    ["iat in the future", () => ({ iat: now + 600 }), /iat/],
    ["iat that is a string", () => ({ iat: String(now) }), /iat/],
    ["no sub", () => ({ sub: undefined }), /sub/],
    ["an empty sub", () => ({ sub: "" }), /^sub: .*1 to 255/],
    ["a numeric sub", () => ({ sub: 42 }), /sub.*string/],
    ["a sub of 256 characters", () => ({ sub: "s".repeat(256) }), /^sub: .*1 to 255/],
    ["no iss", () => ({ iss: undefined }), /iss/],
    ["iss with a slash that the issuer does not have", () => ({ iss: `${server.issuer.issuer}/` }), /iss/],
    ["iss as an array", () => ({ iss: [server.issuer.issuer] }), /iss/],
    ["another iss", () => ({ iss: "https://evil.example.com" }), /iss/],
    ["another aud", () => ({ aud: "https://other.example.com" }), /aud/],
    ["aud with one slash more", () => ({ aud: `${audience}/` }), /aud/],
    ["others in an aud array", () => ({ aud: ["https://other.example.com", `${audience}.evil`] }), /aud/],
    ["an empty aud array", () => ({ aud: [] }), /aud/],
    ["no aud", () => ({ aud: undefined }), /aud/],
  ];
  test.each(cases)("%s", async (_, changes, reason) => {
    await refusedFor(await make({}, changes()), reason);
  });

  test("exp in the past, and the client is told so", async () => {
    const expired = { code: "token_expired", detail: "The token has expired." };
    await refusedFor(await make({}, { exp: now - 90 }), /exp/, expired);
  });

  test("iss without the last slash of the issuer", async () => {
    const slashed = `${server.issuer.issuer}/`;
    await using strict = await startTestServer({
      issuer: slashed,
      env: { PARLEY_JWKS_URL: `${server.issuer.issuer}/jwks` },
    });
    const me = async (iss: string) =>
      fetch(`${strict.url}/api/me`, { headers: { authorization: `Bearer ${await make({}, { iss })}` } });
    expect((await me(server.issuer.issuer)).status).toBe(401);
    expect((await me(slashed)).status).toBe(200);
  });
});

const validParts = async () => (await make()).split(".");
const jwe = async () => {
  const { publicJwk } = server.issuer.key;
  const key = await importJWK({ ...publicJwk, alg: "RSA-OAEP-256", use: "enc" });
  return new CompactEncrypt(Buffer.from(JSON.stringify(claims())))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: server.issuer.key.kid, typ: "JWT" })
    .encrypt(key);
};

describe("refused: something that is not a signed token", () => {
  const cases: [name: string, token: () => Promise<string>][] = [
    ["an encrypted token", jwe],
    ["four parts", async () => `${await make()}.AAAA`],
    ["two parts", async () => (await validParts()).slice(0, 2).join(".")],
    ["one word", async () => "token"],
    ["a header that is not JSON", async () => ["AAAA", ...(await validParts()).slice(1)].join(".")],
    ["claims that are not JSON", async () => (await validParts()).with(1, "AAAA").join(".")],
    ["claims that are an array", () => forge(header(), [claims()], rs256(server.issuer.key))],
    ["padding at the end", async () => `${await make()}=`],
  ];
  test.each(cases)("%s", async (_, token) => {
    await refusedFor(await token(), /./);
  });

  test("a header of 17 KB, without being read", async () => {
    const authorization = `Bearer ${await make({}, { padding: "x".repeat(13_000) })}`;
    expect(authorization.length).toBeGreaterThan(17_000);
    const raw = await RawConnection.open(server.host);
    raw.write(handshake(server.host, `/ws/chat/${room}/`, { authorization }));
    expect((await raw.answer()).status).toBe(431);
    raw.destroy();
    await accepted({ token: await make({}, { padding: "x".repeat(8000) }) });
  });
});
