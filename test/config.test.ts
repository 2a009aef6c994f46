import { describe, expect, test } from "bun:test";

import { ConfigError, readConfig, settings, unknownSettings } from "../src/config.ts";
import { requireIssuers } from "../src/trusted-issuers.ts";

const variables = Object.values(settings).map(({ variable }) => variable);
const withDefault = Object.values(settings).filter((setting) => setting.default !== undefined);

/** The message with which a setting is refused. */
function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error(`${JSON.stringify(environment)} was accepted`);
}

test("without any variable, every setting has its default", () => {
  expect(readConfig({})).toEqual({
    host: "127.0.0.1",
    port: 8000,
    database: "parley.db",
    issuers: undefined,
    audiences: undefined,
    jwksUrls: undefined,
    adminIssuers: undefined,
    algorithms: ["RS256", "ES256", "EdDSA", "PS256"],
    emailClaim: "email",
    emailVerified: "required",
    emailVerifiedClaim: undefined,
    nameClaim: "name",
    clientId: undefined,
    scopes: "openid profile email offline_access",
    clockTolerance: 5,
    allowedOrigins: undefined,
    maxText: 16_384,
    messageRate: 10,
    messageBurst: 30,
    connectionsPerUser: 20,
    maxConnections: undefined,
    roomsPerUser: 100,
    membersPerRoom: 10_000,
    pushKey: undefined,
    pushContact: undefined,
    pushServices: [
      "https://fcm.googleapis.com",
      "https://jmt17.google.com",
      "https://updates.push.services.mozilla.com",
      "https://*.push.apple.com",
      "https://*.notify.windows.com",
    ],
    drain: 5,
    classic: undefined,
    logLevel: "info",
  });
});

test("a default that is written out changes nothing", () => {
  const written = withDefault.map(({ variable, default: fallback }) => [variable, fallback]);
  expect(readConfig(Object.fromEntries(written) as Record<string, string>)).toEqual(readConfig({}));
});

test("an empty variable counts as one that is not set", () => {
  expect(readConfig(Object.fromEntries(variables.map((variable) => [variable, ""])))).toEqual(readConfig({}));
});

test("other variables are left alone", () => {
  expect(readConfig({ PORT: "1", PATH: "/bin", PARLEY_NOTHING: "x" })).toEqual(readConfig({}));
});

test("entries of a list are trimmed, and empty ones are left out", () => {
  const config = readConfig({
    PARLEY_ISSUER: " https://one.example.com/ ,, https://two.example.com",
    PARLEY_AUDIENCE: "a, b ,",
    PARLEY_ALGORITHMS: "RS256 , ES256",
    PARLEY_ALLOWED_ORIGINS: "https://app.example.com, http://localhost:5173",
  });
  expect(config.issuers).toEqual(["https://one.example.com/", "https://two.example.com"]);
  expect(config.audiences).toEqual(["a", "b"]);
  expect(config.algorithms).toEqual(["RS256", "ES256"]);
  expect(config.allowedOrigins).toEqual(["https://app.example.com", "http://localhost:5173"]);
});

test.each([
  ["PARLEY_MAX_TEXT", "maxText"],
  ["PARLEY_MESSAGE_RATE", "messageRate"],
  ["PARLEY_MESSAGE_BURST", "messageBurst"],
  ["PARLEY_CONNECTIONS_PER_USER", "connectionsPerUser"],
  ["PARLEY_MAX_CONNECTIONS", "maxConnections"],
  ["PARLEY_ROOMS_PER_USER", "roomsPerUser"],
  ["PARLEY_MEMBERS_PER_ROOM", "membersPerRoom"],
] as const)("%s may be 0, which lifts the limit", (variable, key) => {
  expect(readConfig({ [variable]: "0" })[key]).toBe(0);
});

