import { expect, test } from "bun:test";

import { createUser } from "../../support/api-users.ts";
import { useServer } from "../../support/server.ts";

const server = useServer();

test("me is the user of the token, and says whether they are an administrator", async () => {
  const alice = await createUser(server, { name: "Alice" });
  const me = { id: `user|${alice.email}`, email: alice.email, name: "Alice", admin: false };
  expect((await alice.call("GET /api/me")).body).toEqual(me);
  for (const [scope, admin] of [
    ["chat:admin", true],
    ["chat:administrator xchat:admin", false],
  ] as const) {
    const user = await createUser(server, { name: "Alice", scope }, alice.email);
    expect((await user.call("GET /api/me")).body).toEqual({ ...me, admin });
  }
});
