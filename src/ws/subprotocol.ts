import { ChatError } from "../chat/errors.ts";

/** The names of the dialects, most preferred first. */
export const protocols = ["chat.v2", "classic"] as const;
export type Protocol = (typeof protocols)[number];

const TOKEN_PREFIX = "bearer.";

/** A client's offer in `Sec-WebSocket-Protocol`. */
export interface Offer {
  /** The protocol that the server chooses. Undefined if it knows none of those offered. */
  protocol: Protocol | undefined;
  /** Tokens offered as `bearer.<jwt>`. */
  tokens: string[];
  /** Whether the header is absent or empty. */
  empty: boolean;
}

export function readOffer(header: string | undefined): Offer {
  const entries = (header ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const tokens = entries
    .filter((entry) => entry.startsWith(TOKEN_PREFIX))
    .map((entry) => entry.slice(TOKEN_PREFIX.length));
  const protocol = protocols.find((name) => entries.includes(name));
  return { protocol, tokens, empty: entries.length === 0 };
}

/**
 * Throws `invalid_command` when only unknown protocols are offered. With an Authorization header they are ignored, because
 * native clients may offer protocols of their own.
 */
export function checkOffer({ protocol, empty }: Offer, hasAuthorization: boolean): void {
  if (protocol !== undefined || empty || hasAuthorization) return;
  throw new ChatError("invalid_command", `Offer one of the protocols ${protocols.join(", ")}.`);
}