describe("a bad value is refused with the name, the reason and the value", () => {
  test.each([
    ["PARLEY_PORT", "abc", "must be a decimal number, 0 or more"],
    ["PARLEY_PORT", "65536", "must be at most 65535"],
    ["PARLEY_PORT", "-1", "must be a decimal number, 0 or more"],
    ["PARLEY_PORT", "80.5", "must be a whole number"],
    ["PARLEY_PORT", "0x50", "must be a decimal number, 0 or more"],
    ["PARLEY_PORT", "1e3", "must be a decimal number, 0 or more"],
    ["PARLEY_PORT", " 80", "must be a decimal number, 0 or more"],
    ["PARLEY_ISSUER", "http://example.com", "must be https URLs"],
    ["PARLEY_ISSUER", "https://ok.example.com,http://example.com", "must be https URLs"],
    ["PARLEY_ISSUER", "example.com", "must be https URLs"],
    ["PARLEY_ISSUER", "http://localhost.example.com", "must be https URLs"],
    ["PARLEY_ISSUER", "http://127.0.0.1.example.com", "must be https URLs"],
    ["PARLEY_ISSUER", "ftp://127.0.0.1", "must be https URLs"],
    ["PARLEY_ISSUER", "file:///etc/passwd", "must be https URLs"],
    ["PARLEY_ISSUER", ",", "must have at least one entry"],
    ["PARLEY_AUDIENCE", " , ", "must have at least one entry"],
    ["PARLEY_JWKS_URL", "http://example.com/jwks.json", "must be https URLs"],
    ["PARLEY_ALGORITHMS", "HS256", "must be among RS256"],
    ["PARLEY_ALGORITHMS", "none", "must be among RS256"],
    ["PARLEY_ALGORITHMS", "RS256,HS512", "must be among RS256"],
    ["PARLEY_ALGORITHMS", "rs256", "must be among RS256"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com/", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com/chat", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "app.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com?x", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com#x", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://user@app.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.example.com:99999", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "file://", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "*", "must be origins"],
    ["PARLEY_EMAIL_VERIFIED", "no", "must be required or optional"],
    ["PARLEY_EMAIL_VERIFIED", "Optional", "must be required or optional"],
    ["PARLEY_ALLOWED_ORIGINS", "https://*", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://*.", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://*.*.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app.*.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://app*.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "*.example.com", "must be origins"],
    ["PARLEY_ALLOWED_ORIGINS", "https://ok.example.com, nonsense", "must be origins"],
    ["PARLEY_PUSH_CONTACT", "you@example.com", "must be mailto:"],
    ["PARLEY_PUSH_CONTACT", "http://example.com", "must be mailto:"],
    ["PARLEY_PUSH_SERVICES", "http://fcm.googleapis.com", "must be hosts"],
    ["PARLEY_PUSH_SERVICES", "fcm.googleapis.com/fcm", "must be hosts"],
    ["PARLEY_PUSH_SERVICES", "fcm.googleapis.com, user@push.example.com", "must be hosts"],
    ["PARLEY_PUSH_SERVICES", "*", "must be hosts"],
    ["PARLEY_PUSH_SERVICES", "ftp://127.0.0.1", "must be hosts"],
    ["PARLEY_LOG_LEVEL", "loud", "must be one of fatal"],
    ["PARLEY_CLOCK_TOLERANCE", "-1", "must be a decimal number, 0 or more"],
    ["PARLEY_CLOCK_TOLERANCE", "301", "must be at most 300"],
    ["PARLEY_CLOCK_TOLERANCE", "NaN", "must be a decimal number, 0 or more"],
    ["PARLEY_MAX_TEXT", "60001", "must be at most 60000"],
    ["PARLEY_MESSAGE_RATE", "Infinity", "must be a decimal number, 0 or more"],
    ["PARLEY_DRAIN", "1 h", "must be a decimal number, 0 or more"],
  ])("%s=%s", (variable, text, reason) => {
    const said = refusal({ [variable]: text });
    expect(said).toStartWith(`${variable}: `);
    expect(said).toContain(reason);
    expect(said).toEndWith(`(it is "${text}")`);
    expect(said).not.toContain("\n");
  });
});

test("a push key that is refused is not shown", () => {
  const key = "x".repeat(42);
  expect(refusal({ PARLEY_PUSH_KEY: key })).toBe(
    "PARLEY_PUSH_KEY: must be a key as `parley push keys` prints it",
  );
});

test("push services are hosts, with https unless they are on this machine", () => {
  const { pushServices } = readConfig({
    PARLEY_PUSH_SERVICES: "push.example.com, *.Example.com:8443, http://127.0.0.1:9000",
  });
  expect(pushServices).toEqual([
    "https://push.example.com",
    "https://*.example.com:8443",
    "http://127.0.0.1:9000",
  ]);
});

test.each([
  ["https://app.example.com", "https://app.example.com"],
  ["http://localhost:5173", "http://localhost:5173"],
  ["HTTPS://App.Example.com", "https://app.example.com"],
  ["https://app.example.com:443", "https://app.example.com"],
  ["http://app.example.com:80", "http://app.example.com"],
  ["http://app.example.com:443", "http://app.example.com:443"],
  ["https://bücher.example", "https://xn--bcher-kva.example"],
  ["http://[::1]:3000", "http://[::1]:3000"],
  ["capacitor://localhost", "capacitor://localhost"],
  ["Ionic://LocalHost", "ionic://localhost"],
  ["tauri://localhost", "tauri://localhost"],
  ["chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"],
  ["https://*.example.com", "https://*.example.com"],
  ["https://*.Example.com:8443", "https://*.example.com:8443"],
  ["https://*.example.com:443", "https://*.example.com"],
  ["null", "null"],
])("the allowed origin %s is kept as %s", (text, origin) => {
  expect(readConfig({ PARLEY_ALLOWED_ORIGINS: text }).allowedOrigins).toEqual([origin]);
});

test("an issuer on this machine may be http", () => {
  for (const issuer of [
    "http://127.0.0.1:9000",
    "http://localhost/",
    "http://[::1]:1",
    "https://example.com",
  ]) {
    expect(readConfig({ PARLEY_ISSUER: issuer }).issuers).toEqual([issuer]);
  }
});

test("verification of emails may be optional, and have a claim of its own", () => {
  const config = readConfig({
    PARLEY_EMAIL_VERIFIED: "optional",
    PARLEY_EMAIL_VERIFIED_CLAIM: "https://example.com/confirmed",
  });
  expect(config).toMatchObject({
    emailVerified: "optional",
    emailVerifiedClaim: "https://example.com/confirmed",
  });
});

const require = (environment: Record<string, string>) => () => requireIssuers(readConfig(environment));

test("serve requires an issuer, an audience, and a key URL for each issuer or for none", () => {
  const issuers = { PARLEY_ISSUER: "https://one.example.com,https://two.example.com", PARLEY_AUDIENCE: "a" };
  expect(require({})).toThrow("PARLEY_ISSUER: must be set");
  expect(require({ PARLEY_ISSUER: "https://one.example.com" })).toThrow("PARLEY_AUDIENCE: must be set");
  expect(require({ ...issuers, PARLEY_JWKS_URL: "https://one.example.com/keys" })).toThrow(
    "PARLEY_JWKS_URL: must have one URL for each issuer",
  );
  expect(require(issuers)()).toEqual([
    { issuer: "https://one.example.com", jwksUrl: undefined, grantsAdmin: false },
    { issuer: "https://two.example.com", jwksUrl: undefined, grantsAdmin: false },
  ]);
  const urls = "https://one.example.com/keys,https://keys.example.com/two";
  expect(require({ ...issuers, PARLEY_JWKS_URL: urls })().map(({ jwksUrl }) => jwksUrl)).toEqual(
    urls.split(","),
  );
});

/** For each issuer, whether its tokens may have `chat:admin`. */
const grants = (issuers: string, PARLEY_ADMIN_ISSUER = "") =>
  require({ PARLEY_ISSUER: issuers, PARLEY_AUDIENCE: "a", PARLEY_ADMIN_ISSUER })().map(
    ({ grantsAdmin }) => grantsAdmin,
  );

test("of several issuers, those that PARLEY_ADMIN_ISSUER names may grant chat:admin; an only one may by default", () => {
  const [one, two] = ["https://one.example.com", "https://two.example.com/"];
  expect(grants(one)).toEqual([true]);
  expect(grants(`${one},${two}`)).toEqual([false, false]);
  expect(grants(`${one},${two}`, two)).toEqual([false, true]);
  expect(grants(`${one},${two}`, `${two}, ${one}`)).toEqual([true, true]);
  for (const unknown of ["https://two.example.com", "two"])
    expect(() => grants(`${one},${two}`, unknown)).toThrow(
      "PARLEY_ADMIN_ISSUER: must be among the issuers of PARLEY_ISSUER",
    );
});

test("an issuer keeps its case and its slash at the end", () => {
  const text = "https://Tenant.example.com/Path/";
  expect(readConfig({ PARLEY_ISSUER: text }).issuers).toEqual([text]);
});

test("a PARLEY_* variable that is not a setting is found", () => {
  const environment = { PARLEY_PORT: "1", PARLEY_MAXTEXT: "5", PORT: "1", parley_port: "1" };
  expect(unknownSettings(environment)).toEqual(["PARLEY_MAXTEXT"]);
});
