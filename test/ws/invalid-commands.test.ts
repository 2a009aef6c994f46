import { beforeAll, expect, test } from "bun:test";

import type { Code } from "../../src/chat/errors.ts";
import type { ErrorFrame } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { callApi } from "../support/api.ts";
import type { V2Frame } from "../support/client.ts";
import { connectRaw, encodeFrame, encodeText, opcodes, type RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";

// Frames in chat.v2 that are refused. Each is answered, changes nothing, is counted, and the connection lives on.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";
const json = (value: unknown) => JSON.stringify(value);
/** A command as JSON, without a check of its type. */
const send = (more: Record<string, unknown>) => json({ type: "send", id: "1", text: "x", ...more });

let room: string;
let raw: RawConnection;

/** The next frame that is not a notice. */
async function next(): Promise<V2Frame> {
  return raw.nextOf("change", "ack", "error");
}

async function ack(command: Command): Promise<void> {
  raw.write(encodeFrame(json(command)));
  let frame = await next();
  while (frame.type === "change") frame = await next();
  expect(frame).toMatchObject({ type: "ack", id: command.id });
}

// Messages 1 and 3 are Alice's, 2 is Bob's; 3 is deleted.
beforeAll(async () => {
  room = await server.createRoom([alice, bob]);
  raw = await connectRaw("chat.v2", server.host, room, await server.token(alice));
  await ack({ type: "send", id: "1", text: "Alice's" });
  const bobs = await connectRaw("chat.v2", server.host, room, await server.token(bob));
  bobs.write(encodeText("chat.v2", "Bob's"));
  expect(await next()).toMatchObject({ type: "change", message: { seq: 2 } });
  bobs.destroy();
  await ack({ type: "send", id: "3", text: "deleted" });
  await ack({ type: "delete", id: "4", seq: 3 });
});

/** Everything that the HTTP API shows of the room. */
async function roomState(): Promise<unknown> {
  const token = await server.token(alice);
  const answers = await Promise.all(
    ["", "/messages", "/members"].map((path) => callApi(server, `GET /api/rooms/${room}${path}`, { token })),
  );
  expect(answers[0]?.body["rev"]).toBe(4);
  return answers.map(({ body }) => body);
}

/** The number of refusals, whatever their code. */
async function refusalCount(): Promise<number> {
  const { text } = await callApi(server, "GET /metrics");
  const lines = text.split("\n").filter((line) => line.startsWith("parley_refusals_total{"));
  return lines.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
}

/** Sends frames that must each be answered with an error, and change nothing else. */
async function errors(...frames: (string | Buffer)[]): Promise<ErrorFrame[]> {
  const before = await roomState();
  const count = await refusalCount();
  const received: ErrorFrame[] = [];
  for (const frame of frames) {
    raw.write(Buffer.isBuffer(frame) ? frame : encodeFrame(frame));
    const answer = await next();
    if (answer.type !== "error") throw new Error(`${json(answer)} for ${String(frame).slice(0, 200)}`);
    // A sentence that tells nothing of the server's inside, however long the frame was.
    expect(answer.message).not.toMatch(
      /sql|valibot|\.ts\b|stack|exception|\bat \w+ \(|[a-z]Error|node_modules|\[object|\/\w+\//i,
    );
    expect(answer.message.length).toBeLessThan(300);
    received.push(answer);
  }
  expect(await refusalCount()).toBe(count + frames.length);
  expect(await roomState()).toEqual(before);
  await ack({ type: "read", id: "still here", seq: 0 });
  return received;
}

const DEPTH = 10_000;

/** `id` is the one that the error has. */
const invalid: [name: string, frame: string | Buffer, id?: string][] = [
  ["text that is not JSON", "hello"],
  ["an empty frame", ""],
  ["white space", " \t\r\n"],
  ["half a JSON object", '{"type":"send"'],
  ["an object with something after it", `${send({})}x`],
  ["two objects", send({}) + send({})],
  ["a byte order mark before the object", `\ufeff${send({})}`],
  ["a binary frame", encodeFrame(send({}), { opcode: opcodes.binary })],
  ["an empty binary frame", encodeFrame("", { opcode: opcodes.binary })],
  ["null", "null"],
  ["a number", "1"],
  ["a string", json(send({}))],
  ["an array", "[]"],
  ["an array of a command", `[${send({})}]`],
  ["an empty object", "{}"],
  ["10,000 arrays in each other", "[".repeat(DEPTH) + "]".repeat(DEPTH)],
  ["arrays that never end", "[".repeat(65_536)],
  ["objects that never end", '{"type":'.repeat(8192)],
  [
    "a text of 10,000 arrays",
    `{"type":"send","id":"1","text":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}`,
    "1",
  ],
  [
    "5,000 objects in an unknown key",
    `{"type":"send","id":"1","text":"x","more":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`,
    "1",
  ],
  ["no type", json({ id: "1", text: "x" }), "1"],
  ["an unknown type", send({ type: "shout" }), "1"],
  ["a type in another case", send({ type: "Send" }), "1"],
  ["a type with a space", send({ type: "send " }), "1"],
  ["a type that is a number", send({ type: 1 }), "1"],
  ["a type that is null", send({ type: null }), "1"],
  ["a type that is an array", send({ type: ["send"] }), "1"],
  ["a type of 60,000 letters", send({ type: "x".repeat(60_000) }), "1"],
  ["a type that every object has", send({ type: "constructor" }), "1"],
  ["the type __proto__", send({ type: "__proto__" }), "1"],
  ["a server's frame", json({ type: "ack", id: "1", seq: 1, rev: 1 }), "1"],
  ["a hello", json({ type: "hello", id: "1" }), "1"],
  ["an unknown key", send({ sender: "bob" }), "1"],
  ["a misspelt client_id", send({ clientId: "a" }), "1"],
  ["a key of 60,000 letters", send({ ["x".repeat(60_000)]: 1 }), "1"],
  ["5,000 unknown keys", send(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n]))), "1"],
  ["the key __proto__", '{"type":"send","id":"1","text":"x","__proto__":{"client_id":"a"}}', "1"],
  ["the key constructor", '{"type":"send","id":"1","text":"x","constructor":{"prototype":{"a":1}}}', "1"],
  ["the key toString", send({ toString: "x" }), "1"],
  ["the key hasOwnProperty", send({ hasOwnProperty: 1 }), "1"],
  ["a text in __proto__", '{"type":"send","id":"1","__proto__":{"text":"x"}}', "1"],
  ["a command in __proto__", '{"__proto__":{"type":"send","id":"1","text":"x"}}'],
  ["an id in __proto__", '{"type":"delete","seq":1,"__proto__":{"id":"1"}}'],
  ["an empty id", send({ id: "" })],
  ["an id of 65 characters", send({ id: "x".repeat(65) })],
  ["an empty client_id", send({ client_id: "" }), "1"],
  ["a client_id of 65 characters", send({ client_id: "x".repeat(65) }), "1"],
  ["a client_id with a NUL", send({ client_id: "a\0" }), "1"],
  ["a client_id with a lone surrogate", '{"type":"send","id":"1","text":"x","client_id":"a\\ud800"}', "1"],
  ["a meta that is null", send({ meta: null }), "1"],
  ["a meta that is an array", send({ meta: [{}] }), "1"],
  ["a meta that is a text", send({ meta: "{}" }), "1"],
  ["an edit with a meta", json({ type: "edit", id: "1", seq: 1, text: "x", meta: {} }), "1"],
  ["typing with a seq", json({ type: "typing", seq: 1 })],
  ["typing with an empty id", json({ type: "typing", id: "" })],
];

