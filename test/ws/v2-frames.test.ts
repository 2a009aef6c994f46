import { expect, test } from "bun:test";

import { decodeJwt } from "jose";

import type { Command } from "../../src/protocol/schemas.ts";
import { connectV2, type V2Frame } from "../support/client.ts";
import { encodeFrame, openRaw } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// The frames of chat.v2 byte for byte: their keys in the order of the protocol document, and no others.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "7", PARLEY_MESSAGE_BURST: "70" } });

const alice = "alice@example.com";
const me = { id: `user|${alice}`, email: alice, name: null };
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** A room with one member, and their connection. */
async function open(email = alice) {
  const room = await server.createRoom([email]);
  const token = await server.token(email);
  const raw = await openRaw("chat.v2", server.host, room, token);
  /** The next frame that is not about presence. */
  const next = async (): Promise<{ text: string; frame: V2Frame }> => {
    const text = await raw.nextPayload();
    const frame = JSON.parse(text) as V2Frame;
    return frame.type === "presence" ? next() : { text, frame };
  };
  const send = (command: Command) => raw.write(encodeFrame(JSON.stringify(command)));
  /** Sends a command and returns the change that it makes. */
  const change = async (command: Command) => {
    send(command);
    const { text, frame } = await next();
    if (frame.type !== "change") throw new Error(`not a change: ${text}`);
    return { text, message: frame.message };
  };
  const firstFrame = await raw.nextPayload();
  return { room, token, raw, next, send, change, firstFrame };
}

function expectTime(time: string | undefined) {
  expect(time).toMatch(timePattern);
  return time;
}

test("hello", async () => {
  const { room, token, raw, change, firstFrame } = await open();
  const empty = JSON.parse(firstFrame) as { room: { created_at: string } };
  const { created_at } = empty.room;
  expect(created_at).toMatch(timePattern);
  const { exp = 0 } = decodeJwt(token);
  const hello = (rev: number, resumed: boolean, messages: unknown[]) =>
    JSON.stringify({
      type: "hello",
      room: {
        id: room,
        name: room,
        role: "member",
        access: "members",
        posting: "members",
        slow_mode: 0,
        seq: rev,
        rev,
        created_at,
      },
      me,
      rev,
      resumed,
      messages,
      online: [me],
      token_expires_at: new Date(exp * 1000).toISOString(),
      limits: { text_bytes: 16_384, frame_bytes: 65_536, rate: 7, burst: 70 },
    });
  expect(firstFrame).toBe(hello(0, false, []));
  const { message } = await change({ type: "send", id: "1", text: "hi" });
  for (const [since, resumed] of [
    [undefined, false],
    [0, true],
  ] as const) {
    const again = await openRaw("chat.v2", server.host, room, token, since);
    expect(await again.nextPayload()).toBe(hello(1, resumed, [message]));
    again.destroy();
  }
  raw.destroy();
});

