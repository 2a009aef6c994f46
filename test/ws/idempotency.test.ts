import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { CommandInput } from "../support/client.ts";
import { connectRaw, encodeFrame, encodeText, opcodes } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// Every command can be repeated: it is acknowledged again and changes nothing. A message needs a `client_id` for that.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

const edit = (text: string) => ({ type: "edit", seq: 3, text }) as const;
const send = (text: string, client_id: string) => ({ type: "send", text, client_id }) as const;

/** Alice, with two messages, and Bob in one room. */
async function pair() {
  const room = await server.createRoom([alice, bob]);
  const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  for (const text of ["one", "two"]) await client.say(text);
  return { room, client, other };
}

const liked = { type: "react", seq: 1, emoji: "👍", on: true } as const;

describe.each<[name: string, command: CommandInput, before: CommandInput | null]>([
  ["an edit", { type: "edit", seq: 1, text: "uno" }, null],
  ["a deletion", { type: "delete", seq: 1 }, null],
  ["a reaction", liked, null],
  ["a reaction that is taken back", { ...liked, on: false }, liked],
  ["a message with a client_id", send("three", "three"), null],
])("%s", (_, command, before) => {
  test("that is sent again is acknowledged with the same seq and rev", async () => {
    const { client, other } = await pair();
    if (before) await client.ack(before);
    const { seq, rev } = await client.ack(command);
    for (const again of await Promise.all([client.ack(command), client.ack(command)]))
      expect(again).toMatchObject({ seq, rev });
    expect((await client.say("next")).rev).toBe(rev + 1);
    await other.reach(rev + 1);
    expect(other.known()).toEqual(client.known());
  });

  test("that is sent twice at once is one change", async () => {
    const { client, other } = await pair();
    if (before) await client.ack(before);
    const [first, second] = await Promise.all([client.ack(command), client.ack(command)]);
    expect({ ...second, id: "" }).toEqual({ ...first, id: "" });
    expect((await client.say("next")).rev).toBe(first.rev + 1);
    await other.reach(first.rev + 1);
  });
});

test.each<[name: string, command: CommandInput, rev: number]>([
  ["an edit to the present text", { type: "edit", seq: 1, text: "one" }, 1],
  ["taking back a reaction that is not there", { ...liked, on: false }, 1],
  ["a read mark of 0", { type: "read", seq: 0 }, 2],
])("%s is acknowledged and changes nothing", async (_, command, rev) => {
  const { client } = await pair();
  const before = client.known();
  expect((await client.ack(command)).rev).toBe(rev);
  expect((await client.say("next")).rev).toBe(3);
  expect(client.known().slice(0, 2)).toEqual(before);
});

test("a repeated command is acknowledged with the rev of the message's last change", async () => {
  const { client, other } = await pair();
  await client.ack({ type: "edit", seq: 1, text: "uno" });
  await other.ack(liked);
  await client.say("three");
  expect(await client.ack({ type: "edit", seq: 1, text: "uno" })).toMatchObject({ seq: 1, rev: 4 });
});

test("an edit there and back is two changes", async () => {
  const { client } = await pair();
  expect(await client.ack({ type: "edit", seq: 1, text: "uno" })).toMatchObject({ rev: 3 });
  expect(await client.ack({ type: "edit", seq: 1, text: "one" })).toMatchObject({ rev: 4 });
});

