import { describe, expect, spyOn, test } from "bun:test";

import type { VerifierOptions } from "../../src/auth/verifier.ts";
import { callApi } from "../support/api.ts";
import { forge, unsigned } from "../support/forge.ts";
import { useServer } from "../support/server.ts";
import { audience } from "../support/tokens.ts";
import { startVerifier } from "../support/verifier.ts";

// Which email address of a token counts.

const email = "alice@example.com";
const server = useServer();

/** The address that counts in a token with these claims. */
async function emailOf(claims: Record<string, unknown>, options: Partial<VerifierOptions> = {}) {
  using verifier = await startVerifier(server.issuer.issuer, options);
  return (await verifier.verify(await signClaims(claims))).email;
}

/** A token with no email claims but these. */
const signClaims = (claims: Record<string, unknown>) =>
  server.issuer.sign("", {
    claims: { sub: "alice", email: undefined, email_verified: undefined, ...claims },
  });

describe.each<[name: string, options: Partial<VerifierOptions>, claim: string, verifiedClaim: string]>([
  ["the standard claim", {}, "email", "email_verified"],
  [
    "a namespaced claim",
    { emailClaim: "https://example.com/email" },
    "https://example.com/email",
    "https://example.com/email_verified",
  ],
  [
    "a namespaced claim of another name",
    { emailClaim: "https://example.com/user/mail" },
    "https://example.com/user/mail",
    "https://example.com/user/email_verified",
  ],
  ["a plain claim of another name", { emailClaim: "mail" }, "mail", "email_verified"],
  [
    "a claim with its own verification claim",
    { emailClaim: "https://example.com/email", emailVerifiedClaim: "mail_confirmed" },
    "https://example.com/email",
    "mail_confirmed",
  ],
])("an address in %s", (_, options, claim, verifiedClaim) => {
  const optional = { ...options, emailVerified: "optional" } as const;

  test.each([[true], ["true"]])("counts when it is verified: %p", async (verified) => {
    const claims = { [claim]: email, [verifiedClaim]: verified };
    expect(await emailOf(claims, options)).toBe(email);
    expect(await emailOf(claims, optional)).toBe(email);
  });

  test.each([
    [false],
    ["false"],
    ["False"],
    ["True"],
    [" true"],
    [""],
    [0],
    [1],
    [null],
    [[false]],
    [[true]],
    [{ true: true }],
  ])("does not count when it is denied: %p", async (verified) => {
    const claims = { [claim]: email, [verifiedClaim]: verified };
    expect(await emailOf(claims, options)).toBeUndefined();
    expect(await emailOf(claims, optional)).toBeUndefined();
  });

  test("counts without a word about it only when verification is optional", async () => {
    expect(await emailOf({ [claim]: email }, options)).toBeUndefined();
    expect(await emailOf({ [claim]: email }, optional)).toBe(email);
  });

  test("is not verified by a claim about another address", async () => {
    const others = [
      "email_verified",
      "https://example.com/email_verified",
      "https://evil.com/email_verified",
    ];
    const claims = Object.fromEntries(others.map((other) => [other, true]));
    expect(await emailOf({ ...claims, [claim]: email, [verifiedClaim]: undefined }, options)).toBeUndefined();
    expect(await emailOf({ ...claims, [claim]: email, [verifiedClaim]: false }, optional)).toBeUndefined();
  });

  test("is no address of another claim", async () => {
    const claims = { email: email, "https://example.com/email": email, [verifiedClaim]: true };
    expect(await emailOf({ ...claims, [claim]: undefined }, options)).toBeUndefined();
  });
});

test.each([
  ["alice"],
  ["alice@"],
  ["@example.com"],
  ["alice@bob@example.com"],
  ["alice bob@example.com"],
  [""],
  [`${"a".repeat(250)}@example.com`],
  ["a\0@example.com"],
  ["\ud800@example.com"],
  [42],
  [null],
  [["alice@example.com"]],
])("%j is not an address", async (address) => {
  expect(await emailOf({ email: address, email_verified: true })).toBeUndefined();
});

test.each([
  ["ALICE@Example.COM", "alice@example.com"],
  [" alice@example.com ", "alice@example.com"],
  ["alice@intranet", "alice@intranet"],
  ["ÄRGER@example.com", "Ärger@example.com"],
])("%j is the address %j", async (address, expected) => {
  expect(await emailOf({ email: address, email_verified: true })).toBe(expected);
});

