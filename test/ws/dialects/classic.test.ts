import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { type ClassicClient, connectClassic, refusedWith } from "../../support/client.ts";
import { encodeText, openRaw, RawConnection } from "../../support/raw.ts";
import { unlimited, useServer } from "../../support/server.ts";
import { waitUntil } from "../../support/wait.ts";

// What clients of the Django Channels server rely on.

const server = useServer({ env: unlimited });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** The first frame, as the text that went over the wire. */
async function firstFrame(room: string, bearer: string): Promise<string> {
  const raw = await openRaw("classic", server.host, room, bearer);
  const text = await raw.nextPayload();
  raw.destroy();
  return text;
}

async function say(client: ClassicClient, ...texts: string[]): Promise<void> {
  for (const text of texts) client.send({ message: text });
  for (const text of texts) expect(await client.next()).toEqual({ message: text });
}

test("an empty room's history is []", async () => {
  const room = await createRoom([alice]);
  expect(await firstFrame(room, await token(alice))).toBe("[]");
});

test("the first frame is the last 50 messages, oldest first, with text and sender_email and no other key", async () => {
  const room = await createRoom([alice, bob]);
  const clients = [await server.connectClassic(room, alice), await server.connectClassic(room, bob)] as const;
  const emails = [alice, bob];
  for (let n = 1; n <= 60; n++) {
    clients[n % 2 ? 1 : 0].send({ message: `message ${n}` });
    for (const client of clients) expect(await client.next()).toEqual({ message: `message ${n}` });
  }
  const expected = Array.from({ length: 50 }, (_, index) => ({
    text: `message ${index + 11}`,
    sender_email: emails[(index + 11) % 2 ? 1 : 0],
  }));
  const frame = await firstFrame(room, await token(alice));
  expect(JSON.parse(frame)).toStrictEqual(expected);
});

test("when the history cannot be read the first frame is [], the connection works, and it is counted and logged", async () => {
  const room = await createRoom([alice]);
  const before = await server.connectClassic(room, alice);
  await say(before, "remembered");
  const failures = await server.metric("parley_history_failures_total");
  using database = new Database(server.config.database);
  database.run("ALTER TABLE messages RENAME TO hidden");
  let late: ClassicClient;
  try {
    late = await connectClassic(server.host, room, { token: await token(alice) });
    expect(late.history).toEqual([]);
  } finally {
    database.run("ALTER TABLE hidden RENAME TO messages");
  }
  expect(await server.metric("parley_history_failures_total")).toBe(failures + 1);
  expect(server.logs).toContainEqual(
    expect.objectContaining({ level: 50, msg: expect.stringContaining("history could not be read") }),
  );
  await say(late, "still works");
  expect(await before.next()).toEqual({ message: "still works" });
  expect(JSON.parse(await firstFrame(room, await token(alice)))).toHaveLength(2);
});

test("a message goes to everyone in the room, the sender included, with the key message and no other", async () => {
  const room = await createRoom([alice, bob]);
  const other = await createRoom([alice, bob]);
  const clients = [await server.connectClassic(room, alice), await server.connectClassic(room, bob)] as const;
  const elsewhere = await server.connectClassic(other, bob);
  clients[0].send({ message: "Hello, how are you?" });
  for (const client of clients) expect(await client.next()).toStrictEqual({ message: "Hello, how are you?" });
  // A message from the other room would come before this one.
  await say(elsewhere, "only here");
  expect(clients.flatMap((client) => client.unread())).toEqual([]);
});

test("a message that was broadcast is on disk", async () => {
  const room = await createRoom([alice]);
  const client = await server.connectClassic(room, alice);
  for (let n = 1; n <= 20; n++) {
    await say(client, `message ${n}`);
    const stored = await server.asOperator((chat, operator) => chat.messages(operator, room, { limit: 1 }));
    expect(stored).toMatchObject([{ seq: n, text: `message ${n}`, sender: { email: alice } }]);
  }
});

test("other keys beside message are ignored", async () => {
  const room = await createRoom([alice]);
  const client = await server.connectClassic(room, alice);
  client.send({ type: "chat_message", message: "Hello!", sender_email: bob, text: "?", id: [1, { a: 2 }] });
  expect(await client.next()).toStrictEqual({ message: "Hello!" });
  expect(JSON.parse(await firstFrame(room, await token(alice)))).toStrictEqual([
    { text: "Hello!", sender_email: alice },
  ]);
});

test("a text comes back as it was sent", async () => {
  const room = await createRoom([alice]);
  const client = await server.connectClassic(room, alice);
  const texts = [
    '"\\/\b\f\n\r\t',
    "  spaces around  ",
    "żółw 你好 👩‍👩‍👧 \u202e",
    "</script>\u2028",
    "{}",
    "0",
    "control\u0001\u007f",
  ];
  await say(client, ...texts);
  expect(JSON.parse(await firstFrame(room, await token(alice)))).toEqual(
    texts.map((text) => ({ text, sender_email: alice })),
  );
});

