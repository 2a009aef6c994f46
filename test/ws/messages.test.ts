import { describe, expect, test } from "bun:test";

import { dialects } from "../support/client.ts";
import { readRange } from "../support/messages.ts";
import { unlimited, useServer } from "../support/server.ts";

// Where messages go: to everyone in the room, on every connection, in either dialect, and nowhere else.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

describe.each([...dialects])("%s", (dialect) => {
  test("a message goes to everyone in the room, its sender included, and to no other room", async () => {
    const [room, other] = [await server.createRoom([alice, bob]), await server.createRoom([alice, bob])];
    const clients = await Promise.all(
      [alice, alice, bob].map((email) => server.connect(dialect, room, email)),
    );
    const elsewhere = await server.connect(dialect, other, bob);
    clients[0]?.post("Hello, how are you?");
    for (const client of clients) expect(await client.nextText()).toBe("Hello, how are you?");
    // Had the first message crossed over, it would come before this one.
    elsewhere.post("only here");
    expect(await elsewhere.nextText()).toBe("only here");
    clients[2]?.post("only there");
    for (const client of clients) expect(await client.nextText()).toBe("only there");
  });

  test("a message that was broadcast is on disk", async () => {
    const room = await server.createRoom([alice]);
    const client = await server.connect(dialect, room, alice);
    for (let n = 1; n <= 20; n++) {
      client.post(`message ${n}`);
      await client.nextText();
      const stored = await server.asOperator((chat) => readRange(chat, room, { limit: 1 }));
      expect(stored).toMatchObject([{ seq: n, text: `message ${n}`, sender: { email: alice } }]);
    }
  });

  test("users who are in many rooms receive in each exactly what is sent there, in one order", async () => {
    const emails = ["ann", "ben", "cat", "dan"].map((name) => `${name}@example.com`);
    const rooms = await Promise.all(
      Array.from({ length: 10 }, async (_, n) => {
        // Each room has another three of the four.
        const members = emails.filter((__, index) => index !== n % 4);
        const id = await server.createRoom(members);
        const clients = await Promise.all(members.map((email) => server.connect(dialect, id, email)));
        return { id, clients };
      }),
    );
    const rounds = [1, 2, 3, 4, 5];
    for (const round of rounds)
      for (const { id, clients } of rooms)
        for (const [index, client] of clients.entries()) client.post(`${id} ${index} ${round}`);
    for (const { id, clients } of rooms) {
      const sent = clients.flatMap((_, index) => rounds.map((round) => `${id} ${index} ${round}`));
      const [first = [], ...others] = await Promise.all(
        clients.map((client) => Promise.all(sent.map(() => client.nextText()))),
      );
      expect(first.toSorted()).toEqual(sent.toSorted());
      for (const received of others) expect(received).toEqual(first);
      // Each sender's messages keep their order.
      for (const index of clients.keys())
        expect(first.filter((text) => text.startsWith(`${id} ${index} `))).toEqual(
          rounds.map((round) => `${id} ${index} ${round}`),
        );
    }
  });
});

/** Alice and Bob in a new room. */
async function pair() {
  const room = await server.createRoom([alice, bob]);
  return [await server.connectV2(room, alice), await server.connectV2(room, bob)] as const;
}

test("both dialects meet in the same room, each in its own frames", async () => {
  const room = await server.createRoom([alice, bob]);
  const [v2, classic] = [await server.connectV2(room, alice), await server.connectClassic(room, bob)];
  classic.post("from classic");
  expect(await classic.next()).toStrictEqual({ message: "from classic" });
  const change = await v2.next("change");
  expect(change).toMatchObject({
    kind: "created",
    message: { seq: 1, rev: 1, text: "from classic", sender: { email: bob } },
  });
  expect(change.message).not.toHaveProperty("client_id");
  expect(await v2.say("from chat.v2")).toMatchObject({ seq: 2, rev: 2 });
  expect(await classic.next()).toStrictEqual({ message: "from chat.v2" });
});