describe("a client_id", () => {
  test("names the same message for ever, whatever became of it", async () => {
    const { client } = await pair();
    expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 3, rev: 3 });
    for (const change of [
      { type: "edit", seq: 3, text: "hi" },
      { type: "react", seq: 3, emoji: "👍", on: true },
      { type: "delete", seq: 3 },
    ] as const) {
      await client.ack(change);
      expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 3, rev: 3 });
    }
    expect((await client.say("next")).rev).toBe(7);
    // It stays with the deleted message.
    expect(client.messages.get(3)).toMatchObject({ text: "", client_id: "a" });
  });

  test("names the same message on other connections, at the same time, too", async () => {
    const room = await server.createRoom([alice]);
    const before = await server.connectV2(room, alice);
    await before.ack(send("hello", "a"));
    await before.close();
    const tabs = [await server.connectV2(room, alice), await server.connectV2(room, alice)];
    const fromAll = (message: ReturnType<typeof send>) =>
      Promise.all([...tabs, ...tabs].map((tab) => tab.ack(message)));
    for (const ack of await fromAll(send("hello", "a"))) expect(ack).toMatchObject({ seq: 1, rev: 1 });
    for (const ack of await fromAll(send("ho", "b"))) expect(ack).toMatchObject({ seq: 2, rev: 2 });
    expect((await tabs[0]?.say("next"))?.seq).toBe(3);
  });

  test("names the same message after a restart", async () => {
    using folder = temporaryFolder();
    const env = { PARLEY_DATABASE: join(folder.path, "kept.db") };
    {
      await using first = await server.startAnother({ env });
      await first.createRoom([alice], { id: "lobby" });
      const client = await first.connectV2("lobby", alice);
      await client.say("zero");
      expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
      await client.ack({ type: "delete", seq: 2 });
    }
    await using second = await server.startAnother({ env });
    const client = await second.connectV2("lobby", alice);
    expect(client.hello).toMatchObject({ rev: 3, messages: [{ seq: 1 }, { seq: 2, client_id: "a" }] });
    expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 2, rev: 2 });
    expect(await client.say("next")).toMatchObject({ seq: 3, rev: 4 });
  });

  test("finds a message whose sender was gone before the ack", async () => {
    const room = await server.createRoom([alice, bob]);
    const listener = await server.connectV2(room, bob);
    const raw = await connectRaw("chat.v2", server.host, room, await server.token(alice));
    raw.write(
      encodeFrame(JSON.stringify({ ...send("last words", "a"), id: "1" })),
      encodeFrame("", { opcode: opcodes.close }),
    );
    expect(await listener.next("change")).toMatchObject({ message: { seq: 1, text: "last words" } });
    await raw.ended;
    const again = await server.connectV2(room, alice);
    expect(await again.ack(send("last words", "a"))).toMatchObject({ seq: 1, rev: 1 });
  });

  test("in three commands of one TCP segment names one message, and each is acknowledged", async () => {
    const room = await server.createRoom([alice]);
    const raw = await connectRaw("chat.v2", server.host, room, await server.token(alice));
    const commands = ["1", "2", "3"].map((id) => JSON.stringify({ ...send("hello", "a"), id }));
    raw.write(...commands.map((command) => encodeFrame(command)));
    expect(await raw.nextOf("change", "ack")).toMatchObject({ kind: "created", message: { seq: 1, rev: 1 } });
    for (const id of ["1", "2", "3"])
      expect(await raw.nextOf("change", "ack")).toEqual({ type: "ack", room, id, seq: 1, rev: 1 });
    raw.destroy();
  });

  test("belongs to its sender and to the room", async () => {
    const { client, other } = await pair();
    const { client: elsewhere } = await pair();
    for (const [expected, each] of [
      [3, client],
      [4, other],
      [3, elsewhere],
    ] as const) {
      expect(await each.ack(send("hello", "a"))).toMatchObject({ seq: expected });
      expect(await each.ack(send("hello", "a"))).toMatchObject({ seq: expected });
    }
  });

  test("with other metadata is a conflict, until the first message is deleted", async () => {
    const { client } = await pair();
    const first = { ...send("first", "a"), meta: { a: 1, b: [2] } };
    await client.ack(first);
    const others = [send("first", "a"), { ...first, meta: { a: 2 } }, { ...first, meta: {} }];
    for (const command of [{ type: "react", seq: 3, emoji: "👍", on: true }, edit("uno")] as const) {
      await client.ack(command);
      expect(await client.ack(first)).toMatchObject({ seq: 3, rev: 3 });
      for (const other of others)
        expect(await client.error(other)).toMatchObject({ code: "conflict", seq: 3 });
    }
    await client.ack({ type: "delete", seq: 3 });
    for (const other of others) expect(await client.ack(other)).toMatchObject({ seq: 3, rev: 3 });
  });

  test("with another text or another answer is a conflict that names the first message", async () => {
    const { client } = await pair();
    await client.ack(send("first", "a"));
    await client.ack({ ...send("answer", "b"), reply_to: 1 });
    for (const [command, seq] of [
      [send("second", "a"), 3],
      [{ ...send("first", "a"), reply_to: 1 }, 3],
      [{ ...send("first", "a"), reply_to: 99 }, 3],
      [send("answer", "b"), 4],
      [{ ...send("answer", "b"), reply_to: 2 }, 4],
    ] as const)
      expect(await client.error(command)).toMatchObject({ code: "conflict", seq });
    expect((await client.say("next")).seq).toBe(5);
    expect(client.known().map(({ text }) => text)).toEqual(["one", "two", "first", "answer", "next"]);
  });

  test("with another text at the same time is a conflict for one of them", async () => {
    const { client } = await pair();
    const answers = await Promise.all(["first", "second"].map((text) => client.command(send(text, "a"))));
    expect(answers).toMatchObject([
      { type: "ack", seq: 3 },
      { type: "error", code: "conflict", seq: 3 },
    ]);
  });

  test("is compared exactly", async () => {
    const client = await server.connectV2(await server.createRoom([alice]), alice);
    const names = ["a", "A", "a ", " a", "á", "a\u0301", "1", "01", "1.0", "__proto__", "constructor"];
    names.push("' OR 1=1 --", "%", "_", "\u0001", "👍".repeat(64), "x".repeat(64));
    for (let repeat = 0; repeat < 2; repeat++)
      for (const [index, name] of names.entries())
        expect(await client.ack(send("hello", name))).toMatchObject({ seq: index + 1 });
    expect(client.known().map(({ client_id }) => client_id)).toEqual(names);
  });

  test("is not used up by a message that was refused", async () => {
    const { client } = await pair();
    expect((await client.error({ ...send("hello", "a"), reply_to: 3 })).code).toBe("message_not_found");
    expect((await client.error(send("  ", "a"))).code).toBe("invalid_message");
    expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 3, rev: 3 });
  });
});

test("without a client_id a repeated text is another message; the id of the command does not count", async () => {
  const room = await server.createRoom([alice]);
  const raw = await connectRaw("chat.v2", server.host, room, await server.token(alice));
  raw.write(encodeText("chat.v2", "hello"), encodeText("chat.v2", "hello"));
  expect([await raw.nextOf("ack"), await raw.nextOf("ack")]).toMatchObject([{ seq: 1 }, { seq: 2 }]);
  raw.destroy();
});

test("a command that could not be stored is refused and can be sent again", async () => {
  const { client, other } = await pair();
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  try {
    for (const command of [send("hello", "a"), { type: "edit", seq: 1, text: "x" }, liked] as const)
      expect(await client.error(command)).toMatchObject({ code: "storage_unavailable" });
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
  expect(await client.ack(send("hello", "a"))).toMatchObject({ seq: 3, rev: 3 });
  await other.reach(3);
  expect(other.known().map(({ text }) => text)).toEqual(["one", "two", "hello"]);
});
