import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import * as v from "valibot";

import { ADMIN_SCOPE } from "./claims.ts";

/** The `aud` of development tokens. */
export const DEV_AUDIENCE = "parley-dev";
/** The `client_id` of Parley's own page. Any other one will do, too. */
export const DEV_CLIENT_ID = "parley";

/** The room of all its users. */
export const DEV_ROOM = "lobby";

const ALGORITHM = "ES256";

const stateSchema = v.object({
  /** The `iss` of the tokens: a URL under the address at which `dev` last listened. */
  issuer: v.string(),
  key: v.looseObject({ kty: v.string(), kid: v.string(), d: v.string() }),
});
type State = v.InferOutput<typeof stateSchema>;

/** The key file can't be used. The message is one line for the terminal. */
export class DevIssuerError extends Error {
  override readonly name = "DevIssuerError";
}

/**
 * An issuer for trying Parley out. Its key is in a file beside the database, readable by its owner alone. `serve` does not
 * use it.
 */
export class DevIssuer {
  private constructor(
    private readonly path: string,
    private state: State,
  ) {}

  /** Returns the issuer of a database; undefined if `dev` has never run on it. Throws `DevIssuerError`. */
  static open(database: string): DevIssuer | undefined {
    const path = pathFor(database);
    const text = readPrivateFile(path);
    if (text === undefined) return undefined;
    try {
      return new DevIssuer(path, v.parse(stateSchema, JSON.parse(text)));
    } catch (cause) {
      throw new DevIssuerError(`${path}: not a development issuer's key; remove it to get a new one`, {
        cause,
      });
    }
  }

  /** Returns the issuer of a database, with a new key if there is none. Rejects with `DevIssuerError`. */
  static async openOrCreate(database: string): Promise<DevIssuer> {
    const existing = DevIssuer.open(database);
    if (existing) return existing;
    const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const jwk = await exportJWK(privateKey);
    const key = v.parse(stateSchema.entries.key, { ...jwk, kid: await calculateJwkThumbprint(jwk) });
    return new DevIssuer(pathFor(database), { issuer: "", key });
  }

  /** Issues tokens under this URL from now on, also after a restart. Throws `DevIssuerError`. */
  setIssuer(url: string): void {
    this.state = { ...this.state, issuer: url };
    writePrivateFile(this.path, JSON.stringify(this.state));
  }

  get issuer(): string {
    return this.state.issuer;
  }

  /** The discovery document (OpenID Connect Discovery 1.0 section 3). */
  discovery() {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}authorize`,
      token_endpoint: `${this.issuer}token`,
      end_session_endpoint: `${this.issuer}logout`,
      jwks_uri: `${this.issuer}jwks.json`,
      response_types_supported: ["code"],
      response_modes_supported: ["query"],
      grant_types_supported: ["authorization_code", "refresh_token", "password"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none"],
      prompt_values_supported: ["none", "login"],
      scopes_supported: ["openid", "profile", "email", "offline_access"],
      id_token_signing_alg_values_supported: [ALGORITHM],
      subject_types_supported: ["public"],
    };
  }

  /** The key set with the public key (RFC 7517 section 5). */
  jwks() {
    const { d: _private, ...key } = this.state.key;
    return { keys: [{ ...key, alg: ALGORITHM, use: "sig" }] };
  }

  /** Returns an access token for the user with this email address. It expires after `seconds`. */
  token(email: string, seconds: number, { admin = false } = {}): Promise<string> {
    return this.#sign(email, seconds, DEV_AUDIENCE, admin ? { scope: ADMIN_SCOPE } : {});
  }

  /** Returns an ID token (OpenID Connect Core 1.0, section 2), which tells a client who has signed in. */
  idToken(email: string, seconds: number, clientId: string, nonce: string | undefined): Promise<string> {
    return this.#sign(email, seconds, clientId, nonce === undefined ? {} : { nonce });
  }

  async #sign(email: string, seconds: number, audience: string, claims: JWTPayload): Promise<string> {
    const { key } = this.state;
    return new SignJWT({ email, email_verified: true, name: nameFrom(email), ...claims })
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: key.kid })
      .setIssuer(this.issuer)
      .setAudience(audience)
      .setSubject(`dev|${email}`)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(await importJWK(key, ALGORITHM));
  }
}

/** "grace.hopper@example.com" is Grace Hopper. */
function nameFrom(email: string): string {
  const words = email.replace(/@.*/, "").split(/[._]+/).filter(Boolean);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}

const pathFor = (database: string) => join(dirname(database), "dev-issuer.json");

/** Reads a regular file, and follows no symbolic link. Undefined when there is none. */
function readPrivateFile(path: string): string | undefined {
  let file: number | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (!fstatSync(file).isFile()) throw new DevIssuerError(`${path}: not a regular file; remove it`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(path, "can't be read", error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Replaces a file with one that only its owner can read. After a crash there is the old file or the new one. */
function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    // A crash may have left a draft, or an attacker planted a link. `rmSync` removes the link, not its target.
    rmSync(draft, { force: true });
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = openSync(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    throw fileError(path, "can't be written", error);
  }
}

function fileError(path: string, what: string, error: unknown): DevIssuerError {
  if (error instanceof DevIssuerError) return error;
  const code = codeOf(error);
  if (code === "ELOOP")
    return new DevIssuerError(`${path}: is a symbolic link, which is not followed; remove it`);
  return new DevIssuerError(`${path}: ${what} (${code ?? String(error)})`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
