import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { encodeLine } from "../../src/transfer/encode-jsonl.ts";
import { parseLine } from "../../src/transfer/jsonl.ts";
import { MAX_LINE_BYTES } from "../../src/transfer/lines.ts";
import { readJsonLines } from "../../src/transfer/read-jsonl.ts";
import { SourceError, type SourceItem } from "../../src/transfer/source.ts";
import { openArchive } from "../support/archive.ts";
import { root } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const user = '{"type":"user","id":"sub|ann"}';
const read = (seq: number) => `{"type":"read","room":"r","user":{"id":"a"},"seq":${seq}}`;

/** The items of a file with these bytes. */
async function itemsOf(bytes: string | Uint8Array): Promise<SourceItem[]> {
  using folder = temporaryFolder();
  const path = join(folder.path, "file.jsonl");
  writeFileSync(path, bytes);
  return await Array.fromAsync(readJsonLines({ path, progress: () => undefined }));
}

/** The places of a file's items, with the reasons of those that are wrong. */
const summary = async (bytes: string | Uint8Array) =>
  (await itemsOf(bytes)).map((item) => ("invalid" in item ? `${item.at}: ${item.invalid}` : item.at));

describe("a file", () => {
  test("has a record on each line; blank lines, CRLF, a byte order mark and a missing last newline do no harm", async () => {
    expect(await summary(`\ufeff${user}\r\n\n  \n${read(1)}\n${read(2)}`)).toEqual([
      "line 1",
      "line 4",
      "line 5",
    ]);
  });

  test("without a line has no records", async () => {
    expect(await itemsOf("")).toEqual([]);
    expect(await itemsOf("\n\n")).toEqual([]);
  });

  test("that is cut has a last line that is not JSON", async () => {
    expect(await summary(`${user}\n${read(1).slice(0, 20)}`)).toEqual([
      "line 1",
      "line 2: This line is not JSON. Is the file cut?",
    ]);
  });

  test("may have lines that are not in UTF-8, or too long to be records; the others are read", async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${user}\n`),
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.alloc(3 * MAX_LINE_BYTES, "x"),
      Buffer.from(`\n${read(1)}\n`),
    ]);
    expect(await summary(bytes)).toEqual([
      "line 1",
      "line 2: The line is not in UTF-8.",
      `line 3: The line has more than ${MAX_LINE_BYTES} bytes.`,
      "line 4",
    ]);
  });

  test("may have lines as long as the longest text needs", async () => {
    const message = {
      type: "message",
      room: "r",
      sender: { id: "a" },
      sent_at: "2026-01-01T00:00:00Z",
      client_id: "k",
    };
    const escaped = JSON.stringify({ ...message, text: "TEXT" }).replace("TEXT", "\\u00e9".repeat(30_000));
    expect(await itemsOf(`${escaped}\n`)).toMatchObject([{ record: { text: "é".repeat(30_000) } }]);
  });

  test("is read in pieces that need not end with a line", async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => read(n));
    const items = await itemsOf(lines.join("\n"));
    expect(
      items.map((item) => ("record" in item && item.record.type === "read" ? item.record.seq : -1)),
    ).toEqual(lines.map((_, n) => n));
  });

  test("that cannot be read is an error of one line", async () => {
    const reading = Array.fromAsync(readJsonLines({ path: "/nowhere/at/all", progress: () => undefined }));
    const error = await reading.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SourceError);
    expect(String(error)).not.toContain("\n");
  });
});

const at = "2026-01-31T12:00:00.000Z";
const message = { type: "message", room: "r", sender: { id: "a" }, sent_at: at };

test.each<[object, string]>([
  [{ type: "user", id: "a", nick: "x" }, "Unknown key: nick"],
  [{ ...message, sender: { id: "a", email: "b" } }, 'sender: must be {"id": …} or {"email": …}'],
  [{ ...message, sender: "a" }, 'sender: must be {"id": …} or {"email": …}'],
  [{ ...message, seq: 1 }, "A message has both seq and rev, or neither."],
  [{ ...message, changed_rev: 1 }, "A message has both seq and rev, or neither."],
  [{ ...message, seq: 1.5, rev: 1 }, "seq: must be a whole number"],
  [{ ...message, reply_to: true }, "reply_to: must be a seq or a client_id"],
  [{ ...message, meta: null }, "meta: must be a JSON object"],
  [{ ...message, meta: [] }, "meta: must be a JSON object"],
  [{ type: "read", room: "r", seq: 1 }, "Missing key: user"],
  [
    { type: "member", room: "r", user: { id: "a" }, role: "king", joined_at: at },
    'role: Invalid type: Expected ("owner" | "moderator" | "member") but received "king"',
  ],
  [{ type: "room", id: "r", name: "r", created_at: at, seq: 1 }, "A room has both seq and rev, or neither."],
  [{ type: "user", name: "x" }, "A user needs an id or an email."],
  [
    { type: "sticker" },
    "A line is an object whose type is one of user, room, member, ban, mute, message, reaction, read.",
  ],
  [
    { type: "toString" },
    "A line is an object whose type is one of user, room, member, ban, mute, message, reaction, read.",
  ],
  [[], "A line is an object whose type is one of user, room, member, ban, mute, message, reaction, read."],
])("%j is refused: %s", (line, invalid) => {
  expect(parseLine(JSON.stringify(line))).toEqual({ invalid });
});

test.each([
  ["2026-01-31T12:00:00Z", at],
  ["2026-01-31t13:30:00.000999+01:30", at],
  ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
])("the time %s is %s", (text, expected) => {
  const record = parseLine(JSON.stringify({ ...message, sent_at: text }));
  expect("type" in record && record.type === "message" && new Date(record.sentAt).toISOString()).toBe(
    expected,
  );
});

test.each([
  "2026-02-29T00:00:00Z",
  "2026-01-31",
  "2026-01-31 12:00:00Z",
  "2026-13-01T00:00:00Z",
  "yesterday",
  "1769860800",
])("%s is not a time", (text) => {
  expect(parseLine(JSON.stringify({ ...message, sent_at: text }))).toEqual({
    invalid: "sent_at: must be a time such as 2026-01-31T12:00:00.000Z",
  });
});

test("the metadata of a message is written as it was read", () => {
  const json = JSON.stringify({ ...message, text: undefined, deleted_at: at }).slice(0, -1);
  const line = `${json},"meta":{"b":[],"a":{"__proto__":{"c":null}}}}`;
  const record = parseLine(line);
  expect("invalid" in record || encodeLine(record)).toBe(line);
});

test.each([
  { type: "user", id: "a", email: "a@b", name: "A", emails: ["a@b", "c@d"], signed_in: true },
  { type: "user", email: "a@b" },
  { type: "room", id: "r", name: "R", created_at: at, created_by: { email: "a@b" }, seq: 2, rev: 3 },
  { type: "room", id: "r", name: "R", created_at: at },
  { type: "room", id: "r", name: "R", access: "open", posting: "moderators", slow_mode: 9, created_at: at },
  { type: "room", id: "r", name: "R", posting: "moderators", created_at: at },
  { type: "ban", room: "r", user: { email: "a@b" }, at },
  { type: "mute", room: "r", user: { id: "a" }, at, until: at, reason: "Spam", by: { id: "b", name: "B" } },
  { type: "member", room: "r", user: { id: "a" }, role: "owner", joined_at: at },
  { ...message, text: "x", client_id: "k", reply_to: "j" },
  {
    type: "message",
    room: "r",
    seq: 2,
    rev: 2,
    changed_rev: 4,
    sender: { id: "a" },
    sent_at: at,
    edited_at: at,
    deleted_at: at,
    reply_to: 1,
  },
  { type: "reaction", room: "r", message: 2, emoji: "👍", user: { email: "a@b" } },
  { type: "reaction", room: "r", message: "k", emoji: "👍", user: { id: "a" } },
  { type: "read", room: "r", user: { id: "a" }, seq: 0 },
])("%j is written as it was read", (line) => {
  const record = parseLine(JSON.stringify(line));
  if ("invalid" in record) throw new Error(record.invalid);
  const keys = Object.keys(line).toSorted();
  const encoded = JSON.parse(encodeLine(record)) as object;
  expect(encoded).toEqual(line);
  expect(Object.keys(encoded).toSorted()).toEqual(keys);
});

test("the example of the document can be imported", async () => {
  const [, example = ""] =
    /```json\n(\{"type":"room"[^`]*)```/.exec(readFileSync(join(root, "docs/import.md"), "utf8")) ?? [];
  await using chat = openArchive();
  expect(await chat.importLines(example.trim().split("\n"))).toMatchObject({
    errors: [],
    counts: { rooms: { added: 1 }, members: { added: 1 }, messages: { added: 2 }, reactions: { added: 1 } },
  });
});
