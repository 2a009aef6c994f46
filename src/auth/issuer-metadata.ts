import type { Logger } from "pino";
import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import { isSecureUrl } from "../url.ts";
import { fetchDiscovery } from "./fetch-json.ts";
import { reasonOf } from "./reason.ts";

const secureUrl = v.pipe(v.string(), v.check(isSecureUrl, "must be https"));

/** What a page needs in order to sign users in (OpenID Connect Discovery 1.0, section 3). */
const metadataSchema = v.object({
  issuer: v.string(),
  authorization_endpoint: secureUrl,
  token_endpoint: secureUrl,
  end_session_endpoint: v.optional(secureUrl),
  id_token_signing_alg_values_supported: v.optional(v.array(v.string()), ["RS256"]),
});
export type Metadata = v.InferOutput<typeof metadataSchema>;

const TIMEOUT_MS = 5000;
/** How long a document is used before it is fetched again. */
const MAX_AGE_MS = 600_000;
/** The shortest time between two attempts while the issuer does not answer. */
const RETRY_MS = 2000;

export interface IssuerMetadataOptions {
  issuer: string;
  log: Logger;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
}

/**
 * An issuer's metadata, fetched when it is first asked for. The last document stays in use while a new one is fetched, and while
 * the issuer is down.
 */
export class IssuerMetadata {
  readonly #options: IssuerMetadataOptions;
  #metadata: Metadata | undefined;
  #nextFetchAt = -Infinity;
  #fetching: Promise<void> | undefined;

  constructor(options: IssuerMetadataOptions) {
    this.#options = options;
  }

  get issuer(): string {
    return this.#options.issuer;
  }

  /** Rejects with `keys_unavailable` when the issuer has never answered. */
  async read(): Promise<Metadata> {
    if (this.#fetching || this.#options.monotonic() >= this.#nextFetchAt) {
      this.#fetching ??= this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
      if (!this.#metadata) await this.#fetching;
    }
    if (this.#metadata) return this.#metadata;
    throw new ChatError("keys_unavailable", "The issuer is not available; try again soon.", {
      retryAfterMs: RETRY_MS,
    });
  }

  /** Never rejects. */
  async #fetch(): Promise<void> {
    const { issuer, log, monotonic } = this.#options;
    try {
      const document = await fetchDiscovery(issuer, AbortSignal.timeout(TIMEOUT_MS));
      const metadata = v.parse(metadataSchema, document);
      if (metadata.issuer !== issuer)
        throw new Error(`the document is for another issuer: ${metadata.issuer}`);
      this.#metadata = metadata;
      this.#nextFetchAt = monotonic() + MAX_AGE_MS;
    } catch (error) {
      log.warn(
        { issuer, reason: reasonOf(error) },
        this.#metadata
          ? "The issuer's metadata was not loaded; the last one stays in use"
          : "The issuer's metadata was not loaded; nobody can sign in on the page",
      );
      this.#nextFetchAt = monotonic() + RETRY_MS;
    }
  }
}
