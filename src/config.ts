import { readFileSync } from "node:fs";

import * as v from "valibot";

import { isSecureUrl } from "./url.ts";

/** Whatever Parley can be told, read once from the environment. An empty variable counts as one that is not set. */

/** One line for whoever starts Parley: which setting is wrong, and why. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Setting<T> {
  variable: string;
  /** As it would be written in the environment. Undefined: `serve` does not start without it, or its absence means something. */
  default: string | undefined;
  /** For the help text and the README, units included. */
  meaning: string;
  schema: v.GenericSchema<string, T>;
}

function setting<T>(
  variable: string,
  fallback: string | undefined,
  schema: v.GenericSchema<string, T>,
  meaning: string,
): Setting<T> {
  return { variable, default: fallback, schema, meaning };
}

const list = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
  v.minLength(1, "must name at least one"),
);

function number(least: number, most: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d+(\.\d+)?$/, "must be a number, 0 or more, written in digits"),
    v.transform(Number),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );
}

function count(most = 1_000_000_000) {
  return v.pipe(number(0, most), v.integer("must be a whole number"));
}

const secureUrls = v.pipe(
  list,
  v.everyItem(isSecureUrl, "must be https URLs (http only for a loopback host)"),
);

/** Signatures that a public key verifies; a shared secret (HS*) or none at all is never one. */
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

const isOrigin = (text: string) => URL.parse(text)?.origin === text;

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

export const settings = {
  host: setting("PARLEY_HOST", "127.0.0.1", v.string(), "Address to listen on; 0.0.0.0 for every one."),
  port: setting("PARLEY_PORT", "8000", count(65_535), "TCP port to listen on; 0 takes a free one."),
  database: setting("PARLEY_DATABASE", "parley.db", v.string(), "The SQLite file; made when there is none."),
  issuers: setting(
    "PARLEY_ISSUER",
    undefined,
    secureUrls,
    "Who may issue tokens: their `iss`, compared exactly, last slash included; https, or http of this machine. A comma list; they share one space of users. Required by `serve`.",
  ),
  audiences: setting(
    "PARLEY_AUDIENCE",
    undefined,
    list,
    "What a token's `aud` must name one of. A comma list. Required by `serve`.",
  ),
  jwksUrls: setting(
    "PARLEY_JWKS_URL",
    undefined,
    secureUrls,
    "Where the issuer's keys are, one for each issuer in their order. Default: as the issuer's `/.well-known/openid-configuration` says.",
  ),
  algorithms: setting(
    "PARLEY_ALGORITHMS",
    "RS256,ES256,EdDSA,PS256",
    v.pipe(
      list,
      v.everyItem((name) => algorithms.includes(name), `must be of ${algorithms.join(", ")}`),
    ),
    "Signatures that are accepted. A comma list; never HS* or none.",
  ),
  emailClaim: setting(
    "PARLEY_EMAIL_CLAIM",
    "email",
    v.string(),
    "The claim with the user's email. Auth0 access tokens need a namespaced one, such as `https://example.com/email`.",
  ),
  emailVerified: setting(
    "PARLEY_EMAIL_VERIFIED",
    "required",
    v.picklist(["required", "optional"], "must be required or optional"),
    "Which emails count: those that the token says are verified (`required`), or also those it says nothing about (`optional`). An address it denies never counts.",
  ),
  emailVerifiedClaim: setting(
    "PARLEY_EMAIL_VERIFIED_CLAIM",
    undefined,
    v.string(),
    'The claim that says whether the email is verified: `true` or `"true"`. Default: `email_verified`, in the namespace of PARLEY_EMAIL_CLAIM.',
  ),
  nameClaim: setting("PARLEY_NAME_CLAIM", "name", v.string(), "The claim with the user's name."),
  clockTolerance: setting(
    "PARLEY_CLOCK_TOLERANCE",
    "5",
    number(0, 300),
    "Seconds by which the issuer's clock may differ from this one.",
  ),
  allowedOrigins: setting(
    "PARLEY_ALLOWED_ORIGINS",
    undefined,
    v.pipe(list, v.everyItem(isOrigin, "must be origins such as https://app.example.com, without a path")),
    "Origins whose pages may connect. A comma list, compared exactly. Default: only the server's own.",
  ),
  maxText: setting(
    "PARLEY_MAX_TEXT",
    "16384",
    count(60_000),
    "Bytes of UTF-8 in a message's text. A frame has 64 KiB at most, escapes included, whatever this says.",
  ),
  messageRate: setting(
    "PARLEY_MESSAGE_RATE",
    "10",
    number(0, 1_000_000),
    "Commands a second that a user may send over all his connections; reading, typing, read marks and fresh tokens have ten times that.",
  ),
  messageBurst: setting(
    "PARLEY_MESSAGE_BURST",
    "30",
    count(),
    "Commands at once, after a pause. 0 in this or the rate lifts both.",
  ),
  connectionsPerUser: setting(
    "PARLEY_CONNECTIONS_PER_USER",
    "20",
    count(),
    "Connections that a user may have open, one for each room and tab. He may also open that many a second, and ten times as many at once.",
  ),
  maxConnections: setting(
    "PARLEY_MAX_CONNECTIONS",
    undefined,
    count(),
    "Connections in all. Default: 100 under the limit of open files.",
  ),
  roomsPerUser: setting(
    "PARLEY_ROOMS_PER_USER",
    "100",
    count(),
    "Rooms that a user may make over the HTTP API.",
  ),
  membersPerRoom: setting(
    "PARLEY_MEMBERS_PER_ROOM",
    "10000",
    count(),
    "Members of a room, invited ones included.",
  ),
  drain: setting(
    "PARLEY_DRAIN",
    "5",
    number(0, 3600),
    "Seconds over which connections are closed at a shutdown, so that their clients do not all return at once.",
  ),
  logLevel: setting(
    "PARLEY_LOG_LEVEL",
    "info",
    v.picklist(logLevels, `must be one of ${logLevels.join(", ")}`),
    `One of ${logLevels.join(", ")}.`,
  ),
};