test("a user who disconnects receives nothing more, and the others go on", async () => {
  const room = await createRoom([alice, bob]);
  const leaving = await server.connectClassic(room, alice);
  const cut = await server.connectClassic(room, alice);
  const staying = await server.connectClassic(room, bob);
  const connections = await server.metric("parley_connections");
  await leaving.close();
  cut.socket.terminate();
  await waitUntil(
    "both have left",
    async () => (await server.metric("parley_connections")) === connections - 2,
  );
  await say(staying, "still here");
  expect([...leaving.unread(), ...cut.unread()]).toEqual([]);
});

test("a user who comes back finds in the history what was said in the meantime", async () => {
  const room = await createRoom([alice, bob]);
  const leaving = await server.connectClassic(room, alice);
  const staying = await server.connectClassic(room, bob);
  await say(leaving, "bye");
  expect(await staying.next()).toEqual({ message: "bye" });
  await leaving.close();
  await say(staying, "one", "two");
  const back = await connectClassic(server.host, room, { token: await token(alice) });
  expect(back.history).toEqual([
    { text: "bye", sender_email: alice },
    { text: "one", sender_email: bob },
    { text: "two", sender_email: bob },
  ]);
  await say(staying, "three");
  expect(await back.next()).toEqual({ message: "three" });
});

test("in many rooms with many members no message reaches another room, none is lost, and all see one order", async () => {
  const emails = ["ann", "ben", "cat", "dan", "eve"].map((name) => `${name}@example.com`);
  const rooms = await Promise.all(Array.from({ length: 10 }, () => createRoom([...emails])));
  const groups = await Promise.all(
    rooms.map(async (room) => ({
      room,
      clients: await Promise.all(
        emails.map(async (email) => ({ email, client: await server.connectClassic(room, email) })),
      ),
    })),
  );
  const rounds = [1, 2, 3, 4, 5];
  for (const round of rounds)
    for (const { room, clients } of groups)
      for (const { email, client } of clients) client.send({ message: `${room} ${email} ${round}` });
  for (const { room, clients } of groups) {
    const expected = rounds.flatMap((round) =>
      emails.map((email) => ({ message: `${room} ${email} ${round}` })),
    );
    const heard = await Promise.all(
      clients.map(({ client }) => Promise.all(expected.map(() => client.next()))),
    );
    for (const frames of heard) expect(frames).toEqual(heard[0] ?? []);
    expect(new Set(heard[0]?.map((frame) => JSON.stringify(frame)))).toEqual(
      new Set(expected.map((frame) => JSON.stringify(frame))),
    );
  }
  expect(groups.flatMap(({ clients }) => clients.flatMap(({ client }) => client.unread()))).toEqual([]);
});

test("the front end connects with the subprotocols classic and bearer.<token>, without any header", async () => {
  const room = await createRoom([alice]);
  const bearer = await token(alice);
  const client = await connectClassic(server.host, room, { protocols: ["classic", `bearer.${bearer}`] });
  expect(client.protocol).toBe("classic");
  expect(client.history).toEqual([]);
  await say(client, "Hello from frontend!");
});

test("the unchanged front end connects once its page has posted the token to /api/session", async () => {
  const room = await createRoom([alice]);
  const { host, url } = server;
  const authorization = `Bearer ${await token(alice)}`;
  const session = await fetch(`${url}/api/session`, { method: "POST", headers: { authorization } });
  expect(session.status).toBe(204);
  const [cookie = ""] = session.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
  const client = await connectClassic(host, room, { headers: { cookie, origin: url } });
  expect(client.protocol).toBe("");
  expect(client.history).toEqual([]);
  await say(client, "Hello from frontend!");
  // Without an Origin, which every page sends, the cookie does not count.
  expect(await refusedWith(connectClassic(host, room, { headers: { cookie } }))).toBe("401 unauthorized");
});

test("the steps in Postman give the same frames", async () => {
  const room = await createRoom([alice]);
  const { host } = server;
  const raw = await RawConnection.open(host);
  // The headers that Postman sends. It offers compression, which the server may decline.
  raw.write(
    [
      `GET /ws/chat/${room}/ HTTP/1.1`,
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: 4vKYpOlmdFUgCb9aYnUdQQ==",
      "Connection: Upgrade",
      "Upgrade: websocket",
      `Authorization: Bearer ${await token(alice)}`,
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
      `Host: ${host}`,
      "",
      "",
    ].join("\r\n"),
  );
  const { status, headers } = await raw.answer();
  expect(status).toBe(101);
  expect(headers.get("sec-websocket-accept")).toBe("qHgxK9MhYHDh1XZIx9CHu9f0cQg=");
  expect(headers.has("sec-websocket-extensions")).toBe(false);
  expect(headers.has("sec-websocket-protocol")).toBe(false);
  expect(await raw.next()).toEqual([]);
  raw.write(encodeText("classic", "Hello, this is a test message!"));
  expect(String((await raw.frame()).payload)).toBe('{"message":"Hello, this is a test message!"}');
  raw.destroy();
});

test("a token that the provider issued opens a connection, and without an email sender_email is the sub", async () => {
  const bearer = await server.issuer.grant();
  const room = await createRoom([]);
  const back = await connectClassic(server.host, room, { token: bearer });
  expect(back.history).toEqual([]);
  await say(back, "from the backend");
  expect(JSON.parse(await firstFrame(room, bearer))).toEqual([
    { text: "from the backend", sender_email: "backend" },
  ]);
});
