import { createHash, randomBytes } from "node:crypto";

/** How long a code is valid. */
const CODE_LIFETIME_MS = 60_000;
/** Codes and refresh tokens that are kept, each. The oldest make room for new ones. */
const MAX_GRANTS = 1000;

/** What a client asked for, and the user that was picked. */
export interface Authorization {
  clientId: string;
  redirectUri: string;
  /** The code challenge of PKCE, by the method S256 (RFC 7636, section 4.2). */
  challenge: string;
  nonce: string | undefined;
  email: string;
}

export interface Redemption {
  code: string;
  clientId: string;
  redirectUri: string;
  verifier: string;
}

/** Who a refresh token is for. */
export interface RefreshGrant {
  clientId: string;
  email: string;
}

/** The codes and refresh tokens of the development issuer. Each can be used once. They are kept in memory only. */
export class DevGrants {
  readonly #codes = new Map<string, Authorization & { expiresAt: number }>();
  readonly #refreshTokens = new Map<string, RefreshGrant>();

  /** `now` returns milliseconds on a clock that never goes back. */
  constructor(private readonly now: () => number) {}

  issueCode(authorization: Authorization): string {
    return add(this.#codes, { ...authorization, expiresAt: this.now() + CODE_LIFETIME_MS });
  }

  /** Returns what a code was issued for. Undefined if it is not valid, or this is not the client that asked for it. */
  redeemCode({ code, clientId, redirectUri, verifier }: Redemption): Authorization | undefined {
    const authorization = take(this.#codes, code);
    if (!authorization || this.now() >= authorization.expiresAt) return undefined;
    const isClient = authorization.clientId === clientId && authorization.redirectUri === redirectUri;
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    return isClient && challenge === authorization.challenge ? authorization : undefined;
  }

  issueRefreshToken(grant: RefreshGrant): string {
    return add(this.#refreshTokens, grant);
  }

  /** Returns who a refresh token was issued for. Undefined if it is not valid. */
  redeemRefreshToken(token: string, clientId: string): RefreshGrant | undefined {
    const grant = take(this.#refreshTokens, token);
    return grant?.clientId === clientId ? grant : undefined;
  }
}

/** Adds a value under a new key, which nobody can guess. */
function add<T>(map: Map<string, T>, value: T): string {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size >= MAX_GRANTS) map.delete(oldest);
  const key = randomBytes(24).toString("base64url");
  map.set(key, value);
  return key;
}

function take<T>(map: Map<string, T>, key: string): T | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}
