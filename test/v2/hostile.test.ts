import { beforeAll, expect, test } from "bun:test";

import type { Code } from "../../src/chat/errors.ts";
import type { ErrorFrame, ServerFrame } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { callApi } from "../support/api.ts";
import { connectRawV2, encodeFrame, opcodes, type RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// Frames that no good client sends. Each is answered, changes nothing, is counted, and the connection goes on.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";
const json = (command: unknown) => JSON.stringify(command);
/** A command as JSON, without a check of its type. */
const send = (more: Record<string, unknown>) => json({ type: "send", id: "1", text: "x", ...more });

let room: string;
let raw: RawConnection;

/** What is heard next, notices aside. */
async function next(): Promise<ServerFrame> {
  for (;;) {
    const heard = (await raw.next()) as ServerFrame;
    if (heard.type !== "presence") return heard;
  }
}

/** Sends a command that must be done. */
async function done(command: Command): Promise<void> {
  raw.write(encodeFrame(json(command)));
  let heard = await next();
  while (heard.type === "change") heard = await next();
  expect(heard).toMatchObject({ type: "ack", id: command.id });
}

// Messages 1 and 3 are alice's own, 2 is bob's; 3 is deleted.
beforeAll(async () => {
  room = await createRoom([alice, bob]);
  const bobs = await connectRawV2(server.host, room, await token(bob));
  raw = await connectRawV2(server.host, room, await token(alice));
  await raw.next();
  await done({ type: "send", id: "1", text: "alice's" });
  bobs.write(encodeFrame(send({ text: "bob's" })));
  expect(await next()).toMatchObject({ type: "change", message: { seq: 2 } });
  bobs.destroy();
  await done({ type: "send", id: "3", text: "deleted" });
  await done({ type: "delete", id: "4", seq: 3 });
});

/** All that there is to know of the room, over HTTP. */
async function state(): Promise<unknown> {
  const paths = ["", "/messages", "/members"];
  const authorized = { token: await token(alice) };
  const [about, messages, members] = await Promise.all(
    paths.map((path) => callApi(server, `GET /api/rooms/${room}${path}`, authorized)),
  );
  expect(about?.body["rev"]).toBe(4);
  return [about?.body, messages?.body, members?.body];
}

/** What a refusal may tell: a sentence, and nothing of the inside. */
function expectHarmless({ message }: ErrorFrame): void {
  expect(message).not.toMatch(
    /sql|valibot|\.ts\b|stack|exception|\bat \w+ \(|[a-z]Error|node_modules|\[object|\/\w+\//i,
  );
  // However long what was sent is.
  expect(message.length).toBeLessThan(300);
}

/** Every refusal that was counted, whatever its code. */
async function counted(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith("parley_refusals_total{"));
  return lines.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
}

/** The refusals of these frames, which must change nothing and be counted, each as one of its code. */
async function refusals(...sent: (string | Buffer)[]): Promise<ErrorFrame[]> {
  const before = await state();
  const count = await counted();
  const heard: ErrorFrame[] = [];
  for (const each of sent) {
    raw.write(Buffer.isBuffer(each) ? each : encodeFrame(each));
    const answer = await next();
    if (answer.type !== "error") throw new Error(`${json(answer)} to ${String(each).slice(0, 200)}`);
    expectHarmless(answer);
    heard.push(answer);
  }
  expect(await counted()).toBe(count + sent.length);
  expect(await state()).toEqual(before);
  await done({ type: "read", id: "still here", seq: 0 });
  return heard;
}

type Row = [what: string, sent: string | Buffer, id?: string];
const deep = 10_000;
const invalid: Row[] = [
  ["no JSON", "hello"],
  ["an empty frame", ""],
  ["white space", " \t\r\n"],
  ["half of a JSON object", '{"type":"send"'],
  ["JSON with something behind it", `${send({})}x`],
  ["two JSON objects", send({}) + send({})],
  ["a BOM before the object", `\ufeff${send({})}`],
  ["a binary frame", encodeFrame(send({}), { opcode: opcodes.binary })],
  ["an empty binary frame", encodeFrame("", { opcode: opcodes.binary })],
  ["null", "null"],
  ["a number", "1"],
  ["a string", json(send({}))],
  ["an array", "[]"],
  ["an array with a command in it", `[${send({})}]`],
  ["an empty object", "{}"],
  ["arrays 10,000 deep", "[".repeat(deep) + "]".repeat(deep)],
  ["arrays that never end", "[".repeat(65_536)],
  ["objects that never end", '{"type":'.repeat(8192)],
  [
    "a text that is an array 10,000 deep",
    `{"type":"send","id":"1","text":${"[".repeat(deep)}${"]".repeat(deep)}}`,
    "1",
  ],
  [
    "an unknown key that is 5,000 objects deep",
    `{"type":"send","id":"1","text":"x","more":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`,
    "1",
  ],
  ["a type that is unknown", send({ type: "shout" }), "1"],
  ["a type in another case", send({ type: "Send" }), "1"],
  ["a type with a space", send({ type: "send " }), "1"],
  ["a type that is a number", send({ type: 1 }), "1"],
  ["a type that is null", send({ type: null }), "1"],
  ["a type that is an array", send({ type: ["send"] }), "1"],
  ["a type of 60,000 letters", send({ type: "x".repeat(60_000) }), "1"],
  ["no type", json({ id: "1", text: "x" }), "1"],
  ["a type that every object has", send({ type: "constructor" }), "1"],
  ["the type __proto__", send({ type: "__proto__" }), "1"],
  ["a server's own frame", json({ type: "ack", id: "1", seq: 1, rev: 1 }), "1"],
  ["a server's hello", json({ type: "hello", id: "1" }), "1"],
  ["an unknown key", send({ sender: "bob" }), "1"],
  ["a misspelt client_id", send({ clientId: "a" }), "1"],
  ["a key of 60,000 letters", send({ ["x".repeat(60_000)]: 1 }), "1"],
  ["a key of another command", send({ seq: 1 }), "1"],
  [
    "10,000 unknown keys",
    send(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n]))),
    "1",
  ],
  ["the key __proto__", '{"type":"send","id":"1","text":"x","__proto__":{"client_id":"a"}}', "1"],
  ["the key constructor", '{"type":"send","id":"1","text":"x","constructor":{"prototype":{"a":1}}}', "1"],
  ["the key toString", send({ toString: "x" }), "1"],
  ["the key hasOwnProperty", send({ hasOwnProperty: 1 }), "1"],
  ["a text in __proto__", '{"type":"send","id":"1","__proto__":{"text":"x"}}', "1"],
  ["a command in __proto__", '{"__proto__":{"type":"send","id":"1","text":"x"}}'],
  ["an empty id", send({ id: "" })],
  ["an id of 65 characters", send({ id: "x".repeat(65) })],
  ["an id that is a number", send({ id: 1 })],
  ["an id that is null", send({ id: null })],
  ["an id that is an array", send({ id: ["1"] })],
  ["no id", json({ type: "send", text: "x" })],
  ["an id in __proto__", '{"type":"delete","seq":1,"__proto__":{"id":"1"}}'],
  ["an empty client_id", send({ client_id: "" }), "1"],
  ["a client_id of 65 characters", send({ client_id: "x".repeat(65) }), "1"],
  ["a client_id with NUL", send({ client_id: "a\0" }), "1"],
  ["a client_id with a lone surrogate", '{"type":"send","id":"1","text":"x","client_id":"a\\ud800"}', "1"],
  ["typing with a seq", json({ type: "typing", seq: 1 })],
  ["typing with an empty id", json({ type: "typing", id: "" })],
];

