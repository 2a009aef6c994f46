import { expect, test } from "bun:test";

import { connectV2, type V2Client } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Tabs of one user, and users in many rooms.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const open = async (room: string, email: string) =>
  connectV2(server.host, room, { token: await token(email) });

test("of two tabs of one user both see what is done in one of them, and only that one is answered", async () => {
  const room = await createRoom([alice]);
  const [one, two] = [await open(room, alice), await open(room, alice)];
  expect(two.hello.online).toHaveLength(1);
  await one.say("from one");
  await two.reach(1);
  await two.ack({ type: "edit", seq: 1, text: "mended in two" });
  await one.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await two.error({ type: "edit", seq: 9, text: "x" });
  await two.ack({ type: "delete", seq: 1 });
  await one.reach(4);
  expect(one.known()).toEqual(two.known());
  for (const tab of [one, two]) expect(tab.unread("ack", "error")).toEqual([]);
  await one.close();
  expect((await two.say("goes on")).rev).toBe(5);
});

test("what one tab has read is told to the other", async () => {
  const room = await createRoom([alice, bob]);
  const [one, two, other] = [await open(room, alice), await open(room, alice), await open(room, bob)];
  await other.say("news");
  await one.ack({ type: "read", seq: 1 });
  expect(await two.next("read")).toMatchObject({ user: { email: alice }, seq: 1 });
});

test("users who are in many rooms at once hear in each exactly what is said there", async () => {
  const people = ["ann", "ben", "cat", "dan"].map((name) => `${name}@example.com`);
  // Each room has another three of the four.
  const membersOf = (n: number) => people.filter((_, index) => index !== n % 4);
  const rooms = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => ({
      id: await createRoom([...membersOf(n)]),
      members: membersOf(n),
    })),
  );
  const here: { room: string; email: string; client: V2Client }[] = [];
  for (const { id, members } of rooms)
    for (const email of members) here.push({ room: id, email, client: await open(id, email) });
  const rounds = 5;
  const said: Promise<unknown>[] = [];
  for (let round = 1; round <= rounds; round++)
    for (const { room, email, client } of here) said.push(client.say(`${room} ${email} ${round}`));
  await Promise.all(said);
  for (const { id, members } of rooms) {
    const expected = members.flatMap((email) =>
      Array.from({ length: rounds }, (_, n) => `${id} ${email} ${n + 1}`),
    );
    for (const { client } of here.filter(({ room }) => room === id)) {
      await client.reach(expected.length);
      expect(client.cursor).toBe(expected.length);
      expect(new Set(client.known().map(({ text }) => text))).toEqual(new Set(expected));
      expect(client.unread("change")).toHaveLength(expected.length);
    }
  }
});

test("a seq and a rev are a room's own", async () => {
  const [first, second] = [await createRoom([alice]), await createRoom([alice])];
  const [here, there] = [await open(first, alice), await open(second, alice)];
  for (let n = 1; n <= 3; n++) expect(await here.say("here")).toMatchObject({ seq: n, rev: n });
  expect(await there.say("there")).toMatchObject({ seq: 1, rev: 1 });
  // Message 2 is one of the other room.
  expect((await there.error({ type: "delete", seq: 2 })).code).toBe("message_not_found");
  await here.ack({ type: "delete", seq: 1 });
  expect(there.known()).toMatchObject([{ seq: 1, text: "there" }]);
});
