import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";

/** What development tokens are for. */
export const devAudience = "parley-dev";

const algorithm = "ES256";

interface Kept {
  /** Where `dev` last ran, which is what its tokens name as their issuer. */
  issuer: string;
  key: JWK;
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
    return existsSync(file) ? new DevIssuer(file, JSON.parse(readFileSync(file, "utf8")) as Kept) : undefined;
  }

  /** The same, made with a new key when there is none. */
  static async findOrMake(database: string): Promise<DevIssuer> {
    const found = DevIssuer.find(database);
    if (found) return found;
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const key = await exportJWK(privateKey);
    key.kid = await calculateJwkThumbprint(key);
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
      .setProtectedHeader({ alg: algorithm, typ: "JWT", ...(key.kid !== undefined && { kid: key.kid }) })
      .setIssuer(this.issuer)
      .setAudience(devAudience)
      .setSubject(`dev|${email}`)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(await importJWK(key, algorithm));
  }
}

const fileOf = (database: string) => join(dirname(database), "dev-issuer.json");