test.each(invalid.map(([name, frame, id]) => [name, { frame, id }] as const))(
  "%s is refused as invalid_command",
  async (_, { frame, id }) => {
    const [error] = await errors(frame);
    expect(error).toMatchObject({ type: "error", code: "invalid_command" });
    expect(error?.id).toBe(id);
  },
);

test.each<[name: string, meta: string, code: Code]>([
  ["a lone surrogate", '{"a":"\\ud800"}', "invalid_message"],
  ["NUL in a key", '{"a\\u0000":1}', "invalid_message"],
  ["17 levels", `${'{"a":'.repeat(16)}{}${"}".repeat(16)}`, "invalid_message"],
  ["5,000 levels", `${'{"a":'.repeat(5000)}{}${"}".repeat(5000)}`, "invalid_message"],
  ["a number that is rounded", '{"a":12345678901234567890}', "invalid_message"],
  ["4,097 bytes", json({ a: "x".repeat(4089) }), "message_too_long"],
  ["50,000 bytes", json({ a: "x".repeat(50_000) }), "message_too_long"],
])("metadata with %s is refused", async (_, meta, code) => {
  const [error] = await errors(`{"type":"send","id":"1","text":"x","meta":${meta}}`);
  expect(error).toMatchObject({ id: "1", code });
});

