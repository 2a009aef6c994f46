import { expect, test } from "bun:test";

import { connectV2, type V2Client, type V2Options } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { useServer } from "../support/server.ts";

// What `?since=` brings in a room where nobody writes just now.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const open = async (room: string, email: string, options: V2Options = {}) =>
  connectV2(server.host, room, { token: await token(email), ...options });

const seqs = ({ hello }: V2Client) => hello.messages.map(({ seq }) => seq);

test("since 0 brings every message there is, however many, where a newcomer is shown the last 50", async () => {
  const room = await createRoom([alice]);
  fillRoom(server, room, 3000);
  const newcomer = await open(room, alice);
  expect(newcomer.hello).toMatchObject({ resumed: false, rev: 3000 });
  expect(seqs(newcomer)).toEqual(Array.from({ length: 50 }, (_, index) => 2951 + index));
  const resumed = await open(room, alice, { since: 0 });
  expect(resumed.hello).toMatchObject({ resumed: true, room: { seq: 3000, rev: 3000 } });
  // The cursor is where the frame brings it, not where the room is.
  expect(resumed.hello.rev).toBe(resumed.hello.messages.at(-1)?.rev ?? 0);
  expect(resumed.hello.rev).toBeLessThan(3000);
  await resumed.reach(3000);
  expect(resumed.known()).toEqual(await storedMessages(server, room));
  expect(replay(resumed, 0).size).toBe(3000);
});

test("since 0 in an empty room goes on from nothing", async () => {
  const room = await createRoom([alice]);
  expect((await open(room, alice, { since: 0 })).hello).toMatchObject({
    resumed: true,
    rev: 0,
    messages: [],
  });
});

test("whoever is one behind is sent that one", async () => {
  const room = await createRoom([alice]);
  const before = await open(room, alice);
  await before.say("known");
  const { rev } = await before.say("missed");
  const { hello } = await open(room, alice, { since: rev - 1 });
  expect(hello).toMatchObject({ resumed: true, rev, messages: [{ seq: 2, rev, text: "missed" }] });
  expect(hello.messages).toHaveLength(1);
});

test("whoever is up to date is sent nothing, and then hears what comes", async () => {
  const room = await createRoom([alice]);
  fillRoom(server, room, 100);
  const client = await open(room, alice, { since: 100 });
  expect(client.hello).toMatchObject({ resumed: true, rev: 100, messages: [] });
  await client.say("on we go");
  expect(await client.next("change")).toMatchObject({ message: { seq: 101, rev: 101 } });
  expect(client.unread("changes")).toEqual([]);
});

test("whoever knows more than there is begins anew, as a newcomer does", async () => {
  const room = await createRoom([alice]);
  fillRoom(server, room, 100);
  const newcomer = await open(room, alice);
  for (const since of [101, 2 ** 53, `1${"0".repeat(400)}`]) {
    const { hello } = await open(room, alice, { since });
    expect(hello).toMatchObject({ resumed: false, rev: 100, messages: newcomer.hello.messages });
  }
});

test("edits, deletions and reactions are missed like messages, and of each message its last state comes, once", async () => {
  const room = await createRoom([alice, bob]);
  const [writer, reader] = [await open(room, alice), await open(room, bob)];
  for (let n = 1; n <= 8; n++) await writer.say(`text ${n}`);
  await reader.reach(8);
  await reader.close();
  await writer.ack({ type: "edit", seq: 2, text: "edited once" });
  await writer.ack({ type: "react", seq: 1, emoji: "🎉", on: true });
  await writer.ack({ type: "delete", seq: 5 });
  await writer.ack({ type: "edit", seq: 2, text: "edited twice" });
  await writer.ack({ type: "react", seq: 7, emoji: "👍", on: true });
  await writer.ack({ type: "react", seq: 7, emoji: "👍", on: false });
  await writer.ack({ type: "send", text: "an answer", reply_to: 3, client_id: "c-1" });
  const { rev } = await writer.ack({ type: "edit", seq: 9, text: "a better answer" });
  expect(rev).toBe(16);
  const back = await open(room, bob, { after: reader });
  expect(back.hello).toMatchObject({ resumed: true, rev });
  expect(back.hello.messages.map((message) => [message.seq, message.rev])).toEqual([
    [1, 10],
    [5, 11],
    [2, 12],
    [7, 14],
    [9, 16],
  ]);
  const [reacted, deleted, edited, undone, answer] = back.hello.messages;
  expect(reacted).toMatchObject({ text: "text 1", reactions: [{ emoji: "🎉", by: [`user|${alice}`] }] });
  expect(deleted).toMatchObject({ text: "", reactions: [], deleted_at: expect.any(String) });
  expect(edited).toMatchObject({ text: "edited twice", edited_at: expect.any(String) });
  expect(undone).toMatchObject({ text: "text 7", reactions: [] });
  expect(undone).not.toHaveProperty("edited_at");
  expect(answer).toMatchObject({ text: "a better answer", reply_to: 3, client_id: "c-1" });
  expect(back.known()).toEqual(await storedMessages(server, room));
  expect(back.known()).toEqual(writer.known());
});

test("a message changed between two others of a long resume comes once, where it was changed last", async () => {
  const room = await createRoom([alice]);
  fillRoom(server, room, 1000);
  const writer = await open(room, alice);
  // In the middle of what is untouched, over several pages.
  for (const seq of [1, 300, 600, 999]) await writer.ack({ type: "react", seq, emoji: ":one:", on: true });
  await writer.ack({ type: "react", seq: 300, emoji: ":one:", on: false });
  fillRoom(server, room, 1000);
  await writer.ack({ type: "edit", seq: 1500, text: "edited" });
  const resumed = await open(room, alice, { since: 0 });
  await resumed.reach(writer.cursor);
  const seen = replay(resumed, 0);
  expect(seen.size).toBe(2000);
  for (const [seq, revs] of seen) if (revs.length !== 1) throw new Error(`${seq} came as ${String(revs)}`);
  expect(resumed.known()).toEqual(await storedMessages(server, room));
});

test("each cursor on the way leads to the same room", async () => {
  const room = await createRoom([alice]);
  const writer = await open(room, alice);
  for (let n = 1; n <= 10; n++) {
    await writer.say(`text ${n}`);
    if (n % 2 === 0) await writer.ack({ type: "edit", seq: n / 2, text: `edit ${n}` });
    // Never one that is edited later.
    if (n === 7 || n === 9) await writer.ack({ type: "delete", seq: n });
  }
  const all = await storedMessages(server, room);
  for (let since = 0; since <= writer.cursor; since++) {
    const { hello } = await open(room, alice, { since });
    const newer = all.filter(({ rev }) => rev > since).toSorted((a, b) => a.rev - b.rev);
    expect(hello).toMatchObject({ resumed: true, rev: writer.cursor });
    expect(hello.messages).toEqual(newer);
  }
});

test("last messages that are too long for one frame are shown from the newest back, as many as fit", async () => {
  const room = await createRoom([alice]);
  // Each is six times as long as JSON.
  fillRoom(server, room, 50, "\u0001".repeat(16_000));
  const newcomer = await open(room, alice);
  const shown = seqs(newcomer);
  expect(newcomer.texts[0]?.length).toBeLessThan(1 << 20);
  expect(shown).toEqual(Array.from({ length: shown.length }, (_, index) => 51 - shown.length + index));
  expect(shown.length).toBeGreaterThan(5);
  await newcomer.say("still here");
});
