import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import { type ClassicClient, connectClassic } from "../support/client.ts";
import {
  connectRaw,
  encodeFrame,
  encodeText,
  handshake,
  opcodes,
  openRaw,
  RawConnection,
} from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

// `classic`: what clients of the Django Channels server rely on. What both dialects promise is in the other files.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

/** The text of the first frame. */
async function firstFrame(room: string, token: string): Promise<string> {
  const raw = await openRaw("classic", server.host, room, token);
  const payload = await raw.nextPayload();
  raw.destroy();
  return payload;
}

/** Sends messages and waits for their broadcasts. */
async function say(client: ClassicClient, ...texts: string[]): Promise<void> {
  for (const text of texts) client.post(text);
  for (const text of texts) expect(await client.nextText()).toBe(text);
}

describe("the first frame", () => {
  test("of an empty room is []", async () => {
    const room = await server.createRoom([alice]);
    expect(await firstFrame(room, await server.token(alice))).toBe("[]");
  });

  test("is the last 50 messages, oldest first, each with text and sender_email alone", async () => {
    const room = await server.createRoom([alice, bob]);
    const emails = [alice, bob];
    const clients = await Promise.all(emails.map((email) => server.connectClassic(room, email)));
    for (let n = 1; n <= 60; n++) {
      clients[n % 2]?.post(`message ${n}`);
      for (const client of clients) expect(await client.nextText()).toBe(`message ${n}`);
    }
    const last = Array.from({ length: 50 }, (_, index) => index + 11);
    expect(await firstFrame(room, await server.token(alice))).toBe(
      JSON.stringify(last.map((n) => ({ text: `message ${n}`, sender_email: emails[n % 2] }))),
    );
  });

  test("shows messages that were sent while the client was away", async () => {
    const room = await server.createRoom([alice, bob]);
    const [leaving, staying] = [
      await server.connectClassic(room, alice),
      await server.connectClassic(room, bob),
    ];
    await say(leaving, "bye");
    expect(await staying.nextText()).toBe("bye");
    await leaving.close();
    await say(staying, "one", "two");
    const back = await server.connectClassic(room, alice);
    expect(back.history).toEqual([
      { text: "bye", sender_email: alice },
      { text: "one", sender_email: bob },
      { text: "two", sender_email: bob },
    ]);
    await say(staying, "three");
    expect(await back.nextText()).toBe("three");
  });

  test("shows edited texts and leaves deleted messages out; the changes themselves are not sent", async () => {
    const room = await server.createRoom([alice, bob]);
    const [v2, classic] = [await server.connectV2(room, alice), await server.connectClassic(room, bob)];
    for (const text of ["one", "two", "three"]) await v2.say(text);
    await v2.ack({ type: "edit", seq: 1, text: "one, edited" });
    await v2.ack({ type: "delete", seq: 2 });
    await v2.ack({ type: "react", seq: 3, emoji: "👍", on: true });
    await v2.say("four");
    for (const text of ["one", "two", "three", "four"])
      expect(await classic.next()).toStrictEqual({ message: text });
    expect((await server.connectClassic(room, bob)).history).toStrictEqual(
      ["one, edited", "three", "four"].map((text) => ({ text, sender_email: alice })),
    );
  });

  test("names a sender without an email by their id, with a token that the provider issued itself", async () => {
    const token = await server.issuer.grant();
    const room = await server.createRoom([]);
    const client = await connectClassic(server.host, room, { token });
    await say(client, "from the back end");
    const item = { text: "from the back end", sender_email: "backend" };
    expect(JSON.parse(await firstFrame(room, token))).toEqual([item]);
  });

  test("is [] when the history cannot be read; the connection lives, and the failure is counted and logged", async () => {
    const room = await server.createRoom([alice]);
    const before = await server.connectClassic(room, alice);
    await say(before, "stored");
    const failures = await server.metric("parley_history_failures_total");
    using database = new Database(server.config.database);
    database.run("ALTER TABLE messages RENAME TO hidden");
    let late: ClassicClient;
    try {
      late = await server.connectClassic(room, alice);
    } finally {
      database.run("ALTER TABLE hidden RENAME TO messages");
    }
    expect(late.history).toEqual([]);
    expect(await server.metric("parley_history_failures_total")).toBe(failures + 1);
    const msg = expect.stringContaining("history could not be read");
    expect(server.logs).toContainEqual(expect.objectContaining({ level: 50, msg }));
    await say(late, "still works");
    expect(await before.nextText()).toBe("still works");
    expect((await server.connectClassic(room, alice)).initialTexts).toEqual(["stored", "still works"]);
  });
});

test("a broadcast has the key message and no other; other keys of the sender's frame are ignored", async () => {
  const room = await server.createRoom([alice, bob]);
  const [raw, other] = [
    await connectRaw("classic", server.host, room, await server.token(alice)),
    await server.connectClassic(room, bob),
  ];
  const frame = { type: "chat_message", message: "Hello!", sender_email: bob, text: "?", id: [1, { a: 2 }] };
  raw.write(encodeFrame(JSON.stringify(frame)));
  expect(await raw.nextPayload()).toBe('{"message":"Hello!"}');
  expect(await other.next()).toStrictEqual({ message: "Hello!" });
  expect((await server.connectClassic(room, bob)).history).toStrictEqual([
    { text: "Hello!", sender_email: alice },
  ]);
  raw.destroy();
});

