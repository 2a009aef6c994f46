import { type Config, ConfigError } from "./config.ts";

export interface TrustedIssuer {
  issuer: string;
  jwksUrl: string | undefined;
  /** Whether `chat:admin` in its tokens counts. */
  grantsAdmin: boolean;
}

/** Returns the trusted issuers, which `serve` requires. Throws `ConfigError` if they or the audiences are not set. */
export function requireIssuers(config: Config): TrustedIssuer[] {
  const { issuers, audiences, jwksUrls } = config;
  if (!issuers) throw new ConfigError("PARLEY_ISSUER: must be set to the issuer of your tokens");
  if (!audiences) throw new ConfigError("PARLEY_AUDIENCE: must be set to the audience of your tokens");
  if (jwksUrls && jwksUrls.length !== issuers.length) {
    throw new ConfigError("PARLEY_JWKS_URL: must have one URL for each issuer");
  }
  const adminIssuers = config.adminIssuers ?? (issuers.length === 1 ? issuers : []);
  const unknown = adminIssuers.find((issuer) => !issuers.includes(issuer));
  if (unknown !== undefined)
    throw new ConfigError(
      `PARLEY_ADMIN_ISSUER: must be among the issuers of PARLEY_ISSUER (it has "${unknown}")`,
    );
  return issuers.map((issuer, index) => ({
    issuer,
    jwksUrl: jwksUrls?.[index],
    grantsAdmin: adminIssuers.includes(issuer),
  }));
}
