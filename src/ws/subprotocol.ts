import { ChatError } from "../chat/errors.ts";

/** The names of the dialects, most preferred first. */
export const protocols = ["chat.v2", "classic"] as const;
export type Protocol = (typeof protocols)[number];

const TOKEN_PREFIX = "bearer.";

/** A client's offer in `Sec-WebSocket-Protocol`. */
export interface Offer {
  /** The dialect that the server chooses. Undefined if it knows none of those offered. */
  protocol: Protocol | undefined;
  /** The protocol that the answer names: the dialect, or the word of a pair. */
  answer: string | undefined;
  /** Tokens offered as `bearer.<jwt>`, or after the word of a pair. */
  tokens: string[];
  /** Whether the header is absent or empty. */
  empty: boolean;
}

/** `pairs` are words that classic.json allows in front of a token, as in `["Bearer", "<jwt>"]`. */
export function readOffer(header: string | undefined, pairs: readonly string[]): Offer {
  const entries = (header ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  const protocol = protocols.find((name) => entries.includes(name));
  const words = protocol === "chat.v2" ? [] : pairs.filter((each) => entries.includes(each));
  const tokens = entries
    .filter((entry) => entry.startsWith(TOKEN_PREFIX))
    .map((entry) => entry.slice(TOKEN_PREFIX.length));
  tokens.push(...words.map((word) => entries[entries.indexOf(word) + 1] ?? ""));
  return { protocol, answer: protocol ?? words[0], tokens, empty: entries.length === 0 };
}

/**
 * Throws `invalid_command` when only unknown protocols are offered. With a token in a header or in the query they are
 * ignored, because native clients may offer protocols of their own.
 */
export function checkOffer({ answer, empty }: Offer, hasToken: boolean): void {
  if (answer !== undefined || empty || hasToken) return;
  throw new ChatError("invalid_command", `Offer one of the protocols ${protocols.join(", ")}.`);
}
