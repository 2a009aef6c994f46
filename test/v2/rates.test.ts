import { expect, test } from "bun:test";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { connectV2 } from "../support/client.ts";
import {
  classicMessage,
  connectRawClassic,
  connectRawV2,
  encodeFrame,
  type RawConnection,
} from "../support/raw.ts";
import { newRoomId, useServer } from "../support/server.ts";

// What a user may ask for in a second. One in 50 seconds comes back: no machine is so slow that it would count.

const server = useServer({
  env: { PARLEY_MESSAGE_RATE: "0.02", PARLEY_MESSAGE_BURST: "5", PARLEY_CONNECTIONS_PER_USER: "0" },
});
const { token } = server;

let users = 0;
const newUser = () => `user-${++users}@example.com`;

async function open(email = newUser()): Promise<{ room: string; email: string; raw: RawConnection }> {
  const room = newRoomId();
  await server.createRoom([email], { id: room });
  const raw = await connectRawV2(server.host, room, await token(email));
  return { room, email, raw };
}

const command = (type: string, id: number, more = {}) =>
  encodeFrame(JSON.stringify({ type, id: `${id}`, ...more }));
const send = (id: number) => command("send", id, { text: "x" });
const read = (id: number) => command("read", id, { seq: 0 });

/** How so many commands were answered, as their acks and codes in the order of their ids. */
async function answers(raw: RawConnection, count: number): Promise<string[]> {
  const heard: string[] = [];
  for (let n = 0; n < count;) {
    const answer = (await raw.next()) as ServerFrame;
    if (answer.type !== "ack" && answer.type !== "error") continue;
    heard[Number(answer.id ?? n)] = answer.type === "ack" ? "ack" : answer.code;
    n++;
  }
  return heard;
}

const times = (count: number, answer: string) => Array.from({ length: count }, () => answer);

test("a user may do as much at once as his burst is, whatever it is, and refused commands count, too", async () => {
  const { raw } = await open();
  raw.write(
    send(0),
    command("edit", 1, { seq: 1, text: "y" }),
    command("react", 2, { seq: 1, emoji: "👍", on: true }),
    command("shout", 3),
    command("delete", 4, { seq: 99 }),
    send(5),
    command("delete", 6, { seq: 1 }),
    command("shout", 7),
  );
  expect(await answers(raw, 8)).toEqual([
    "ack",
    "ack",
    "ack",
    "invalid_command",
    "message_not_found",
    ...times(3, "rate_limited"),
  ]);
  raw.destroy();
});

test("of read marks he may send ten times as many, also when nothing else is taken of him any more", async () => {
  const { raw } = await open();
  raw.write(...Array.from({ length: 8 }, (_, id) => send(id)));
  expect(await answers(raw, 8)).toEqual([...times(5, "ack"), ...times(3, "rate_limited")]);
  raw.write(...Array.from({ length: 60 }, (_, id) => read(id)));
  expect(await answers(raw, 60)).toEqual([...times(50, "ack"), ...times(10, "rate_limited")]);
  raw.destroy();
});

test("typing is charged as a read mark is, and a refusal of it has its id, if it has one", async () => {
  const { raw } = await open();
  raw.write(...Array.from({ length: 50 }, () => encodeFrame('{"type":"typing"}')), read(0));
  expect(await answers(raw, 1)).toEqual(["rate_limited"]);
  raw.write(encodeFrame('{"type":"typing"}'), encodeFrame('{"type":"typing","id":"t"}'));
  const errors: unknown[] = [];
  while (errors.length < 2) {
    const heard = (await raw.next()) as ServerFrame;
    if (heard.type === "error") errors.push(heard);
  }
  expect(errors).toMatchObject([{ code: "rate_limited" }, { code: "rate_limited", id: "t" }]);
  expect(errors[0]).not.toHaveProperty("id");
  raw.destroy();
});

test("both dialects, all tabs and the HTTP API share one rate", async () => {
  const { room, email, raw } = await open();
  const classic = await connectRawClassic(server.host, room, await token(email));
  const tab = await connectV2(server.host, room, { token: await token(email) });
  raw.write(send(0), send(1));
  expect(await answers(raw, 2)).toEqual(times(2, "ack"));
  classic.write(classicMessage("one"), classicMessage("two"));
  for (const text of ["x", "x", "one", "two"]) expect(await classic.next()).toEqual({ message: text });
  const ask = async (method: string, path: string, body: string) => {
    const headers = { authorization: `Bearer ${await token(email)}` };
    return (await fetch(`${server.url}/api/rooms/${room}${path}`, { method, headers, body })).status;
  };
  // Refused for what it is, and charged all the same.
  expect(await ask("PATCH", "", '{"name":"mine"}')).toBe(403);
  expect((await tab.error({ type: "send", text: "too much" })).code).toBe("rate_limited");
  expect(await ask("PATCH", "", '{"name":"mine"}')).toBe(429);
  // As on the socket, a read mark costs less.
  for (let n = 0; n < 40; n++) expect(await ask("PUT", "/read", '{"seq":1}')).toBe(200);
  // Not so what is only called alike.
  expect(await ask("PUT", "/members/read", "{}")).toBe(429);
  for (const one of [raw, classic]) one.destroy();
});

test("what one user does too much of is not taken from another, and an administrator has no rate", async () => {
  const { room, raw } = await open();
  raw.write(...Array.from({ length: 8 }, (_, id) => send(id)));
  await answers(raw, 8);
  const claims = { permissions: ["chat:admin"] };
  const admin = await connectV2(server.host, room, {
    token: await server.issuer.sign(newUser(), { claims }),
  });
  for (let n = 0; n < 20; n++) await admin.say("as I like");
  const other = await open();
  other.raw.write(send(0));
  expect(await answers(other.raw, 1)).toEqual(["ack"]);
  for (const one of [raw, other.raw]) one.destroy();
});

test("fifty refusals are one too many: the connection is closed with 4429; what was taken at another price makes up for none", async () => {
  const { raw, room, email } = await open();
  raw.write(...Array.from({ length: 5 }, (_, id) => send(id)));
  expect(await answers(raw, 5)).toEqual(times(5, "ack"));
  raw.write(...Array.from({ length: 29 }, (_, id) => send(id)));
  expect(await answers(raw, 29)).toEqual(times(29, "rate_limited"));
  raw.write(...Array.from({ length: 20 }, (_, id) => read(id)));
  expect(await answers(raw, 20)).toEqual(times(20, "ack"));
  raw.write(...Array.from({ length: 20 }, (_, id) => send(id)));
  expect(await answers(raw, 20)).toEqual(times(20, "rate_limited"));
  raw.write(send(0));
  expect(await raw.close()).toEqual({ code: 4429, reason: "rate_limited" });
  // He may come back, and begins anew.
  const again = await connectRawV2(server.host, room, await token(email));
  again.write(send(0), read(1));
  expect(await answers(again, 2)).toEqual(["rate_limited", "ack"]);
  again.destroy();
});

test("a fresh token is taken of whoever has used up his commands", async () => {
  const { raw, email } = await open();
  raw.write(...Array.from({ length: 6 }, (_, id) => send(id)));
  expect(await answers(raw, 6)).toEqual([...times(5, "ack"), "rate_limited"]);
  raw.write(command("auth", 0, { token: await token(email) }));
  expect(await answers(raw, 1)).toEqual(["ack"]);
  raw.destroy();
});
