import { afterAll, expect, test } from "bun:test";

import { Admission } from "../../src/ws/admission.ts";
import { Connections } from "../../src/ws/connections.ts";
import { createChat } from "../support/chat-harness.ts";
import { identity } from "../support/recorded-connection.ts";
import { actor } from "../support/samples.ts";

const connections = new Connections({ perUser: 0, total: 0 });
afterAll(() => connections.drain(0));

test("a key that is withdrawn after the token was verified opens no connection", () => {
  const withdrawn = new Set<string>();
  const { chat, admit } = createChat();
  const admission = new Admission({
    chat,
    connections,
    verifier: {
      verify: () => Promise.resolve(identity(1)),
      trusts: (signingKey) => !withdrawn.has(signingKey),
    },
    createSession: () => {
      throw new Error("not part of this test");
    },
    closeCodes: {},
  });
  const entrance = { ...admit(), since: undefined };
  const visitor = { protocol: "classic", identity: identity(1), user: actor(1), entrance } as const;
  expect(admission.connect(visitor).user).toEqual(actor(1));
  withdrawn.add(visitor.identity.signingKey);
  expect(() => admission.connect(visitor)).toThrow("The token is not valid here.");
});
