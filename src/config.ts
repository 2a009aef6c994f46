import * as v from "valibot";

import { commaList, count, number, origins, pushServices, secureUrls } from "./setting-values.ts";

/** Every setting of Parley, read once from the environment. An empty variable counts as unset. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting is missing or wrong. The message is one line that names the variable and says why. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Setting<T> {
  variable: string;
  /** As written in the environment. Undefined if `serve` requires the setting, or if its absence has a meaning. */
  default: string | undefined;
  /** For `--help` and the README, units included. */
  meaning: string;
  schema: v.GenericSchema<string, T>;
  /** Whether errors must not show the value. */
  isSecret?: boolean;
}

function setting<T>(
  variable: string,
  fallback: string | undefined,
  schema: v.GenericSchema<string, T>,
  meaning: string,
): Setting<T> {
  return { variable, default: fallback, schema, meaning };
}

/** Signature algorithms with a public key. Shared secrets (HS*) and unsigned tokens are not supported. */
const ALGORITHMS = [
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

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** Leaves room in a frame of 64 KiB for JSON escapes and the other keys. */
const MAX_TEXT_BYTES = 60_000;
const MAX_PORT = 65_535;
const MAX_CLOCK_TOLERANCE_S = 300;
const MAX_MESSAGE_RATE = 1_000_000;
const MAX_DRAIN_S = 3600;

export const settings = {
  host: setting(
    "PARLEY_HOST",
    "127.0.0.1",
    v.string(),
    "Address to listen on. 0.0.0.0 listens on all of them.",
  ),
  port: setting("PARLEY_PORT", "8000", count(MAX_PORT), "TCP port to listen on. 0 picks a free one."),
  database: setting(
    "PARLEY_DATABASE",
    "parley.db",
    v.string(),
    "Path of the SQLite file. It is created if it does not exist.",
  ),
  issuers: setting(
    "PARLEY_ISSUER",
    undefined,
    secureUrls,
    "Trusted token issuers: the exact `iss` of the tokens, including a slash at the end. A comma-separated list; all issuers share one set of users. Must be https, or http on localhost. Required by `serve`.",
  ),
  audiences: setting(
    "PARLEY_AUDIENCE",
    undefined,
    commaList,
    "Accepted audiences: a token's `aud` must include one of them. A comma-separated list. Required by `serve`.",
  ),
  jwksUrls: setting(
    "PARLEY_JWKS_URL",
    undefined,
    secureUrls,
    "URLs of the issuers' key sets, one per issuer, in the same order. Default: taken from each issuer's `/.well-known/openid-configuration`.",
  ),
  adminIssuers: setting(
    "PARLEY_ADMIN_ISSUER",
    undefined,
    commaList,
    "Issuers, among those of PARLEY_ISSUER, whose tokens may have `chat:admin`. A comma-separated list. Default: the issuer, if there is only one; with several, none.",
  ),
  algorithms: setting(
    "PARLEY_ALGORITHMS",
    "RS256,ES256,EdDSA,PS256",
    v.pipe(
      commaList,
      v.everyItem((name) => ALGORITHMS.includes(name), `must be among ${ALGORITHMS.join(", ")}`),
    ),
    "Accepted signature algorithms. A comma-separated list. HS* and none are not supported.",
  ),
  emailClaim: setting(
    "PARLEY_EMAIL_CLAIM",
    "email",
    v.string(),
    "Claim that holds the user's email. Auth0 access tokens need a namespaced one, such as `https://example.com/email`.",
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
  nameClaim: setting("PARLEY_NAME_CLAIM", "name", v.string(), "Claim that holds the user's name."),
  clientId: setting(
    "PARLEY_CLIENT_ID",
    undefined,
    v.string(),
    "Id of Parley's own page at the first issuer: a public client, with the URL of the page as its redirect URI. Default: none, so nobody can sign in on the page.",
  ),
  scopes: setting(
    "PARLEY_SCOPES",
    "openid profile email offline_access",
    v.pipe(
      v.string(),
      v.transform((text) => text.trim().split(/\s+/)),
      v.check((scopes) => scopes.includes("openid"), "must have openid"),
      v.transform((scopes) => scopes.join(" ")),
    ),
    "Scopes that the page asks for, with spaces between them.",
  ),
  clockTolerance: setting(
    "PARLEY_CLOCK_TOLERANCE",
    "5",
    number(0, MAX_CLOCK_TOLERANCE_S),
    "Seconds by which the issuer's clock and this machine's may differ.",
  ),
  allowedOrigins: setting(
    "PARLEY_ALLOWED_ORIGINS",
    undefined,
    origins,
    "Origins of the web pages and apps that may connect, besides the server's own. A comma-separated list of `scheme://host[:port]`, such as `https://app.example.com` or `capacitor://localhost`; `https://*.example.com` allows all subdomains, `null` pages without an origin. Default: only the server's own.",
  ),
  maxText: setting(
    "PARLEY_MAX_TEXT",
    "16384",
    count(MAX_TEXT_BYTES),
    "Maximum size of a message's text, in bytes of UTF-8. A frame, with its JSON escapes, is limited to 64 KiB in any case.",
  ),
  messageRate: setting(
    "PARLEY_MESSAGE_RATE",
    "10",
    number(0, MAX_MESSAGE_RATE),
    "Commands per second that a user may send, over all of their connections. Reading, typing notices, read marks and token renewals have ten times this rate.",
  ),
  messageBurst: setting(
    "PARLEY_MESSAGE_BURST",
    "30",
    count(),
    "Commands that a user may send at once after a pause. 0 here or in the rate lifts both limits.",
  ),
  connectionsPerUser: setting(
    "PARLEY_CONNECTIONS_PER_USER",
    "20",
    count(),
    "Open connections per user. A session needs one for all rooms; on the URL of a room each tab needs one for each room. A user may also open this many per second, and ten times as many at once.",
  ),
  maxConnections: setting(
    "PARLEY_MAX_CONNECTIONS",
    undefined,
    count(),
    "Open connections in total. Default: 100 less than the limit of open files.",
  ),
  roomsPerUser: setting(
    "PARLEY_ROOMS_PER_USER",
    "100",
    count(),
    "Rooms that a user may create with the HTTP API.",
  ),
  membersPerRoom: setting(
    "PARLEY_MEMBERS_PER_ROOM",
    "10000",
    count(),
    "Members per room, including invited users who have not connected yet.",
  ),
  pushKey: {
    ...setting(
      "PARLEY_PUSH_KEY",
      undefined,
      v.pipe(v.string(), v.regex(/^[\w-]{43}$/, "must be a key as `parley push keys` prints it")),
      "Private key that signs web pushes. `parley push keys` makes one. Default: none, so nothing is pushed.",
    ),
    isSecret: true,
  },
  pushContact: setting(
    "PARLEY_PUSH_CONTACT",
    undefined,
    v.pipe(
      v.string(),
      v.regex(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, "must be mailto: with an address, or an https URL"),
    ),
    "Where push services reach you when your server causes trouble: `mailto:` with an address, or an https URL. Required with PARLEY_PUSH_KEY.",
  ),
  pushServices: setting(
    "PARLEY_PUSH_SERVICES",
    "fcm.googleapis.com, jmt17.google.com, updates.push.services.mozilla.com, *.push.apple.com, *.notify.windows.com",
    pushServices,
    "Hosts to which pushes may be sent. A comma-separated list; `*.example.com` allows all subdomains. The default has those of Chrome, Firefox, Safari and Edge.",
  ),
  drain: setting(
    "PARLEY_DRAIN",
    "5",
    number(0, MAX_DRAIN_S),
    "Seconds over which a shutdown closes the connections, so that clients do not reconnect all at once.",
  ),
  classic: setting(
    "PARLEY_CLASSIC",
    undefined,
    v.string(),
    "Path of a classic.json, which describes the chat server that Parley replaces. Default: the `classic` protocol as docs/protocol.md describes it.",
  ),
  logLevel: setting(
    "PARLEY_LOG_LEVEL",
    "info",
    v.picklist(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`),
    `Least severe level to log: ${LOG_LEVELS.join(", ")}.`,
  ),
};

type Values = { [K in keyof typeof settings]: v.InferOutput<(typeof settings)[K]["schema"]> };

/** Settings that may be absent. */
type Optional =
  | "issuers"
  | "audiences"
  | "jwksUrls"
  | "adminIssuers"
  | "emailVerifiedClaim"
  | "allowedOrigins"
  | "clientId"
  | "pushKey"
  | "pushContact"
  | "maxConnections"
  | "classic";

export type Config = Omit<Values, Optional> & { [K in Optional]: Values[K] | undefined };

/** Reads every setting. Throws `ConfigError` at the first that is wrong. */
export function readConfig(environment: Environment): Config {
  const entries = Object.entries<Setting<unknown>>(settings).map(([key, wanted]) => {
    const { variable, default: fallback, schema, isSecret } = wanted;
    const text = environment[variable] || fallback;
    if (text === undefined) return [key, undefined];
    const parsed = v.safeParse(schema, text);
    if (!parsed.success) {
      const shown = isSecret ? "" : ` (it is ${JSON.stringify(text)})`;
      throw new ConfigError(`${variable}: ${parsed.issues[0].message}${shown}`);
    }
    return [key, parsed.output];
  });
  return Object.fromEntries(entries) as Config;
}

/** Names of PARLEY_* variables that are not settings, and are probably mistyped. */
export function unknownSettings(environment: Environment): string[] {
  const known = new Set(Object.values(settings).map(({ variable }) => variable));
  return Object.keys(environment).filter((name) => name.startsWith("PARLEY_") && !known.has(name));
}
