import { describe, expect, test } from "bun:test";

import { dialects, refusal, refusedWith } from "../support/client.ts";
import { type TestServer, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// How many connections a user and the server may have, and how often a user may connect.

const server = useServer();

let users = 0;
/** Limits are per user, so each test has users of its own. */
const newUser = () => `user-${++users}@example.com`;

const closeAndWait = async (
  client: { close: () => Promise<void> } | undefined,
  at: Pick<TestServer, "metric">,
) => {
  const before = await at.metric("parley_connections");
  await client?.close();
  await waitUntil("the connection is free", async () => (await at.metric("parley_connections")) < before);
};

describe.each([...dialects])("%s", (dialect) => {
  const TOO_MANY = dialect === "classic" ? "429 too_many_connections" : "4429 too_many_connections";

  test("a user may have 20 connections in all rooms together, and another when one has ended", async () => {
    const [user, other] = [newUser(), newUser()];
    const rooms = [await server.createRoom([user, other]), await server.createRoom([user])] as const;
    const open = (n: number) => server.connect(dialect, rooms[n % 2] ?? rooms[0], user);
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => open(n)));
    for (let n = 0; n < 2; n++) expect(await refusedWith(open(n))).toBe(TOO_MANY);
    await server.connect(dialect, rooms[0], other);
    await closeAndWait(clients[0], server);
    await open(0);
    expect(await refusedWith(open(0))).toBe(TOO_MANY);
  });

  test("of 40 connections that a user opens at once, 20 open", async () => {
    const user = newUser();
    const room = await server.createRoom([user]);
    const opened = await Promise.allSettled(
      Array.from({ length: 40 }, () => server.connect(dialect, room, user)),
    );
    expect(opened.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
  });

  test("the server accepts no more connections than PARLEY_MAX_CONNECTIONS", async () => {
    await using parley = await server.startAnother({ env: { PARLEY_MAX_CONNECTIONS: "2" } });
    const emails = [newUser(), newUser(), newUser()] as const;
    const room = await parley.createRoom(emails);
    const first = await parley.connect(dialect, room, emails[0]);
    await parley.connect(dialect, room, emails[1]);
    expect(await refusedWith(parley.connect(dialect, room, emails[2]))).toBe(TOO_MANY);
    await closeAndWait(first, parley);
    await parley.connect(dialect, room, emails[2]);
  });

  test("a user who connects again and again must wait, and another one need not", async () => {
    await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "1" } });
    const [user, other] = [newUser(), newUser()];
    const room = await parley.createRoom([user, other]);
    let opened = 0;
    const reconnect = async (): Promise<never> => {
      const client = await parley.connect(dialect, room, user);
      opened++;
      await closeAndWait(client, parley);
      return reconnect();
    };
    expect(await refusedWith(reconnect())).toBe(TOO_MANY);
    expect(opened).toBeWithin(10, 30);
    await parley.connect(dialect, room, other);
  });

  test("0 lifts the limits", async () => {
    const env = { PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_MAX_CONNECTIONS: "0" };
    await using parley = await server.startAnother({ env });
    const user = newUser();
    const room = await parley.createRoom([user]);
    for (let n = 0; n < 250; n++) await parley.connect(dialect, room, user);
  }, 10_000);
});

test("both dialects and sessions count together", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_CONNECTIONS_PER_USER: "3" } });
  const user = newUser();
  const room = await parley.createRoom([user]);
  for (const dialect of dialects) await parley.connect(dialect, room, user);
  const session = await parley.connectSession(user);
  const refusals = [() => parley.connectV2(room, user), () => parley.connectSession(user)];
  for (const connecting of refusals)
    expect(await refusedWith(connecting())).toBe("4429 too_many_connections");
  await closeAndWait(session, parley);
  await parley.connectV2(room, user);
});

test("a refusal says when to try again", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_MAX_CONNECTIONS: "1" } });
  const user = newUser();
  const room = await parley.createRoom([user]);
  await parley.connectClassic(room, user);
  const { headers } = await refusal(parley.connectClassic(room, user));
  expect(headers["retry-after"]).toBe("30");
});
