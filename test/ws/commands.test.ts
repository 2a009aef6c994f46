import { describe, expect, test } from "bun:test";

import { channels } from "../../src/http/documents/asyncapi.ts";
import { commandExamples } from "../../src/http/documents/examples.ts";
import { commandSchemas } from "../../src/protocol/schemas.ts";
import type { CommandInput, V2Client } from "../support/client.ts";
import { unlimited, useServer } from "../support/server.ts";

// The keys of the commands of chat.v2: which are needed, which values they take, and that others are refused.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";

/** A connection to a room with two messages. */
async function open(email = alice): Promise<V2Client> {
  const client = await server.connectV2(await server.createRoom([email]), email);
  for (const text of ["one", "two"]) await client.say(text);
  return client;
}

/** A valid command of each type, with all keys that it may have. */
const commands: Record<string, unknown>[] = [
  { type: "send", id: "1", room: "r", text: "x", client_id: "a", reply_to: 1 },
  { type: "edit", id: "1", room: "r", seq: 1, text: "x" },
  { type: "delete", id: "1", room: "r", seq: 1 },
  { type: "react", id: "1", room: "r", seq: 1, emoji: "👍", on: true },
  { type: "read", id: "1", room: "r", seq: 1 },
  { type: "typing", id: "1", room: "r" },
  { type: "open", id: "1", room: "r", since: 1 },
  { type: "close", id: "1", room: "r" },
  { type: "auth", id: "1", token: "x" },
  { type: "ping", id: "1" },
];
const byType = commands.map((command) => [String(command["type"]), command] as const);

const isOptional = (type: string, key: string) =>
  ["client_id", "reply_to", "since"].includes(key) ||
  (type === "typing" && key === "id") ||
  (type !== "open" && type !== "close" && key === "room");

/** JSON of wrong values for a key. As JSON, because JavaScript cannot hold some of these numbers. */
function wrongValues(value: unknown, type: string, key: string): string[] {
  const rooms = key === "room" ? ['""', '"."', '"a b"', '"a/b"', '"é"', JSON.stringify("a".repeat(101))] : [];
  if (typeof value === "string")
    return ["null", "0", "1", "true", "[]", '["x"]', "{}", '{"toString":"x"}', ...rooms];
  if (typeof value === "boolean") return ["null", "0", "1", '"true"', '""', "[]", "{}"];
  const zero = type === "read" || key === "since" ? [] : ["0", "-0"];
  const numbers = ["-1", "1.5", "0.1", "9007199254740992", "1e308", "1e400", "-1e400", ...zero];
  return [...numbers, "null", "true", "[]", "[1]", "{}", '{"valueOf":1}', '"1"', '""', '"NaN"'];
}

describe.each(byType)("%s", (type, command) => {
  test("is refused when a key is missing or has a wrong value, and the error names the key", async () => {
    const client = await open();
    for (const [key, value] of Object.entries(command)) {
      const { [key]: _, ...others } = command;
      const rest = JSON.stringify(others).slice(1, -1);
      const frames = wrongValues(value, type, key).map((wrong) => `{${rest},"${key}":${wrong}}`);
      if (!isOptional(type, key)) frames.push(`{${rest}}`);
      for (const frame of frames) {
        client.send(frame);
        const { code, id, message } = await client.next("error");
        expect([frame, code, id]).toEqual([frame, "invalid_command", key === "id" ? undefined : "1"]);
        expect(message).toContain(key);
      }
    }
    expect((await client.say("next")).rev).toBe(3);
  });

  test("is refused with any other key, also one of another command", async () => {
    const client = await open();
    for (const key of new Set(["more", "rev", "", ...commands.flatMap(Object.keys)])) {
      if (key in command) continue;
      client.send({ ...command, [key]: 1 });
      expect([key, await client.next("error")]).toMatchObject([key, { id: "1", code: "invalid_command" }]);
    }
    expect((await client.say("next")).rev).toBe(3);
  });
});

test("unusual JSON of valid commands is accepted", async () => {
  const client = await open();
  const room = client.hello.room.id;
  const frames: [frame: string, seq: number, rev: number][] = [
    ['{"type":"react","id":"1","seq":1.0,"emoji":":tada:","on":true}', 1, 3],
    ['{"type":"edit","id":"1","seq":10e-1,"text":"x"}', 1, 4],
    ['{"type":"read","id":"1","seq":0}', 2, 4],
    ['{"type":"read","id":"1","seq":-0}', 2, 4],
    ['{"type":"read","id":"1","seq":9007199254740991}', 2, 4],
    // Of two equal keys the last one counts, as in every parser.
    ['{"type":"delete","seq":9,"id":"2","type":"edit","text":"y","id":"1","seq":2}', 2, 5],
    [' \n{ "type" : "delete" , "id" : "1" , "seq" : 2 }\t', 2, 6],
    ['{"\\u0074ype":"\\u0073end","id":"\\u0031","text":"\\u0068i"}', 3, 7],
    ['{"type":"send","id":"1","text":"{\\"type\\":\\"delete\\",\\"seq\\":1}"}', 4, 8],
    ['{"type":"send","id":"1","text":"__proto__","client_id":"__proto__"}', 5, 9],
  ];
  for (const [frame, seq, rev] of frames) {
    client.send(frame);
    expect([frame, await client.next("ack")]).toEqual([frame, { type: "ack", room, id: "1", seq, rev }]);
  }
  const texts = ["x", "", "hi", '{"type":"delete","seq":1}', "__proto__"];
  expect(client.known().map(({ text }) => text)).toEqual(texts);
});

