import { describe, expect, test } from "bun:test";

import { checkRecord } from "../../src/chat/check-record.ts";
import type { MessageRecord, TransferRecord } from "../../src/chat/transfer.ts";
import { foreign } from "../support/archive.ts";

const message = (more: Partial<MessageRecord> = {}) => foreign.message("r", "k", more);
const numbered = (more: Partial<MessageRecord> = {}) =>
  message({ sender: { sub: "a" }, position: { seq: 2, rev: 3, changedRev: null }, ...more });
const room = { type: "room", id: "r", name: "R", createdAt: 1, createdBy: null, head: null } as const;
const user = {
  type: "user",
  user: { sub: "a" },
  name: null,
  email: null,
  emails: [],
  signedIn: false,
} as const;

/** Why a record is refused. Undefined when it is not. */
function refusal(record: TransferRecord): string | undefined {
  const checked = checkRecord(record);
  return "invalid" in checked ? checked.invalid : undefined;
}

test.each<[string, TransferRecord]>([
  ["a message", message()],
  ["a message with a number", numbered()],
  ["a deleted message", message({ text: null, deletedAt: 2 })],
  ["a message of 60,000 bytes", message({ text: "é".repeat(30_000) })],
  ["metadata", numbered({ meta: { card: ["x", null] } })],
  ["metadata of another product", message({ meta: {} })],
  ["a room", room],
  ["a room from Parley", { ...room, head: { seq: 1, rev: 4 } }],
  ["a user", user],
  ["a reaction", foreign.reaction("r", "k", "a@b", ":tada:")],
  ["a read mark", { type: "read", room: "r", user: { sub: "a" }, seq: 0 }],
])("%s is kept as it is", (_, record) => {
  expect(checkRecord(record)).toEqual(record);
});

test("emails are normalized, and so is the name of a room of another product", () => {
  expect(checkRecord(foreign.member("r", " Ann@Example.COM"))).toEqual(
    foreign.member("r", "ann@example.com"),
  );
  expect(checkRecord({ ...room, name: "  Cafe\u0301 " })).toEqual({ ...room, name: "Café" });
  expect(checkRecord({ ...user, name: "", email: "A@B", emails: ["C@D"] })).toEqual({
    ...user,
    name: null,
    email: "a@b",
    emails: ["c@d"],
  });
});

test("what Parley stored before is not judged by newer rules", () => {
  const named = { ...room, name: "an\u202eold name ", head: { seq: 0, rev: 0 } };
  expect(checkRecord(named)).toEqual(named);
  expect(checkRecord(numbered({ text: "\u200b" }))).toEqual(numbered({ text: "\u200b" }));
});

describe("refused are", () => {
  test.each<[string, TransferRecord, RegExp]>([
    ["a bad id of a room", foreign.message("a b", "k"), /"a b" cannot be the id of a room/],
    ["an invisible name of a room", { ...room, name: " " }, /A room name/],
    ["a text without anything visible", message({ text: "\u200b" }), /visible/],
    ["a text that is too long", message({ text: "x".repeat(60_001) }), /60000 bytes/],
    ["a text with NUL", numbered({ text: "a\0" }), /NUL/],
    ["a message without a text that is not deleted", message({ text: null }), /either a text or/],
    ["a deleted message with a text", message({ deletedAt: 2 }), /either a text or/],
    ["metadata of a deleted message", message({ text: null, deletedAt: 2, meta: {} }), /has no metadata/],
    ["metadata with NUL", numbered({ meta: { a: "\0" } }), /NUL/],
    ["metadata of more than 4,096 bytes", numbered({ meta: { a: "x".repeat(4089) } }), /4096 bytes/],
    ["a time before 1970", message({ sentAt: -1 }), /"sent at" is out of range/],
    ["a time after the year 9999", message({ editedAt: Date.UTC(10_000, 0) }), /"edited at" is out of range/],
    ["a message of another product without a key", message({ clientId: null }), /needs a key/],
    ["a key that is too long", message({ clientId: "k".repeat(65) }), /1 to 64 characters/],
    ["a reply by seq to a message without one", message({ replyTo: { seq: 1 } }), /by its key/],
    ["a reply to a later seq", numbered({ replyTo: { seq: 2 } }), /earlier seq/],
    ["a reply by key in a room from Parley", numbered({ replyTo: { key: "k" } }), /earlier seq/],
    ["a rev below the seq", numbered({ position: { seq: 2, rev: 1, changedRev: null } }), /rev must be/],
    [
      "a changed rev that is not later",
      numbered({ position: { seq: 2, rev: 3, changedRev: 3 } }),
      /changed rev/,
    ],
    ["an edit without a changed rev", numbered({ editedAt: 2 }), /has a changed rev/],
    [
      "a message of a user without an id that has no client_id",
      numbered({ sender: { email: "a@b" }, clientId: null }),
      /needs a client id/,
    ],
    ["a bad email", foreign.member("r", "ann"), /"ann" is not an email/],
    ["an empty id of a user", { ...user, user: { sub: "" } }, /id of a user/],
    ["a user's name that is too long", { ...user, name: "x".repeat(256) }, /up to 255/],
    [
      "a user who has signed in without an id",
      { ...user, user: { email: "a@b" }, signedIn: true },
      /has an id/,
    ],
    ["a reaction that is no emoji", foreign.reaction("r", "k", "a@b", "two words"), /one emoji/],
    ["a negative read mark", { type: "read", room: "r", user: { sub: "a" }, seq: -1 }, /at least 0/],
    ["a head that cannot be", { ...room, head: { seq: 3, rev: 2 } }, /rev must be/],
  ])("%s", (_, record, reason) => {
    expect(refusal(record)).toMatch(reason);
    expect(refusal(record)).not.toContain("\n");
  });
});
