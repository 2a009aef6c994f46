import { expect, test } from "bun:test";

import { connectClassic, connectV2 } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Members of one room who speak different dialects.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

async function pair() {
  const room = await createRoom([alice, bob]);
  const modern = await connectV2(server.host, room, { token: await token(alice) });
  return { room, modern, classic: await server.connectClassic(room, bob) };
}

test("each sees what the other says, in his own dialect", async () => {
  const { modern, classic } = await pair();
  classic.send({ message: "from the old one" });
  expect(await classic.next()).toStrictEqual({ message: "from the old one" });
  const change = await modern.next("change");
  expect(change).toMatchObject({
    kind: "created",
    message: { seq: 1, rev: 1, text: "from the old one", sender: { email: bob } },
  });
  expect(change.message).not.toHaveProperty("client_id");
  const ack = await modern.say("from the new one");
  expect(ack).toMatchObject({ seq: 2, rev: 2 });
  expect(await classic.next()).toStrictEqual({ message: "from the new one" });
});

test("an edit, a deletion and a reaction are nothing to a classic client until it connects again", async () => {
  const { room, modern, classic } = await pair();
  for (const text of ["one", "two", "three"]) {
    await modern.say(text);
    expect(await classic.next()).toStrictEqual({ message: text });
  }
  await modern.ack({ type: "edit", seq: 1, text: "one, mended" });
  await modern.ack({ type: "delete", seq: 2 });
  await modern.ack({ type: "react", seq: 3, emoji: "👍", on: true });
  await modern.say("four");
  // Whatever the others were, it would have come before this one.
  expect(await classic.next()).toStrictEqual({ message: "four" });
  expect(classic.unread()).toEqual([]);
  const again = await connectClassic(server.host, room, { token: await token(bob) });
  expect(again.history).toStrictEqual(
    ["one, mended", "three", "four"].map((text) => ({ text, sender_email: alice })),
  );
});

test("a classic client that sends a v2 command is refused in its own words, and the other way round", async () => {
  const { modern, classic } = await pair();
  classic.send({ type: "send", id: "1", text: "hello" });
  expect(await classic.next()).toMatchObject({ error: { code: "invalid_message" } });
  modern.send({ message: "hello" });
  expect(await modern.next("error")).toMatchObject({ type: "error", code: "invalid_command" });
  expect(await modern.say("still here")).toMatchObject({ seq: 1, rev: 1 });
});

test("a classic member who comes and goes is shown as present to the others", async () => {
  const room = await createRoom([alice, bob]);
  const classic = await server.connectClassic(room, bob);
  const modern = await connectV2(server.host, room, { token: await token(alice) });
  expect(new Set(modern.hello.online.map(({ email }) => email))).toEqual(new Set([alice, bob]));
  await classic.close();
  const left = await modern.next((frame) => frame.type === "presence" && !frame.online);
  expect(left).toMatchObject({ type: "presence", user: { email: bob }, online: false });
});

test("a classic client hears no notice", async () => {
  const { modern, classic, room } = await pair();
  modern.send({ type: "typing" });
  await modern.say("one");
  expect(await classic.next()).toStrictEqual({ message: "one" });
  const second = await connectV2(server.host, room, { token: await token(bob) });
  await second.ack({ type: "read", id: "r", seq: 1 });
  expect(await modern.next("read")).toMatchObject({ user: { email: bob }, seq: 1 });
  await modern.say("two");
  expect(await classic.next()).toStrictEqual({ message: "two" });
  expect(classic.unread()).toEqual([]);
});

test("what is stored is counted, by what it was", async () => {
  const { modern } = await pair();
  const names = [
    "parley_messages_total",
    ...["edited", "deleted", "reacted"].map((kind) => `parley_changes_total{kind="${kind}"}`),
  ];
  const counts = () => Promise.all(names.map((name) => server.metric(name)));
  const before = await counts();
  await modern.say("one");
  await modern.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await modern.ack({ type: "react", seq: 1, emoji: "👍", on: false });
  await modern.ack({ type: "edit", seq: 1, text: "two" });
  await modern.ack({ type: "delete", seq: 1 });
  // Done already: nothing to count.
  await modern.ack({ type: "delete", seq: 1 });
  const after = await counts();
  expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1, 2]);
});
