import { ChatError } from "../chat/errors.ts";

/** The dialects, in the order in which the server prefers them. */
export const protocols = ["chat.v2", "classic"] as const;
export type Protocol = (typeof protocols)[number];

const TOKEN_PREFIX = "bearer.";

/** What a client offers in `Sec-WebSocket-Protocol`. */
export interface Offer {
  /** The protocol that the server chooses. Undefined when none of its own was offered. */
  protocol: Protocol | undefined;
  /** Tokens that are offered as `bearer.<jwt>`. */
  tokens: string[];
  /** Whether nothing was offered. An empty header counts as none. */
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
 * Throws `invalid_command` when only unknown protocols are offered. Beside a token in the Authorization header they are
 * ignored: native clients offer protocols of their own.
 */
export function checkOffer({ protocol, empty }: Offer, hasAuthorization: boolean): void {
  if (protocol !== undefined || empty || hasAuthorization) return;
  throw new ChatError("invalid_command", `Offer one of the protocols ${protocols.join(", ")}.`);
}
