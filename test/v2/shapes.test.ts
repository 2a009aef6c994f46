import { expect, test } from "bun:test";

import type { MessageBody, ServerFrame } from "../../src/protocol/frames.ts";
import { encodeFrame, handshake, RawConnection } from "../support/raw.ts";
import { newRoomId, useServer } from "../support/server.ts";

// Frames to the byte: their keys, in the order of the contract, and no others.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "7", PARLEY_MESSAGE_BURST: "70" } });
const { token } = server;

const alice = "alice@example.com";
/** The one who uses up his own rate. */
const flooder = "flora@example.com";
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const user = { id: `user|${alice}`, email: alice, name: null };

/** A room, and its only member's bare connection to it. */
async function open(bearer: string, email = alice) {
  const room = newRoomId();
  await server.createRoom([email], { id: room });
  const raw = await RawConnection.open(server.host);
  const headers = { authorization: `Bearer ${bearer}`, "sec-websocket-protocol": "chat.v2" };
  raw.write(handshake(server.host, `/ws/chat/${room}/`, headers));
  await raw.answer();
  /** The next frame that is not about presence: its text, and what it says. */
  const next = async () => {
    for (;;) {
      const text = String((await raw.frame()).payload);
      const json = JSON.parse(text) as ServerFrame;
      if (json.type !== "presence") return { text, json };
    }
  };
  const say = (command: unknown) => raw.write(encodeFrame(JSON.stringify(command)));
  /** Sends a command: the change that it makes, as text and as JSON. */
  const change = async (command: unknown) => {
    say(command);
    const { text, json } = await next();
    if (json.type !== "change") throw new Error(`not a change: ${text}`);
    return { text, ...json };
  };
  return { room, raw, next, say, change };
}

const ack = (id: string, seq: number, rev: number) => JSON.stringify({ type: "ack", id, seq, rev });
const body = (kind: string, message: unknown) => JSON.stringify({ type: "change", kind, message });

const times = (message: MessageBody) => {
  expect(message.sent_at).toMatch(time);
  return message.sent_at;
};

test("a hello, of an empty room and of one with a message", async () => {
  const bearer = await token(alice);
  const { exp } = JSON.parse(Buffer.from(bearer.split(".")[1] ?? "", "base64url").toString()) as {
    exp: number;
  };
  const { room, raw, next, change } = await open(bearer);
  const empty = await next();
  if (empty.json.type !== "hello") throw new Error(empty.text);
  const { created_at } = empty.json.room;
  expect(created_at).toMatch(time);
  const hello = (seq: number, rev: number, messages: unknown[]) =>
    JSON.stringify({
      type: "hello",
      room: { id: room, name: room, role: "member", seq, rev, created_at },
      me: user,
      rev,
      resumed: false,
      messages,
      online: [user],
      token_expires_at: new Date(exp * 1000).toISOString(),
      limits: { text_bytes: 16_384, frame_bytes: 65_536, rate: 7, burst: 70 },
    });
  expect(empty.text).toBe(hello(0, 0, []));
  const { message } = await change({ type: "send", id: "1", text: "hi" });
  raw.destroy();
  const again = await RawConnection.open(server.host);
  const headers = { authorization: `Bearer ${bearer}`, "sec-websocket-protocol": "chat.v2" };
  again.write(handshake(server.host, `/ws/chat/${room}/`, headers));
  await again.answer();
  const second = String((await again.frame()).payload);
  expect(second).toBe(hello(1, 1, [message]));
  again.destroy();
});

test("a resumed hello and a change say the same of a message", async () => {
  const bearer = await token(alice);
  const { room, raw, next, change } = await open(bearer);
  await next();
  const { message, text } = await change({ type: "send", id: "1", text: "hi" });
  const resumed = await RawConnection.open(server.host);
  const headers = { authorization: `Bearer ${bearer}`, "sec-websocket-protocol": "chat.v2" };
  resumed.write(handshake(server.host, `/ws/chat/${room}/?since=0`, headers));
  await resumed.answer();
  const hello = String((await resumed.frame()).payload);
  expect(hello).toContain(`"rev":1,"resumed":true,"messages":[${JSON.stringify(message)}],"online":`);
  expect(text).toContain(JSON.stringify(message));
  for (const each of [raw, resumed]) each.destroy();
});

