import pino from "pino";

import { Verifier, type VerifierOptions } from "../../src/auth/verifier.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Identity } from "../../src/chat/model.ts";
import { audience } from "./tokens.ts";

/** A verifier without a server. */
export interface StartedVerifier extends Disposable {
  verify(token: string): Promise<Identity>;
  /** The error with which a token is refused; undefined when it is accepted. */
  refusal(token: string): Promise<ChatError | undefined>;
  /** Whether the key that signed the token is still published. */
  trusts(identity: Identity): boolean;
  readonly ready: boolean;
  /** What was logged, one object a line. */
  logs: Record<string, unknown>[];
}

/** Starts a verifier that trusts one issuer, and waits for its first load of the keys. */
export async function startVerifier(
  issuer: string,
  options: Partial<VerifierOptions> = {},
): Promise<StartedVerifier> {
  const logs: Record<string, unknown>[] = [];
  const verifier = new Verifier({
    issuers: [{ issuer, jwksUrl: undefined, grantsAdmin: true }],
    audiences: [audience],
    algorithms: ["RS256", "ES256", "EdDSA", "PS256"],
    emailClaim: "email",
    emailVerifiedClaim: undefined,
    emailVerified: "required",
    nameClaim: "name",
    clockTolerance: 0,
    log: pino({ level: "trace" }, { write: (line) => void logs.push(JSON.parse(line)) }),
    ...options,
  });
  await verifier.start();
  return {
    verify: (token) => verifier.verify(token),
    refusal: (token) =>
      verifier.verify(token).then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof ChatError) return error;
          throw error;
        },
      ),
    trusts: ({ signingKey }) => verifier.trusts(signingKey),
    get ready() {
      return verifier.ready;
    },
    logs,
    [Symbol.dispose]: () => verifier.stop(),
  };
}