type Values = { [K in keyof typeof settings]: v.InferOutput<(typeof settings)[K]["schema"]> };

/** Settings without a default of their own. */
type Optional =
  "issuers" | "audiences" | "jwksUrls" | "emailVerifiedClaim" | "allowedOrigins" | "maxConnections";

export type Config = Omit<Values, Optional> & { [K in Optional]: Values[K] | undefined };

/** Reads every setting. Throws `ConfigError` at the first bad one. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const entries = Object.entries(settings).map(([key, { variable, default: fallback, schema }]) => {
    const text = environment[variable] || fallback;
    if (text === undefined) return [key, undefined];
    const parsed = v.safeParse(schema, text);
    if (!parsed.success)
      throw new ConfigError(`${variable}: ${parsed.issues[0].message} (it is ${JSON.stringify(text)})`);
    return [key, parsed.output];
  });
  return Object.fromEntries(entries) as Config;
}

/** Variables that look like settings, and are none: probably mistyped. */
export function unknownSettings(environment: Record<string, string | undefined>): string[] {
  const known = new Set(Object.values(settings).map(({ variable }) => variable));
  return Object.keys(environment).filter((name) => name.startsWith("PARLEY_") && !known.has(name));
}

/** What `serve` can't do without. Throws `ConfigError`. */
export function requireIssuers(config: Config): { issuer: string; jwksUrl: string | undefined }[] {
  const { issuers, audiences, jwksUrls } = config;
  if (!issuers) throw new ConfigError("PARLEY_ISSUER: must be set, to your identity provider's issuer");
  if (!audiences) throw new ConfigError("PARLEY_AUDIENCE: must be set, to the audience of your tokens");
  if (jwksUrls && jwksUrls.length !== issuers.length) {
    throw new ConfigError("PARLEY_JWKS_URL: must have one URL for each issuer");
  }
  return issuers.map((issuer, index) => ({ issuer, jwksUrl: jwksUrls?.[index] }));
}

/** The hard limit of open files; Bun raises the soft one to it. 1024 where it can't be told. */
export function openFileLimit(): number {
  try {
    const line = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return Number(line?.[1] ?? 1024);
  } catch {
    return 1024;
  }
}
