import { expect, test } from "bun:test";

import { connectV2, type V2Client } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// Every key of every command: what may stand in it, and what may not.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";

/** A room with two messages of alice's, and her connection. */
async function open(): Promise<V2Client> {
  const client = await connectV2(server.host, await createRoom([alice]), { token: await token(alice) });
  await client.say("one");
  await client.say("two");
  return client;
}

/** Commands that are right, with every key that they may have. */
const right = {
  send: { type: "send", id: "1", text: "x", client_id: "a", reply_to: 1 },
  edit: { type: "edit", id: "1", seq: 1, text: "x" },
  delete: { type: "delete", id: "1", seq: 1 },
  react: { type: "react", id: "1", seq: 1, emoji: "👍", on: true },
  read: { type: "read", id: "1", seq: 1 },
  auth: { type: "auth", id: "1", token: "x" },
  typing: { type: "typing", id: "1" },
};
const optional = new Set(["client_id", "reply_to"]);

/** As they would stand in JSON: no object could hold some of these numbers. */
const wrongNumbers = [
  "0",
  "-1",
  "-0",
  "1.5",
  "0.1",
  "9007199254740992",
  "1e308",
  "1e400",
  "-1e400",
  '"1"',
  '""',
];
const notTexts = ["null", "0", "1", "true", "[]", '["x"]', "{}", '{"toString":"x"}'];
const notNumbers = ["null", "true", "false", "[]", "[1]", "{}", '{"valueOf":1}', '"NaN"', ...wrongNumbers];
const notBooleans = ["null", "0", "1", '"true"', '""', "[]", "{}"];

function wrongFor(value: unknown, type: string): string[] {
  if (typeof value === "string") return notTexts;
  if (typeof value === "boolean") return notBooleans;
  // A read mark at nothing is allowed.
  return notNumbers.filter((number) => type !== "read" || (number !== "0" && number !== "-0"));
}

test.each(Object.values(right).map((command) => [command.type, command] as const))(
  "%s with a wrong or missing value in any of its keys is refused, and names the key",
  async (type, command) => {
    const client = await open();
    const before = client.known();
    let sent = 0;
    for (const [key, value] of Object.entries(command)) {
      const { [key]: _, ...others } = command as Record<string, unknown>;
      const rest = JSON.stringify(others).slice(1, -1);
      const frames = wrongFor(value, type).map((wrong) => `{${rest},"${key}":${wrong}}`);
      if (!optional.has(key) && !(type === "typing" && key === "id")) frames.push(`{${rest}}`);
      for (const frame of frames) {
        client.send(frame);
        const error = await client.next("error");
        expect([frame, error.code, error.id]).toEqual([
          frame,
          "invalid_command",
          key === "id" ? undefined : "1",
        ]);
        expect(error.message).toContain(key);
        sent++;
      }
    }
    expect(sent).toBeGreaterThan(15);
    expect((await client.say("next")).rev).toBe(3);
    expect(client.known().slice(0, 2)).toEqual(before);
  },
);

test.each(Object.values(right).map((command) => [command.type, command] as const))(
  "%s with a key that it has not is refused, also with one that another command has",
  async (type, command) => {
    const client = await open();
    const own: Record<string, unknown> = command;
    const keys = new Set(["more", "rev", "", ...Object.values(right).flatMap((each) => Object.keys(each))]);
    for (const key of keys) {
      if (key in own) continue;
      client.send({ ...own, [key]: 1 });
      expect([type, key, await client.next("error")]).toMatchObject([
        type,
        key,
        { id: "1", code: "invalid_command" },
      ]);
    }
    expect((await client.say("next")).rev).toBe(3);
  },
);