test("two tabs of a user see each other's changes and read marks, and only the sending one is answered", async () => {
  const room = await server.createRoom([alice, bob]);
  const tabs = [await server.connectV2(room, alice), await server.connectV2(room, alice)] as const;
  const [one, two] = tabs;
  expect(two.hello.online).toHaveLength(1);
  const other = await server.connectV2(room, bob);
  await one.say("from one");
  await two.reach(1);
  await two.ack({ type: "edit", seq: 1, text: "edited in two" });
  await one.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await two.error({ type: "edit", seq: 9, text: "x" });
  await two.ack({ type: "delete", seq: 1 });
  await other.say("news");
  await one.ack({ type: "read", seq: 2 });
  expect(await two.next("read")).toMatchObject({ user: { email: alice }, seq: 2 });
  await one.reach(5);
  expect(one.known()).toEqual(two.known());
  for (const tab of tabs) expect(tab.unread("ack", "error")).toEqual([]);
  await one.close();
  expect((await two.say("goes on")).rev).toBe(6);
});

test("each room has its own seq and rev", async () => {
  const rooms = [await server.createRoom([alice]), await server.createRoom([alice])] as const;
  const [here, there] = [await server.connectV2(rooms[0], alice), await server.connectV2(rooms[1], alice)];
  for (let n = 1; n <= 3; n++) expect(await here.say("here")).toMatchObject({ seq: n, rev: n });
  expect(await there.say("there")).toMatchObject({ seq: 1, rev: 1 });
  // Message 2 is in the other room.
  expect((await there.error({ type: "delete", seq: 2 })).code).toBe("message_not_found");
  await here.ack({ type: "delete", seq: 1 });
  expect(there.known()).toMatchObject([{ seq: 1, text: "there" }]);
});

describe("a message that answers another", () => {
  test("may answer any message: one's own, another's, one just sent, and a deleted one", async () => {
    const [client, other] = await pair();
    await client.say("one");
    // Both are under way together.
    const [, answer] = await Promise.all([
      other.say("two"),
      other.ack({ type: "send", text: "re", reply_to: 2 }),
    ]);
    await client.ack({ type: "delete", seq: 1 });
    const { seq } = await client.ack({ type: "send", text: "re", reply_to: 1 });
    await client.ack({ type: "edit", seq, text: "re: one" });
    await client.reach(6);
    expect(client.messages.get(answer.seq)).toMatchObject({ reply_to: 2 });
    expect(client.messages.get(seq)).toMatchObject({ text: "re: one", reply_to: 1 });
  });

  test("cannot answer itself, a later message or one of another room", async () => {
    const [client] = await pair();
    const [elsewhere] = await pair();
    for (let n = 1; n <= 5; n++) await elsewhere.say(`message ${n}`);
    await client.say("one");
    for (const reply_to of [2, 3, 5, Number.MAX_SAFE_INTEGER])
      expect((await client.error({ type: "send", text: "re", reply_to })).code).toBe("message_not_found");
    expect(await client.say("two")).toMatchObject({ seq: 2, rev: 2 });
  });
});

test("messages and changes are counted by kind", async () => {
  const client = await server.connectV2(await server.createRoom([alice]), alice);
  const kinds = ["edited", "deleted", "reacted"].map((kind) => `parley_changes_total{kind="${kind}"}`);
  const counts = () => Promise.all(["parley_messages_total", ...kinds].map((name) => server.metric(name)));
  const before = await counts();
  await client.say("one");
  await client.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await client.ack({ type: "react", seq: 1, emoji: "👍", on: false });
  await client.ack({ type: "edit", seq: 1, text: "two" });
  await client.ack({ type: "delete", seq: 1 });
  // Nothing changes.
  await client.ack({ type: "delete", seq: 1 });
  const after = await counts();
  expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1, 2]);
});