test("a message as it is made, answered, reacted to, edited and deleted", async () => {
  const { raw, next, say, change } = await open(await token(alice));
  await next();
  const plain = await change({ type: "send", id: "1", text: "hi" });
  const base = { seq: 1, rev: 1, sender: user, text: "hi", sent_at: times(plain.message), reactions: [] };
  expect(plain.text).toBe(body("created", base));
  expect((await next()).text).toBe(ack("1", 1, 1));

  const full = await change({ id: "2", reply_to: 1, client_id: "mine", text: "ho", type: "send" });
  const second = { seq: 2, rev: 2, sender: user, text: "ho", sent_at: times(full.message) };
  const named = { reply_to: 1, client_id: "mine" };
  expect(full.text).toBe(body("created", { ...second, ...named, reactions: [] }));
  expect((await next()).text).toBe(ack("2", 2, 2));

  const reacted = await change({ type: "react", id: "3", seq: 2, emoji: "👍🏽", on: true });
  const reactions = [{ emoji: "👍🏽", by: [user.id] }];
  expect(reacted.text).toBe(body("reacted", { ...second, rev: 3, ...named, reactions }));
  expect((await next()).text).toBe(ack("3", 2, 3));

  const edited = await change({ type: "edit", id: "4", seq: 2, text: "hoho" });
  const { edited_at } = edited.message;
  expect(edited_at).toMatch(time);
  expect(edited.text).toBe(
    body("edited", { ...second, rev: 4, text: "hoho", edited_at, ...named, reactions }),
  );
  expect((await next()).text).toBe(ack("4", 2, 4));

  const deleted = await change({ type: "delete", id: "5", seq: 2 });
  const { deleted_at } = deleted.message;
  expect(deleted_at).toMatch(time);
  const gone = { ...second, rev: 5, text: "", edited_at, deleted_at, ...named, reactions: [] };
  expect(deleted.text).toBe(body("deleted", gone));
  expect((await next()).text).toBe(ack("5", 2, 5));

  // A read mark has no change: the ack alone, with the room's own rev.
  say({ type: "read", id: "6", seq: 0 });
  expect((await next()).text).toBe(ack("6", 2, 5));
  say({ type: "auth", id: "7", token: await token(alice) });
  expect((await next()).text).toBe(ack("7", 2, 5));
  raw.destroy();
});

test("an error, with and without an id", async () => {
  const { raw, next, say } = await open(await token(alice));
  await next();
  say({ type: "edit", id: "1", seq: 9, text: "x" });
  const missing = { code: "message_not_found", message: "There is no such message in this room." };
  expect((await next()).text).toBe(JSON.stringify({ type: "error", id: "1", ...missing }));
  raw.write(encodeFrame("hello"));
  const bad = await next();
  if (bad.json.type !== "error") throw new Error(bad.text);
  const { message } = bad.json;
  expect(bad.text).toBe(JSON.stringify({ type: "error", code: "invalid_command", message }));
  raw.destroy();
});

test("an error that passes says when to try again", async () => {
  const { raw, next } = await open(await token(flooder), flooder);
  await next();
  raw.write(
    ...Array.from({ length: 80 }, (_, n) =>
      encodeFrame(JSON.stringify({ type: "delete", id: `${n}`, seq: 1 })),
    ),
  );
  for (;;) {
    const { text, json } = await next();
    if (json.type !== "error") throw new Error(text);
    const { id, code, message, retry_after_ms } = json;
    if (code === "message_not_found") continue;
    expect(text).toBe(JSON.stringify({ type: "error", id, code, message, retry_after_ms }));
    expect(code).toBe("rate_limited");
    expect(retry_after_ms).toBeInteger();
    expect(retry_after_ms).toBeGreaterThan(0);
    expect(retry_after_ms).toBeLessThanOrEqual(143);
    break;
  }
  raw.destroy();
});

test("a name and an email that a token has or has not are shown as they are", async () => {
  const claims = { sub: "nobody|1", email: undefined, name: 'Zoë "Z" 👩‍🚀' };
  const room = newRoomId();
  await server.createRoom([], { id: room });
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { sub: "nobody|1" }, "owner"),
  );
  const raw = await RawConnection.open(server.host);
  const headers = {
    authorization: `Bearer ${await server.issuer.sign("", { claims })}`,
    "sec-websocket-protocol": "chat.v2",
  };
  raw.write(handshake(server.host, `/ws/chat/${room}/`, headers));
  await raw.answer();
  const me = { id: "nobody|1", email: null, name: claims.name };
  expect(await raw.next()).toMatchObject({ type: "hello", room: { role: "owner" }, me, online: [me] });
  raw.destroy();
});
