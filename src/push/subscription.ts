import { ECDH } from "node:crypto";

import { ChatError } from "../chat/errors.ts";
import type { PushSubscription } from "../chat/push-store.ts";
import { matchesOriginPattern } from "../url.ts";

/** The first byte of a public key (SEC 1, section 2.3.3). */
const UNCOMPRESSED = 4;
const PUBLIC_KEY_BYTES = 65;
const SECRET_BYTES = 16;

/** Throws `invalid_command` for a subscription to which nothing can be sent, or may be. `services` are patterns of origins. */
export function checkSubscription(
  { endpoint, p256dh, auth }: PushSubscription,
  services: readonly string[],
): void {
  if (!isAllowed(endpoint, services))
    throw invalid(
      "endpoint",
      "must be a URL of a push service that this server sends to (PARLEY_PUSH_SERVICES)",
    );
  if (!isPublicKey(p256dh))
    throw invalid("keys.p256dh", "must be an uncompressed point of P-256, in base64url");
  if (decode(auth)?.length !== SECRET_BYTES) throw invalid("keys.auth", "must be 16 bytes in base64url");
}

/**
 * Whether pushes may be sent to a URL that a user has given. The URL must be written as it is requested, so that nothing is
 * taken for another host, and one subscription is not two.
 */
export function isAllowed(endpoint: string, services: readonly string[]): boolean {
  const url = URL.parse(endpoint);
  if (!url || url.href !== endpoint || url.username !== "" || url.password !== "" || endpoint.includes("#"))
    return false;
  return services.some((pattern) => matchesOriginPattern(url.origin, pattern));
}

function isPublicKey(text: string): boolean {
  const bytes = decode(text);
  if (bytes?.length !== PUBLIC_KEY_BYTES || bytes[0] !== UNCOMPRESSED) return false;
  try {
    ECDH.convertKey(bytes, "prime256v1");
    return true;
  } catch {
    return false;
  }
}

/** Undefined if a text is not base64url without padding, or not the only way to write its bytes. */
function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

const invalid = (field: string, rule: string) => new ChatError("invalid_command", `${field}: ${rule}`);
