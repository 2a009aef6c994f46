import { expect, test } from "bun:test";

import { type ClassicClient, connectClassic, refusal } from "../support/client.ts";
import { useServer } from "../support/server.ts";

const server = useServer();
const { createRoom, token } = server;

let users = 0;
/** Limits are per user, so each test has users of its own. */
const newUser = () => `user-${++users}@example.com`;

/** A room with these members on another server with these settings. */
async function startWith(env: Record<string, string>, ...members: string[]) {
  const parley = await server.startAnother({ env });
  const room = await parley.createRoom(members);
  const connect = async (email: string) => connectClassic(parley.host, room, { token: await token(email) });
  return { connect, [Symbol.asyncDispose]: () => parley[Symbol.asyncDispose]() };
}

/** Expects a refusal for too many connections, and returns its Retry-After in seconds. */
async function expectTooMany(connecting: Promise<unknown>): Promise<number> {
  const { status, problem, headers } = await refusal(connecting);
  expect([status, problem["code"]]).toEqual([429, "too_many_connections"]);
  return Number(headers["retry-after"]);
}

test("a user may have 20 connections over all rooms, and another one when one of them has closed", async () => {
  const [user, other] = [newUser(), newUser()];
  const rooms = [await createRoom([user, other]), await createRoom([user])] as const;
  const bearer = await token(user);
  const connect = (n: number) => connectClassic(server.host, rooms[n % 2] ?? "", { token: bearer });
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(n)));
  for (const n of [0, 1]) expect(await expectTooMany(connect(n))).toBeGreaterThan(0);
  await server.connectClassic(rooms[0], other);
  await clients[0]?.close();
  await connect(0);
  await expectTooMany(connect(0));
});

test("20 of 40 connections that a user opens at once are accepted", async () => {
  const user = newUser();
  const room = await createRoom([user]);
  const bearer = await token(user);
  const results = await Promise.allSettled(
    Array.from({ length: 40 }, () => connectClassic(server.host, room, { token: bearer })),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
});

test("the server accepts PARLEY_MAX_CONNECTIONS connections", async () => {
  const emails = [newUser(), newUser(), newUser()] as const;
  await using at = await startWith({ PARLEY_MAX_CONNECTIONS: "2" }, ...emails);
  const first = await at.connect(emails[0]);
  await at.connect(emails[1]);
  expect(await expectTooMany(at.connect(emails[2]))).toBeGreaterThan(0);
  await first.close();
  await at.connect(emails[2]);
});

test("a user who connects again and again must wait, and another one need not", async () => {
  const [user, other] = [newUser(), newUser()];
  await using at = await startWith({ PARLEY_CONNECTIONS_PER_USER: "1" }, user, other);
  let connected = 0;
  const reconnect = async (): Promise<never> => {
    const client = await at.connect(user);
    connected++;
    await client.close();
    return reconnect();
  };
  expect(await expectTooMany(reconnect())).toBe(1);
  expect(connected).toBeWithin(10, 30);
  await at.connect(other);
});

test("0 lifts the limits", async () => {
  const user = newUser();
  const env = { PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_MAX_CONNECTIONS: "0" };
  await using at = await startWith(env, user);
  const clients: ClassicClient[] = [];
  // More than a burst at the default limit.
  while (clients.length < 250) clients.push(await at.connect(user));
  clients[0]?.send({ message: "hello" });
  expect(await clients[249]?.next()).toEqual({ message: "hello" });
});