test("what is odd and right is done", async () => {
  const client = await open();
  const frames: [frame: string, seq: number, rev: number][] = [
    // Numbers are what they are worth, however they are written.
    ['{"type":"react","id":"1","seq":1.0,"emoji":":tada:","on":true}', 1, 3],
    ['{"type":"edit","id":"1","seq":10e-1,"text":"x"}', 1, 4],
    ['{"type":"read","id":"1","seq":0}', 2, 4],
    ['{"type":"read","id":"1","seq":-0}', 2, 4],
    ['{"type":"read","id":"1","seq":9007199254740991}', 2, 4],
    // Of two keys the last one counts, as in every parser.
    ['{"type":"delete","seq":9,"id":"2","type":"edit","text":"y","id":"1","seq":2}', 2, 5],
    [' \n{ "type" : "delete" , "id" : "1" , "seq" : 2 }\t', 2, 6],
    ['{"\\u0074ype":"\\u0073end","id":"\\u0031","text":"\\u0068i"}', 3, 7],
    ['{"type":"send","id":"1","text":"{\\"type\\":\\"delete\\",\\"seq\\":1}"}', 4, 8],
    ['{"type":"send","id":"1","text":"__proto__","client_id":"__proto__"}', 5, 9],
  ];
  for (const [frame, seq, rev] of frames) {
    client.send(frame);
    expect([frame, await client.next("ack")]).toEqual([frame, { type: "ack", id: "1", seq, rev }]);
  }
  expect(client.known().map(({ text }) => text)).toEqual([
    "x",
    "",
    "hi",
    '{"type":"delete","seq":1}',
    "__proto__",
  ]);
});

test("an id comes back as it was sent, whatever is in it", async () => {
  const client = await open();
  const ids = [
    "1",
    " ",
    "\0",
    "\ud800",
    '"\\',
    "__proto__",
    "constructor",
    "<b>",
    "\u2028",
    "x".repeat(64),
    // As long as some languages count: 128 units of UTF-16.
    "👍".repeat(64),
  ];
  for (const id of ids) {
    expect(await client.command({ type: "read", id, seq: 0 })).toMatchObject({ type: "ack", id });
    expect(await client.command({ type: "delete", id, seq: 99 })).toMatchObject({ type: "error", id });
  }
});

test("an id that is in use already is answered once for each command", async () => {
  const client = await open();
  const commands = ["one", "two", "three"].map((text) => client.ack({ type: "send", id: "same", text }));
  const acks = await Promise.all(commands);
  expect(acks.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  expect(client.unread("ack", "error")).toEqual([]);
});

test("typing is never acked, and a typing with a key too many is refused", async () => {
  const client = await open();
  client.send({ type: "typing", id: "t" });
  client.send({ type: "typing" });
  await client.ack({ type: "read", seq: 0 });
  expect(client.unread("ack", "error")).toEqual([]);
  client.send({ type: "typing", id: "t", seq: 1 });
  expect(await client.next("error")).toMatchObject({ id: "t", code: "invalid_command" });
});

test.each([
  ["a joined emoji", "👩‍👩‍👧‍👦"],
  ["a flag", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"],
  ["an emoji with a colour of skin", "👍🏽"],
  ["a word", ":shipit:"],
  ["a letter", "x"],
  ["32 units", "👍".repeat(16)],
  ["quotes and a backslash", `"'\\`],
  ["a word that every object has", "__proto__"],
])("%s is a reaction, and comes back as it was sent", async (_, emoji) => {
  const client = await open();
  await client.ack({ type: "react", seq: 1, emoji, on: true });
  expect(client.messages.get(1)?.reactions).toEqual([{ emoji, by: [`user|${alice}`] }]);
  const again = await connectV2(server.host, client.hello.room.id, { token: await token(alice) });
  expect(again.known()).toEqual(client.known());
  await client.ack({ type: "react", seq: 1, emoji, on: false });
  expect(client.messages.get(1)?.reactions).toEqual([]);
});

test.each([
  ["ASCII", "x".repeat(16_384)],
  ["two-byte letters", "é".repeat(8192)],
  ["three-byte letters", `${"€".repeat(5461)}x`],
  ["emoji", "😀".repeat(4096)],
  ["control characters, which are longer as JSON", "\u0001".repeat(10_000)],
])("a text of %s that is as long as it may be is taken, to be sent and to be edited", async (_, text) => {
  const client = await open();
  const { seq } = await client.say(text);
  await client.ack({ type: "edit", seq: 1, text });
  expect(client.messages.get(seq)?.text).toBe(text);
  expect(client.messages.get(1)?.text).toBe(text);
});

test("text comes back as it was sent", async () => {
  const client = await open();
  const texts = [
    '"\\/\b\f\n\r\t',
    "  spaces around  ",
    "żółw 你好 👩‍👩‍👧 \u202e",
    "</script>\u2028",
    "{}",
    "0",
    "\u0001\u007f",
  ];
  for (const text of texts) {
    const { seq } = await client.say(text);
    expect(client.messages.get(seq)?.text).toBe(text);
  }
});