test("addresses are compared in Unicode's form NFC", async () => {
  expect(await emailOf({ email: "jose\u0301@example.com", email_verified: true })).toBe(
    "jos\u00e9@example.com",
  );
});
test.each([
  ["alice\u200b@example.com"],
  ["\u202ealice@example.com"],
  ["alice\u0007@example.com"],
  ["alice\u3164@example.com"],
])("an address with invisible characters is not an address: %j", async (address) => {
  expect(await emailOf({ email: address, email_verified: true })).toBeUndefined();
});

const unused = (logs: Record<string, unknown>[]) =>
  logs.filter(({ msg }) => msg === "Email address of a token not used");

describe("the log", () => {
  test("says once for each user why their address is not used", async () => {
    using verifier = await startVerifier(server.issuer.issuer);
    const refuse = async (sub: string, claims: Record<string, unknown>) =>
      verifier.verify(await signClaims({ sub, ...claims }));
    await refuse("anna", { email, email_verified: false });
    await refuse("anna", { email, email_verified: "no", n: 2 });
    await refuse("bert", { email });
    await refuse("carl", { email: "carl", email_verified: true });
    await refuse("dora", { email, email_verified: "x".repeat(10_000) });
    await refuse("emil", { email, email_verified: true });
    await refuse("fred", { email_verified: false });
    await refuse("gina", { email: null, email_verified: false });
    expect(unused(verifier.logs)).toMatchObject([
      { sub: "anna", reason: "email_verified is false, not true" },
      { sub: "bert", reason: "the token has no email_verified" },
      { sub: "carl", reason: "email is not an email address" },
      { sub: "dora", reason: expect.stringMatching(/^email_verified is "x{39}, not true$/) },
    ]);
  });

  test("remembers 10,000 users, and says it again for the ones that it forgot", async () => {
    using verifier = await startVerifier(server.issuer.issuer);
    // Real signatures would take too long, and are not what is tested here.
    using _ = spyOn(crypto.subtle, "verify").mockResolvedValue(true);
    const exp = Math.floor(Date.now() / 1000) + 3600;
    let tokens = 0;
    const refuse = async (sub: string) => {
      const claims = { iss: server.issuer.issuer, aud: audience, sub, exp, email, jti: `${++tokens}` };
      await verifier.verify(await forge({ alg: "RS256", kid: server.issuer.key.kid }, claims, unsigned));
    };
    for (let n = 0; n <= 10_000; n++) await refuse(`user-${n}`);
    expect(unused(verifier.logs).length).toBe(10_001);
    await refuse("user-1");
    expect(unused(verifier.logs).length).toBe(10_001);
    await refuse("user-0");
    expect(unused(verifier.logs).length).toBe(10_002);
  }, 20_000);
});

test("an unverified address does not get what was granted to its owner", async () => {
  const claim = "https://example.com/email";
  await using parley = await server.startAnother({ env: { PARLEY_EMAIL_CLAIM: claim } });
  await parley.createRoom([email], { id: "lobby", role: "owner" });
  const enter = async (claims: Record<string, unknown>) =>
    (await callApi(parley, "GET /api/rooms/lobby", { token: await signClaims(claims) })).status;
  expect(await enter({ sub: "mallory", [claim]: email, [`${claim}_verified`]: false })).toBe(404);
  expect(await enter({ sub: "mallory", [claim]: email, email_verified: true })).toBe(404);
  expect(await enter({ sub: "mallory", email, email_verified: true })).toBe(404);
  expect(await enter({ sub: "alice", [claim]: email, [`${claim}_verified`]: true })).toBe(200);
});

test("PARLEY_EMAIL_VERIFIED and PARLEY_EMAIL_VERIFIED_CLAIM apply to the server", async () => {
  const env = { PARLEY_EMAIL_VERIFIED: "optional", PARLEY_EMAIL_VERIFIED_CLAIM: "confirmed" };
  await using parley = await server.startAnother({ env });
  await parley.createRoom([email], { id: "lobby" });
  const enter = async (claims: Record<string, unknown>) =>
    (await callApi(parley, "GET /api/rooms/lobby", { token: await signClaims(claims) })).status;
  expect(await enter({ sub: "mallory", email, confirmed: false })).toBe(404);
  expect(await enter({ sub: "alice", email })).toBe(200);
});
