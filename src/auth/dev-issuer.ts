import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from "jose";
import * as v from "valibot";

/** What development tokens are for. */
export const devAudience = "parley-dev";

const algorithm = "ES256";

const keptSchema = v.object({
  /** Where `dev` last ran, which is what its tokens name as their issuer. */
  issuer: v.string(),
  key: v.looseObject({ kty: v.string(), kid: v.string(), d: v.string() }),
});
type Kept = v.InferOutput<typeof keptSchema>;

/** The key can't be used. The message is one line for whoever starts `dev`. */
export class DevIssuerError extends Error {
  override readonly name = "DevIssuerError";
}

/** An issuer for trying Parley out, whose key is kept beside the database. `serve` knows nothing of it. */
export class DevIssuer {
  private constructor(
    private readonly file: string,
    private kept: Kept,
  ) {}

  /** The issuer that belongs to a database; undefined when `dev` has never run on it. */
  static find(database: string): DevIssuer | undefined {
    const file = fileOf(database);
    if (!existsSync(file)) return undefined;
    try {
      return new DevIssuer(file, v.parse(keptSchema, JSON.parse(readFileSync(file, "utf8"))));
    } catch (cause) {
      throw new DevIssuerError(`${file}: this is not a development issuer's key; remove it for a new one`, {
        cause,
      });
    }
  }

  /** The same, made with a new key when there is none. */
  static async findOrMake(database: string): Promise<DevIssuer> {
    const found = DevIssuer.find(database);
    if (found) return found;
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const jwk = await exportJWK(privateKey);
    const key = v.parse(keptSchema.entries.key, { ...jwk, kid: await calculateJwkThumbprint(jwk) });
    const file = fileOf(database);
    mkdirSync(dirname(file), { recursive: true });
    return new DevIssuer(file, { issuer: "", key });
  }

  /** From now on issues as this URL. */
  moveTo(issuer: string): void {
    this.kept = { ...this.kept, issuer };
    // Cut short, it leaves the old file.
    const draft = `${this.file}.new`;
    writeFileSync(draft, JSON.stringify(this.kept), { mode: 0o600 });
    renameSync(draft, this.file);
  }

  get issuer(): string {
    return this.kept.issuer;
  }

  /** OpenID Connect Discovery 1.0, section 3. */
  discovery() {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}jwks.json`,
      id_token_signing_alg_values_supported: [algorithm],
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
    };
  }

  jwks() {
    const { d: _secret, ...key } = this.kept.key;
    return { keys: [{ ...key, alg: algorithm, use: "sig" }] };
  }

  /** A token for whoever has this email, good for `seconds`. */
  async token(email: string, seconds: number): Promise<string> {
    const { key } = this.kept;
    return new SignJWT({ email, name: email.split("@")[0] })
      .setProtectedHeader({ alg: algorithm, typ: "JWT", kid: key.kid })
      .setIssuer(this.issuer)
      .setAudience(devAudience)
      .setSubject(`dev|${email}`)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(await importJWK(key, algorithm));
  }
}

const fileOf = (database: string) => join(dirname(database), "dev-issuer.json");