test.each([
  ["", "x".repeat(33), "👍".repeat(256), "x".repeat(60_000)],
  [" ", "a b", "👍 ", "\u3000", "\n", "\0", "a\u0007", "\u0085"],
  ["\ufeff", "\u200b", "\u200d", "\ufe0f", "\u2800", "\u3164", "\u202eabc", "\ud83d"],
])("reactions that are empty, long, have spaces or show nothing are refused", async (...emoji) => {
  const frames = emoji.map((each, n) => json({ type: "react", id: `${n}`, seq: 1, emoji: each, on: true }));
  expect(await errors(...frames)).toMatchObject(
    emoji.map((_, n) => ({ id: `${n}`, code: "invalid_command" })),
  );
});

test.each<[name: string, code: Code, ...commands: Record<string, unknown>[]]>([
  [
    "a message that does not exist",
    "message_not_found",
    ...[4, 1000, Number.MAX_SAFE_INTEGER].flatMap((seq) => [
      { type: "edit", seq, text: "x" },
      { type: "delete", seq },
      { type: "react", seq, emoji: "👍", on: true },
      { type: "react", seq, emoji: "👍", on: false },
      { type: "send", text: "x", reply_to: seq },
    ]),
  ],
  ["another user's message", "forbidden", { type: "edit", seq: 2, text: "x" }, { type: "delete", seq: 2 }],
  [
    "a deleted message",
    "message_not_found",
    { type: "edit", seq: 3, text: "x" },
    { type: "edit", seq: 3, text: "deleted" },
    { type: "react", seq: 3, emoji: "👍", on: true },
    { type: "react", seq: 3, emoji: "👍", on: false },
  ],
])("commands that %s does not allow are refused as %s", async (_, code, ...commands) => {
  const received = await errors(...commands.map((command, n) => json({ ...command, id: `${n}` })));
  expect(received.map(({ id, code: each }) => [id, each])).toEqual(commands.map((__, n) => [`${n}`, code]));
});

test("invalid tokens, expired ones and another user's are refused", async () => {
  const expired = await server.token(alice, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  const valid = await server.token(alice);
  const tokens: [string, Code][] = [
    ["", "unauthorized"],
    ["a.b.c", "unauthorized"],
    [`Bearer ${valid}`, "unauthorized"],
    [`${valid.slice(0, -8)}AAAAAAAA`, "unauthorized"],
    ["x".repeat(60_000), "unauthorized"],
    ["\0", "unauthorized"],
    [expired, "token_expired"],
    [await server.token(bob), "forbidden"],
  ];
  const received = await errors(...tokens.map(([token], n) => json({ type: "auth", id: `${n}`, token })));
  expect(received.map(({ code }) => code)).toEqual(tokens.map(([, code]) => code));
});

test("refusals are counted by code", async () => {
  const name = 'parley_refusals_total{code="message_not_found"}';
  const before = await server.metric(name);
  await errors(json({ type: "delete", id: "1", seq: 99 }));
  expect(await server.metric(name)).toBe(before + 1);
});

test("after 1,000 invalid frames in one write the connection works", async () => {
  raw.write(...Array.from({ length: 1000 }, () => encodeFrame("[".repeat(1000))));
  for (let n = 0; n < 1000; n++) expect(await next()).toMatchObject({ code: "invalid_command" });
  await ack({ type: "read", id: "still here", seq: 0 });
});

test("none of this is logged as an error", async () => {
  await errors("hello");
  expect(server.logs.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
