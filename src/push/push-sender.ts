import type { Logger } from "pino";

import { StoreError } from "../chat/errors.ts";
import type { Push, PushStore, PushSubscription, PushTarget } from "../chat/push-store.ts";
import { encrypt } from "./encrypt.ts";
import { encodePayload } from "./payload.ts";
import { post, type Posted } from "./post.ts";
import { isAllowed } from "./subscription.ts";
import type { Vapid } from "./vapid.ts";

/** How long a push service may take. */
const TIMEOUT_MS = 10_000;
/** How long a push service keeps a push for a browser that is off. */
const TTL_S = 24 * 3600;
/** Failures that are logged, each kind once for each push service. */
const MAX_LOGGED_FAILURES = 100;

/** What has become of a push; an object if it may be sent again. `unwanted`: for example, the user has read the message meanwhile. */
export type Outcome = "sent" | "gone" | "refused" | "unwanted" | { retryAfterMs: number | undefined };

export interface PushSenderOptions {
  vapid: Vapid;
  /** Patterns of the origins to which pushes may be sent. */
  services: readonly string[];
  /** Where to send a push. Undefined when it is not wanted any more. */
  targetOf: (push: Push) => Promise<PushTarget | undefined>;
  store: Pick<PushStore, "forget">;
  log: Logger;
  /** Default: `TIMEOUT_MS`. */
  timeoutMs?: number;
}

/** Encrypts and sends single pushes (RFC 8030). */
export class PushSender {
  readonly #stopping = new AbortController();
  readonly #logged = new Set<string>();

  constructor(private readonly options: PushSenderOptions) {}

  /** Ends requests in progress. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Never rejects. */
  async send(push: Push): Promise<Outcome> {
    try {
      const { targetOf, services } = this.options;
      const target = await targetOf(push);
      if (!target) return "unwanted";
      // The setting may have been changed since the user subscribed.
      if (!isAllowed(target.endpoint, services)) return "refused";
      const message = { ...push.message, text: target.text };
      const payload = encodePayload({ room: push.room, message });
      if (!payload) return "refused";
      return await this.#outcome(push, await this.#post(push, target, payload));
    } catch (error) {
      // The server says by itself that its storage fails.
      const isExpected = error instanceof StoreError || this.#stopping.signal.aborted;
      if (!isExpected) this.#logOnce(push, "network", { reason: reasonOf(error) });
      return { retryAfterMs: undefined };
    }
  }

  async #post(push: Push, subscription: PushSubscription, payload: Buffer): Promise<Posted> {
    const { vapid, timeoutMs = TIMEOUT_MS } = this.options;
    const { endpoint } = subscription;
    return post(endpoint, {
      headers: {
        authorization: await vapid.authorization(new URL(endpoint).origin),
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        ttl: String(TTL_S),
        urgency: "high",
        topic: vapid.topic(push.room.id),
      },
      body: encrypt(payload, subscription),
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stopping.signal]),
    });
  }

  async #outcome(push: Push, { status, retryAfterMs, reason }: Posted): Promise<Outcome> {
    if (status >= 200 && status < 300) return "sent";
    if (status === 404 || status === 410) {
      await this.options.store.forget(push);
      return "gone";
    }
    if (status === 429 || status >= 500) return { retryAfterMs };
    // Some push services repeat the path, which is secret.
    const { pathname } = new URL(push.endpoint);
    this.#logOnce(push, String(status), { status, reason: reason.replaceAll(pathname, "…") });
    return "refused";
  }

  /** Logs the first failure of a kind, without the endpoint. */
  #logOnce({ endpoint }: Push, kind: string, details: { status?: number; reason: string }): void {
    const { origin } = new URL(endpoint);
    const key = `${origin} ${kind}`;
    if (this.#logged.has(key) || this.#logged.size >= MAX_LOGGED_FAILURES) return;
    this.#logged.add(key);
    this.options.log.warn(
      { service: origin, ...details },
      "A push service refused a push, or did not answer",
    );
  }
}

/** The error itself would have the endpoint. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error ? String(error.code) : error.name;
}