test.each<[name: string, frame: string | Buffer]>([
  ["text that is not JSON", "hello"],
  ["an empty frame", ""],
  ["half a JSON object", '{"message":"x"'],
  ["an object with something after it", '{"message":"x"}x'],
  ["an array", "[]"],
  ["an array of a message", '[{"message":"x"}]'],
  ["null", "null"],
  ["a string", '"x"'],
  ["a number", "1"],
  ["an object without a message", "{}"],
  ["a message that is a number", '{"message":1}'],
  ["a message that is a boolean", '{"message":true}'],
  ["a message that is null", '{"message":null}'],
  ["a message that is an object", '{"message":{"toString":"x"}}'],
  ["a message that is an array", '{"message":["x"]}'],
  ["a message in __proto__", '{"__proto__":{"message":"x"}}'],
  ["a message in a constructor's prototype", '{"constructor":{"prototype":{"message":"x"}}}'],
  ["a key in another case", '{"Message":"x"}'],
  ["arrays as deep as a frame allows", "[".repeat(65_536)],
  ["objects as deep as a frame allows", '{"message":'.repeat(5900)],
  ["a binary frame", encodeFrame('{"message":"x"}', { opcode: opcodes.binary })],
  ["a command of chat.v2", '{"type":"send","id":"1","text":"x"}'],
])("%s is answered with an error, to the sender alone, and nothing is stored", async (_, frame) => {
  const room = await server.createRoom([alice, bob]);
  const raw = await connectRaw("classic", server.host, room, await server.token(alice));
  const listener = await server.connectClassic(room, bob);
  raw.write(Buffer.isBuffer(frame) ? frame : encodeFrame(frame));
  const error = { code: "invalid_message", message: expect.stringMatching(/./) };
  expect(await raw.next()).toStrictEqual({ error });
  raw.write(encodeText("classic", "fine"));
  expect(await raw.next()).toEqual({ message: "fine" });
  expect(await listener.next()).toEqual({ message: "fine" });
  expect((await server.connectClassic(room, bob)).initialTexts).toEqual(["fine"]);
  raw.destroy();
});

test("notices are not sent: typing, read marks, presence, members and names", async () => {
  const room = await server.createRoom([alice, bob]);
  const [v2, classic] = [await server.connectV2(room, alice), await server.connectClassic(room, bob)];
  v2.send({ type: "typing" });
  await v2.say("one");
  const tab = await server.connectV2(room, bob);
  await tab.ack({ type: "read", seq: 1 });
  await tab.close();
  await server.asOperator(async (chat, operator) => {
    await chat.rooms.setMember(operator, room, { email: "carol@example.com" }, "member");
    await chat.rooms.change(operator, room, { name: "Another name" });
  });
  await v2.say("two");
  for (const text of ["one", "two"]) expect(await classic.next()).toStrictEqual({ message: text });
  expect(classic.unread()).toEqual([]);
});

test("a client that has left gets nothing more, and the others go on", async () => {
  const room = await server.createRoom([alice, bob]);
  const [leaving, cut] = [await server.connectClassic(room, alice), await server.connectClassic(room, alice)];
  const staying = await server.connectClassic(room, bob);
  const connections = await server.metric("parley_connections");
  await leaving.close();
  cut.socket.terminate();
  const isGone = async () => (await server.metric("parley_connections")) === connections - 2;
  await waitUntil("both have left", isGone);
  await say(staying, "still here");
  expect([...leaving.unread(), ...cut.unread()]).toEqual([]);
});

describe("clients of the old server", () => {
  test("connect with new WebSocket(url, ['classic', 'bearer.<jwt>']) and no header", async () => {
    const room = await server.createRoom([alice]);
    const protocols = ["classic", `bearer.${await server.token(alice)}`];
    const client = await connectClassic(server.host, room, { protocols });
    expect([client.protocol, client.history]).toEqual(["classic", []]);
    await say(client, "Hello from frontend!");
  });

  test("connect with new WebSocket(url) once their page has posted the token to /api/session", async () => {
    const room = await server.createRoom([alice]);
    const authorization = `Bearer ${await server.token(alice)}`;
    const session = await fetch(`${server.url}/api/session`, { method: "POST", headers: { authorization } });
    expect(session.status).toBe(204);
    const [cookie = ""] = session.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
    const client = await connectClassic(server.host, room, { headers: { cookie, origin: server.url } });
    expect([client.protocol, client.history]).toEqual(["", []]);
    await say(client, "Hello from frontend!");
  });

  test("connect with exactly the headers of Postman", async () => {
    const room = await server.createRoom([alice]);
    const raw = await RawConnection.open(server.host);
    const headers = {
      host: undefined,
      authorization: `Bearer ${await server.token(alice)}`,
      "sec-websocket-key": "4vKYpOlmdFUgCb9aYnUdQQ==",
      // The server may decline compression.
      "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
      Host: server.host,
    };
    raw.write(handshake(server.host, `/ws/chat/${room}/`, headers));
    const answer = await raw.answer();
    expect(answer.status).toBe(101);
    expect(answer.headers.get("sec-websocket-accept")).toBe("qHgxK9MhYHDh1XZIx9CHu9f0cQg=");
    expect(answer.headers.has("sec-websocket-extensions")).toBe(false);
    expect(answer.headers.has("sec-websocket-protocol")).toBe(false);
    expect(await raw.next()).toEqual([]);
    raw.write(encodeText("classic", "Hello, this is a test message!"));
    expect(await raw.nextPayload()).toBe('{"message":"Hello, this is a test message!"}');
    raw.destroy();
  });
});