test("change and ack, of a message that is sent, answered, reacted to, edited and deleted", async () => {
  const { room, raw, next, send, change } = await open();
  const changeFrame = (kind: string, message: unknown) =>
    JSON.stringify({ type: "change", room, kind, message });
  const expectAck = async (id: string, seq: number, rev: number) =>
    expect((await next()).text).toBe(JSON.stringify({ type: "ack", room, id, seq, rev }));

  const plain = await change({ type: "send", id: "1", text: "hi" });
  const sent_at = expectTime(plain.message.sent_at);
  expect(plain.text).toBe(
    changeFrame("created", { seq: 1, rev: 1, sender: me, text: "hi", sent_at, reactions: [] }),
  );
  await expectAck("1", 1, 1);

  const answer = await change({ type: "send", id: "2", text: "ho", client_id: "mine", reply_to: 1 });
  const second = { seq: 2, rev: 2, sender: me, text: "ho", sent_at: expectTime(answer.message.sent_at) };
  const named = { reply_to: 1, client_id: "mine" };
  expect(answer.text).toBe(changeFrame("created", { ...second, ...named, reactions: [] }));
  await expectAck("2", 2, 2);

  const reacted = await change({ type: "react", id: "3", seq: 2, emoji: "👍🏽", on: true });
  const reactions = [{ emoji: "👍🏽", by: [me.id] }];
  expect(reacted.text).toBe(changeFrame("reacted", { ...second, rev: 3, ...named, reactions }));
  await expectAck("3", 2, 3);

  const edited = await change({ type: "edit", id: "4", seq: 2, text: "hoho" });
  const edited_at = expectTime(edited.message.edited_at);
  expect(edited.text).toBe(
    changeFrame("edited", { ...second, rev: 4, text: "hoho", edited_at, ...named, reactions }),
  );
  await expectAck("4", 2, 4);

  const deleted = await change({ type: "delete", id: "5", seq: 2 });
  const deleted_at = expectTime(deleted.message.deleted_at);
  expect(deleted.text).toBe(
    changeFrame("deleted", {
      ...second,
      rev: 5,
      text: "",
      edited_at,
      deleted_at,
      ...named,
      reactions: [],
    }),
  );
  await expectAck("5", 2, 5);

  // Commands that change nothing have the room's own position in their ack.
  send({ type: "read", id: "6", seq: 0 });
  await expectAck("6", 2, 5);
  send({ type: "auth", id: "7", token: await server.token(alice) });
  await expectAck("7", 2, 5);
  send({ type: "ping", id: "8" });
  await expectAck("8", 2, 5);
  raw.destroy();
});

test("error", async () => {
  const { room, raw, next, send } = await open();
  send({ type: "edit", id: "1", seq: 9, text: "x" });
  const [code, message] = ["message_not_found", "There is no such message in this room."];
  expect((await next()).text).toBe(JSON.stringify({ type: "error", room, id: "1", code, message }));
  raw.write(encodeFrame("hello"));
  const { text, frame } = await next();
  if (frame.type !== "error") throw new Error(text);
  expect(text).toBe(JSON.stringify({ type: "error", room, code: "invalid_command", message: frame.message }));
  send({ type: "send", id: "2", text: "one", client_id: "a" });
  for (const type of ["change", "ack"] as const) expect((await next()).frame.type).toBe(type);
  send({ type: "send", id: "3", text: "two", client_id: "a" });
  const conflict = await next();
  if (conflict.frame.type !== "error") throw new Error(conflict.text);
  const { message: why } = conflict.frame;
  expect(conflict.text).toBe(
    JSON.stringify({ type: "error", room, id: "3", code: "conflict", message: why, seq: 1 }),
  );
  raw.destroy();
});

test("error with the time after which to try again", async () => {
  const { room, raw, next, send } = await open("flora@example.com");
  for (let n = 0; n < 80; n++) send({ type: "delete", id: `${n}`, seq: 1 });
  for (;;) {
    const { text, frame } = await next();
    if (frame.type !== "error") throw new Error(text);
    const { id, code, message, retry_after_ms } = frame;
    if (code === "message_not_found") continue;
    expect(text).toBe(JSON.stringify({ type: "error", room, id, code, message, retry_after_ms }));
    expect(code).toBe("rate_limited");
    // At seven commands a second.
    expect(retry_after_ms).toBeInteger();
    expect(retry_after_ms).toBeWithin(1, 144);
    break;
  }
  raw.destroy();
});

test("users have the email and name of their token, or null; the role is that of the member", async () => {
  const claims = { sub: "nobody|1", email: undefined, name: 'Zoë "Z" 👩‍🚀' };
  const room = await server.createRoom([]);
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { sub: claims.sub }, "owner"),
  );
  const { hello } = await connectV2(server.host, room, { token: await server.token("", { claims }) });
  const user = { id: claims.sub, email: null, name: claims.name };
  expect(hello).toMatchObject({ room: { role: "owner" }, me: user, online: [user] });
});
