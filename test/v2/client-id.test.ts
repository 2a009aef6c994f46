import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { type CommandInput, connectV2 } from "../support/client.ts";
import { connectRawV2, encodeFrame } from "../support/raw.ts";
import { newRoomId, startTestServer, useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// A message with a `client_id` can be sent again for ever: it is stored once. And messages that answer others.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

const open = async (room: string, email: string, host = server.host) =>
  connectV2(host, room, { token: await token(email) });

const send = (text: string, client_id: string) => ({ type: "send", text, client_id }) as const;

test("whatever became of the message, sending it again is answered as at first", async () => {
  const room = await createRoom([alice, bob]);
  const me = await open(room, alice);
  await me.say("zero");
  const first = await me.ack(send("hello", "a"));
  expect(first).toMatchObject({ seq: 2, rev: 2 });
  const again = async () => expect(await me.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
  await again();
  await me.ack({ type: "edit", seq: 2, text: "hi" });
  await again();
  await me.ack({ type: "react", seq: 2, emoji: "👍", on: true });
  await again();
  await me.ack({ type: "delete", seq: 2 });
  await again();
  expect((await me.say("next")).rev).toBe(6);
  // The name stays with what is left of it.
  expect(me.messages.get(2)).toMatchObject({ text: "", client_id: "a" });
});

test("again after another connection, and from another tab, it is the same message", async () => {
  const room = await createRoom([alice, bob]);
  const before = await open(room, alice);
  await before.ack(send("hello", "a"));
  await before.close();
  const [tab, other] = [await open(room, alice), await open(room, alice)];
  const acks = await Promise.all([tab, other, tab, other].map((client) => client.ack(send("hello", "a"))));
  for (const ack of acks) expect(ack).toMatchObject({ seq: 1, rev: 1 });
  const raced = await Promise.all([tab, other, tab, other].map((client) => client.ack(send("ho", "b"))));
  for (const ack of raced) expect(ack).toMatchObject({ seq: 2, rev: 2 });
  expect((await tab.say("next")).seq).toBe(3);
});

test("again after a restart of the server it is the same message", async () => {
  using folder = temporaryFolder();
  const options = { issuer: server.issuer.issuer, env: { PARLEY_DATABASE: join(folder.path, "kept.db") } };
  const room = newRoomId();
  {
    await using parley = await startTestServer(options);
    await parley.createRoom([alice], { id: room });
    const before = await open(room, alice, parley.host);
    await before.say("zero");
    expect(await before.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
    await before.ack({ type: "delete", seq: 2 });
  }
  await using parley = await startTestServer(options);
  const after = await open(room, alice, parley.host);
  expect(after.hello).toMatchObject({ rev: 3, messages: [{ seq: 1 }, { seq: 2, text: "", client_id: "a" }] });
  expect(await after.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
  expect(await after.say("next")).toMatchObject({ seq: 3, rev: 4 });
});

test("twice in one TCP segment it is one message, and each is acked", async () => {
  const room = await createRoom([alice, bob]);
  const raw = await connectRawV2(server.host, room, await token(alice));
  await raw.next();
  const commands = ["1", "2", "3"].map((id) => encodeFrame(JSON.stringify({ ...send("hello", "a"), id })));
  raw.write(...commands);
  const frames: unknown[] = [];
  while (frames.length < 4) {
    const next = (await raw.next()) as { type: string };
    if (next.type !== "presence") frames.push(next);
  }
  expect(frames).toMatchObject([
    { type: "change", kind: "created", message: { seq: 1, rev: 1 } },
    { type: "ack", id: "1", seq: 1, rev: 1 },
    { type: "ack", id: "2", seq: 1, rev: 1 },
    { type: "ack", id: "3", seq: 1, rev: 1 },
  ]);
  raw.destroy();
});

test("it is the sender's own, and the room's own", async () => {
  const [room, other] = [await createRoom([alice, bob]), await createRoom([alice, bob])];
  const [me, him, elsewhere] = [await open(room, alice), await open(room, bob), await open(other, alice)];
  await elsewhere.say("one");
  await elsewhere.say("two");
  expect(await me.ack(send("mine", "a"))).toMatchObject({ seq: 1 });
  expect(await him.ack(send("his", "a"))).toMatchObject({ seq: 2 });
  expect(await elsewhere.ack(send("there", "a"))).toMatchObject({ seq: 3 });
  expect(await him.ack(send("his", "a"))).toMatchObject({ seq: 2 });
  expect(await me.ack(send("mine", "a"))).toMatchObject({ seq: 1 });
});

test("with another text it is still the first message", async () => {
  const room = await createRoom([alice]);
  const me = await open(room, alice);
  await me.ack(send("first", "a"));
  expect(await me.ack(send("second", "a"))).toMatchObject({ seq: 1, rev: 1 });
  // Nor does it matter what it would answer.
  expect(await me.ack({ ...send("third", "a"), reply_to: 99 })).toMatchObject({ seq: 1, rev: 1 });
  expect(me.known().map(({ text }) => text)).toEqual(["first"]);
});

test("names are compared to the letter", async () => {
  const room = await createRoom([alice]);
  const me = await open(room, alice);
  const names = [
    "a",
    "A",
    "a ",
    " a",
    "á",
    "a\u0301",
    "1",
    "01",
    "1.0",
    "__proto__",
    "constructor",
    "' OR 1=1 --",
  ];
  names.push("%", "_", "\u0001", "👍".repeat(64), "x".repeat(64));
  for (const [index, name] of names.entries())
    expect(await me.ack(send("hello", name))).toMatchObject({ seq: index + 1 });
  for (const [index, name] of names.entries())
    expect(await me.ack(send("hello", name))).toMatchObject({ seq: index + 1 });
  expect(me.known().map(({ client_id }) => client_id)).toEqual(names);
});

test("a message that was refused has not used up its name", async () => {
  const room = await createRoom([alice]);
  const me = await open(room, alice);
  expect((await me.error({ ...send("hello", "a"), reply_to: 1 })).code).toBe("message_not_found");
  expect((await me.error(send("  ", "a"))).code).toBe("invalid_message");
  expect(await me.ack(send("hello", "a"))).toMatchObject({ seq: 1, rev: 1 });
});

test("what could not be stored is refused, was not stored, and can be sent again", async () => {
  const room = await createRoom([alice, bob]);
  const [me, him] = [await open(room, alice), await open(room, bob)];
  await me.say("one");
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  const commands: CommandInput[] = [
    send("hello", "a"),
    { type: "edit", seq: 1, text: "x" },
    { type: "delete", seq: 1 },
    { type: "react", seq: 1, emoji: "👍", on: true },
  ];
  try {
    for (const command of commands)
      expect(await me.error(command)).toMatchObject({ code: "storage_unavailable" });
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
  expect(await me.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
  await him.reach(2);
  expect(him.known().map(({ text }) => text)).toEqual(["one", "hello"]);
});

test("without a client_id the same text is as many messages as were sent", async () => {
  const room = await createRoom([alice]);
  const me = await open(room, alice);
  // The `id` of a command is no name of a message.
  const acks = await Promise.all([1, 2].map(() => me.ack({ type: "send", id: "same", text: "hello" })));
  expect(new Set(acks.map(({ seq }) => seq))).toEqual(new Set([1, 2]));
});

test("a message may answer any that is there: its sender's, another's, one just sent, and one that was deleted", async () => {
  const room = await createRoom([alice, bob]);
  const [me, him] = [await open(room, alice), await open(room, bob)];
  await me.say("one");
  // Both are on their way together.
  const [, answer] = await Promise.all([him.say("two"), him.ack({ type: "send", text: "re", reply_to: 2 })]);
  await me.ack({ type: "delete", seq: 1 });
  const { seq } = await me.ack({ type: "send", text: "re", reply_to: 1 });
  await me.ack({ type: "edit", seq, text: "re: one" });
  await me.reach(6);
  expect(me.messages.get(answer.seq)).toMatchObject({ reply_to: 2 });
  expect(me.messages.get(seq)).toMatchObject({ text: "re: one", reply_to: 1 });
});

test("a message can't answer itself, nor one to come, nor one of another room", async () => {
  const [room, other] = [await createRoom([alice]), await createRoom([alice])];
  const [me, elsewhere] = [await open(room, alice), await open(other, alice)];
  for (let n = 1; n <= 5; n++) await elsewhere.say(`message ${n}`);
  await me.say("one");
  for (const reply_to of [2, 3, 5, Number.MAX_SAFE_INTEGER])
    expect((await me.error({ type: "send", text: "re", reply_to })).code).toBe("message_not_found");
  expect(await me.say("two")).toMatchObject({ seq: 2, rev: 2 });
});