test("an id comes back as it was sent", async () => {
  const client = await open();
  const ids = ["1", " ", "\0", "\ud800", '"\\', "__proto__", "constructor", "<b>", "\u2028", "x".repeat(64)];
  // 64 characters are up to 128 UTF-16 units.
  for (const id of [...ids, "👍".repeat(64)]) {
    expect(await client.command({ type: "read", id, seq: 0 })).toMatchObject({ type: "ack", id });
    expect(await client.command({ type: "delete", id, seq: 99 })).toMatchObject({ type: "error", id });
  }
});

test("commands with the same id are answered once each", async () => {
  const client = await open();
  const texts = ["one", "two", "three"];
  const acks = await Promise.all(texts.map((text) => client.ack({ type: "send", id: "same", text })));
  expect(acks.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  expect(client.unread("ack", "error")).toEqual([]);
});

test("typing is never acked", async () => {
  const client = await open();
  client.send({ type: "typing", id: "t" });
  client.send({ type: "typing" });
  await client.ack({ type: "read", seq: 0 });
  expect(client.unread("ack", "error")).toEqual([]);
});

describe("on a room's URL", () => {
  test("a command may name the room", async () => {
    // A user of its own, because typing is announced at most every few seconds.
    const client = await open("typist@example.com");
    const room = client.hello.room.id;
    const inputs: CommandInput[] = [
      { type: "send", room, text: "three" },
      { type: "edit", room, seq: 3, text: "tres" },
      { type: "react", room, seq: 3, emoji: "👍", on: true },
      { type: "delete", room, seq: 3 },
      { type: "read", room, seq: 3 },
    ];
    const revs = [];
    for (const input of inputs) revs.push((await client.ack(input)).rev);
    expect(revs).toEqual([3, 4, 5, 6, 6]);
    client.send({ type: "typing", room });
    expect(await client.next("typing")).toMatchObject({ room });
  });

  test("a command for another room is refused, and changes neither", async () => {
    const [client, other] = [await open(), await open()];
    const room = other.hello.room.id;
    const before = client.known();
    const inputs: CommandInput[] = [
      { type: "send", room, text: "three" },
      { type: "edit", room, seq: 1, text: "uno" },
      { type: "react", room, seq: 1, emoji: "👍", on: true },
      { type: "delete", room, seq: 1 },
      { type: "read", room, seq: 1 },
      { type: "read", room: "no-such-room", seq: 1 },
      { type: "read", room: client.hello.room.id.toUpperCase(), seq: 1 },
    ];
    for (const input of inputs)
      expect(await client.error(input)).toMatchObject({
        code: "invalid_command",
        message: "room: must be the room of this connection",
      });
    client.send({ type: "typing", id: "t", room });
    expect(await client.next("error")).toMatchObject({ id: "t", code: "invalid_command" });
    for (const each of [client, other]) expect((await each.say("next")).rev).toBe(3);
    expect(client.known().slice(0, 2)).toEqual(before);
    expect(other.unread("typing", "read")).toEqual([]);
  });

  test("the commands that are refused as those of sessions are the ones that asyncapi.json leaves out", async () => {
    const client = await open();
    const room = client.hello.room.id;
    const refused: string[] = [];
    for (const [type, example] of Object.entries(commandExamples)) {
      if (type === "typing") continue;
      client.send({ ...example, ...("room" in example && { room }), id: type });
      const answer = await client.next(
        (frame) => (frame.type === "ack" || frame.type === "error") && frame.id === type,
      );
      if (answer.type === "error" && answer.message.includes("is for sessions")) refused.push(type);
    }
    const described = Object.keys(channels.room.commands);
    expect(refused).toEqual(Object.keys(commandSchemas).filter((type) => !described.includes(type)));
    expect(refused.length).toBeGreaterThan(1);
  });

  test("rooms are neither opened nor closed", async () => {
    const [client, other] = [await open(), await open()];
    for (const { hello } of [client, other])
      for (const type of ["open", "close"] as const)
        expect(await client.error({ type, room: hello.room.id })).toMatchObject({
          code: "invalid_command",
          message: `type: "${type}" is for sessions, whose URL is /ws/`,
        });
    await other.say("not heard");
    expect((await client.say("still here")).rev).toBe(3);
    expect(client.known().map(({ text }) => text)).toEqual(["one", "two", "still here"]);
  });
});

test("a ping is acknowledged with the room's position, and changes nothing", async () => {
  const client = await open();
  const room = client.hello.room.id;
  expect(await client.ack({ type: "ping", id: "p" })).toStrictEqual({
    type: "ack",
    room,
    id: "p",
    seq: 2,
    rev: 2,
  });
  await client.ack({ type: "delete", seq: 1 });
  expect(await client.ack({ type: "ping", id: "p" })).toMatchObject({ seq: 2, rev: 3 });
  expect(client.unread("read", "typing", "member")).toEqual([]);
});
