import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { type CommandInput, connectV2 } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Every command may be sent again: it is acked again, and changes nothing.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

async function open(room: string, email: string) {
  return connectV2(server.host, room, { token: await token(email) });
}

/** A room with two messages of alice's, and a connection of each of both. */
async function pair() {
  const room = await createRoom([alice, bob]);
  const [me, listener] = [await open(room, alice), await open(room, bob)];
  for (const text of ["one", "two"]) await me.say(text);
  return { room, me, listener };
}

/** How many messages alice's list of rooms says that she has not read. */
async function unread(room: string, email: string): Promise<unknown> {
  const { body } = await callApi(server, "GET /api/rooms", { token: await token(email) });
  return (body["rooms"] as { id: string; unread: number }[]).find(({ id }) => id === room)?.unread;
}

const liked = { type: "react", seq: 1, emoji: "👍", on: true } as const;
const twice: [what: string, command: CommandInput, before: CommandInput | null][] = [
  ["an edit", { type: "edit", seq: 1, text: "uno" }, null],
  ["a deletion", { type: "delete", seq: 1 }, null],
  ["a reaction", liked, null],
  ["a reaction taken back", { ...liked, on: false }, liked],
  ["a message with a client_id", { type: "send", text: "three", client_id: "three" }, null],
];

test.each(twice)(
  "%s that is sent again is acked again with the same seq and rev",
  async (_, command, before) => {
    const { me, listener } = await pair();
    if (before) await me.ack(before);
    const first = await me.ack(command);
    const again = await Promise.all([me.ack(command), me.ack(command)]);
    for (const { seq, rev } of again) expect({ seq, rev }).toEqual({ seq: first.seq, rev: first.rev });
    expect((await me.say("next")).rev).toBe(first.rev + 1);
    await listener.reach(first.rev + 1);
    expect(listener.known()).toEqual(me.known());
  },
);

test.each(twice)("%s that is sent twice at once is one change", async (_, command, before) => {
  const { me, listener } = await pair();
  if (before) await me.ack(before);
  const [first, second] = await Promise.all([me.ack(command), me.ack(command)]);
  expect({ ...second, id: "" }).toEqual({ ...first, id: "" });
  expect((await me.say("next")).rev).toBe(first.rev + 1);
  await listener.reach(first.rev + 1);
});

const nothing: [what: string, command: CommandInput][] = [
  ["an edit to the text that is there", { type: "edit", seq: 1, text: "one" }],
  ["taking back a reaction that was never there", { type: "react", seq: 1, emoji: "👍", on: false }],
  ["a read mark at nothing", { type: "read", seq: 0 }],
];

test.each(nothing)("%s is acked and changes nothing", async (_, command) => {
  const { me } = await pair();
  const before = me.known();
  const { rev } = await me.ack(command);
  expect(rev).toBe(command.type === "read" ? 2 : 1);
  expect((await me.say("next")).rev).toBe(3);
  expect(me.known().slice(0, 2)).toEqual(before);
});

test("what is done already is acked with the rev of the message's last change, whatever that was", async () => {
  const { me, listener } = await pair();
  await me.ack({ type: "edit", seq: 1, text: "uno" });
  await listener.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await me.say("three");
  expect(await me.ack({ type: "edit", seq: 1, text: "uno" })).toMatchObject({ seq: 1, rev: 4 });
});

test("an edit there and back is two changes", async () => {
  const { me } = await pair();
  expect(await me.ack({ type: "edit", seq: 1, text: "uno" })).toMatchObject({ rev: 3 });
  expect(await me.ack({ type: "edit", seq: 1, text: "one" })).toMatchObject({ rev: 4 });
});

test("whoever sends has read up to there, and nobody is told", async () => {
  const { room, me, listener } = await pair();
  await listener.say("three");
  expect(await unread(room, bob)).toBe(0);
  expect(await unread(room, alice)).toBe(1);
  await listener.ack({ type: "read", seq: 3 });
  await me.ack({ type: "read", seq: 3 });
  // The first that is told is alice's own.
  expect(await listener.next("read")).toMatchObject({ user: { email: alice }, seq: 3 });
});