test.each(invalid.map(([what, sent, id]) => [what, { sent, id }] as const))(
  "%s is refused as invalid_command, and nothing changes",
  async (_, { sent, id }) => {
    const [error] = await refusals(sent);
    expect(error).toMatchObject({ type: "error", code: "invalid_command" });
    expect(error?.id).toBe(id);
  },
);

const emoji = (text: string) => json({ type: "react", id: "1", seq: 1, emoji: text, on: true });

test.each([
  ["empty", ""],
  ["of 33 units", "x".repeat(33)],
  ["of 1 KB", "👍".repeat(256)],
  ["of 60 KB", "x".repeat(60_000)],
  ["a space", " "],
  ["two words", "a b"],
  ["with a space behind it", "👍 "],
  ["Unicode's space", "\u3000"],
  ["a line feed", "\n"],
  ["a NUL", "\0"],
  ["a control character", "a\u0007"],
  ["a control character of Latin-1", "\u0085"],
  ["a BOM", "\ufeff"],
  ["a space of no width", "\u200b"],
  ["a joiner alone", "\u200d"],
  ["turned around", "\u202eabc"],
  ["a lone surrogate", "\ud83d"],
])("an emoji that is %s is refused", async (_, text) => {
  expect(await refusals(emoji(text))).toMatchObject([{ id: "1", code: "invalid_command" }]);
});

const texts: [what: string, text: string, code: Code][] = [
  ["nothing", "", "invalid_message"],
  ["spaces", " \t\r\n ", "invalid_message"],
  ["Unicode's spaces", "\u00a0\u2003\u3000\ufeff\u2028\u2029\u1680", "invalid_message"],
  ["a lone high surrogate", "a\ud800", "invalid_message"],
  ["a lone low surrogate", "\udc00a", "invalid_message"],
  ["a NUL", "a\0b", "invalid_message"],
  ["one byte too much", `${"é".repeat(8192)}x`, "message_too_long"],
  ["too many three-byte letters", "€".repeat(5462), "message_too_long"],
  ["too many emoji", "😀".repeat(4097), "message_too_long"],
];

test.each(texts)("a text of %s is refused, to be sent and to be edited", async (_, text, code) => {
  const errors = await refusals(send({ text }), json({ type: "edit", id: "2", seq: 1, text }));
  expect(errors).toMatchObject([
    { id: "1", code },
    { id: "2", code },
  ]);
});

const impossible: [what: string, code: Code, ...commands: Record<string, unknown>[]][] = [
  [
    "a message that does not exist yet",
    "message_not_found",
    ...[4, 1000, Number.MAX_SAFE_INTEGER].flatMap((seq) => [
      { type: "edit", seq, text: "x" },
      { type: "delete", seq },
      { type: "react", seq, emoji: "👍", on: true },
      { type: "react", seq, emoji: "👍", on: false },
      { type: "send", text: "x", reply_to: seq },
    ]),
  ],
  ["another's message", "forbidden", { type: "edit", seq: 2, text: "x" }, { type: "delete", seq: 2 }],
  [
    "a deleted message",
    "message_not_found",
    { type: "edit", seq: 3, text: "x" },
    { type: "edit", seq: 3, text: "deleted" },
    { type: "react", seq: 3, emoji: "👍", on: true },
    { type: "react", seq: 3, emoji: "👍", on: false },
  ],
];

test.each(impossible)("what can't be done to %s is refused as %s", async (_, code, ...commands) => {
  const errors = await refusals(...commands.map((command, index) => json({ ...command, id: `${index}` })));
  expect(errors.map(({ id, code: as }) => [id, as])).toEqual(commands.map((__, index) => [`${index}`, code]));
});

test("tokens that would not open a connection, and another's, are refused", async () => {
  const expired = await server.issuer.sign(alice, { claims: { exp: Math.floor(Date.now() / 1000) - 60 } });
  const good = await token(alice);
  const tokens: [string, Code][] = [
    ["", "unauthorized"],
    ["a.b.c", "unauthorized"],
    [`Bearer ${good}`, "unauthorized"],
    [`${good.slice(0, -8)}AAAAAAAA`, "unauthorized"],
    ["x".repeat(60_000), "unauthorized"],
    ["\0", "unauthorized"],
    [expired, "token_expired"],
    [await token(bob), "forbidden"],
  ];
  const errors = await refusals(...tokens.map(([bad], n) => json({ type: "auth", id: `${n}`, token: bad })));
  expect(errors.map(({ code }) => code)).toEqual(tokens.map(([, code]) => code));
});

test("the refusals of one code are counted under it", async () => {
  const name = 'parley_refusals_total{code="message_not_found"}';
  const before = await server.metric(name);
  await refusals(json({ type: "delete", id: "1", seq: 99 }));
  expect(await server.metric(name)).toBe(before + 1);
});

test("after all of that nothing was logged as an error", () => {
  expect(server.logs.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
