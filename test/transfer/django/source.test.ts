import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { SourceError } from "../../../src/transfer/source.ts";
import {
  conversation,
  errorsOf,
  fixture,
  message,
  readDump,
  readFile,
  recordsOf,
  refusalOf,
  room,
  skippedOf,
  textsOf,
  user,
} from "./dump-reader.ts";

describe("a file that is no dump", () => {
  const refused: [string, unknown, string][] = [
    ["empty", "", "The file is empty."],
    ["without records", "[]", "The dump has no records."],
    ["cut off", JSON.stringify(conversation()).slice(0, -30), "The file is cut off"],
    [
      "with a broken record",
      '[\n{"model": "chat.room", "pk": 1 "fields": {}}]',
      "The record that begins on line 2 is not JSON",
    ],
    ["with other objects", '[{"id": 1}]', "The record that begins on line 1 is not one of dumpdata"],
    [
      "with fields that are a list",
      '[{"model": "chat.room", "pk": 1, "fields": []}]',
      "is not one of dumpdata",
    ],
    [
      "not in UTF-8",
      Buffer.from('[{"model": "chat.room", "pk": 1, "fields": {"name": "caf\u00e9"}}]', "latin1"),
      "The record that begins on line 1 is not in UTF-8.",
    ],
  ];
  test.each(refused)("is refused: %s", async (_, dump, reason) => {
    expect(await refusalOf(readDump(dump))).toContain(reason);
  });

  test("is refused wherever it is cut off", async () => {
    const dump = await Bun.file(fixture("rooms")).text();
    for (let length = 0; length < dump.length; length += 13)
      expect(await refusalOf(readDump(dump.slice(0, length)))).toMatch(/^The file is (empty|cut off)/);
  });

  test("is refused, or read, whatever bytes are changed", async () => {
    const dump = await Bun.file(fixture("rooms-indented")).bytes();
    const change = fc.tuple(fc.nat(dump.length - 1), fc.integer({ min: 0, max: 255 }));
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
      const changed = dump.slice();
      for (const [index, byte] of changes) changed[index] = byte;
      const result = await readDump(changed).catch((error: unknown) => error);
      if (result instanceof Error) expect(result).toBeInstanceOf(SourceError);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  test("is refused: a pipe, which could be read only once", async () => {
    expect(await refusalOf(readFile("/dev/null"))).toContain(
      "/dev/null is not a file. A dump is read 3 times",
    );
  });
});

describe("records", () => {
  test("may stand in any order", async () => {
    const reading = await readDump(conversation(message(2)).toReversed());
    expect(textsOf(reading)).toEqual(["Message 2", "Message 1"]);
    expect(recordsOf(reading, "member")).toHaveLength(2);
    expect(errorsOf(reading)).toEqual([]);
  });

  test("of models that are no part of a chat are ignored, and users who do not take part", async () => {
    const others = [
      { model: "shop.order", pk: 1, fields: { user: 1, total: "12.50" } },
      { model: "auth.group", pk: 1, fields: { name: "staff", permissions: [] } },
      { model: "sessions.session", pk: "abc", fields: { session_data: "x" } },
    ];
    const reading = await readDump(conversation(...others, user(3)));
    expect(new Set(reading.items.flatMap((item) => ("record" in item ? [item.record.type] : ["?"])))).toEqual(
      new Set(["user", "room", "member", "message"]),
    );
    expect(recordsOf(reading, "user").map((record) => record.user)).toEqual([
      { email: "user1@example.com" },
      { email: "user2@example.com" },
    ]);
  });

  test("keep all digits of large primary keys", async () => {
    const dump = JSON.stringify(conversation(message(2))).replaceAll('"pk":2', '"pk":9007199254740993');
    const reading = await readDump(
      dump.replace('"participants":[1,2]', '"participants":[1,9007199254740993]'),
    );
    expect(recordsOf(reading, "message").map(({ clientId }) => clientId)).toEqual(["1", "9007199254740993"]);
    expect(errorsOf(reading)).toEqual([]);
  });
});

describe("a message", () => {
  test("that refers to what the dump does not have is an error with its line and primary key", async () => {
    const rows = conversation(
      message(2, { room: 7 }),
      message(3, { sender: 7 }),
      message(4, { room: null }),
      message(5, { timestamp: "soon" }),
      message(6, { text: 5 }),
      { ...message(0), pk: undefined } as never,
    );
    const reading = await readDump(rows.map((row) => JSON.stringify(row)).join("\n"));
    expect(errorsOf(reading)).toEqual([
      "line 5, chat.message 2: its room 7 is not a room of the dump",
      "line 6, chat.message 3: its sender 7 is not a user of the dump",
      "line 7, chat.message 4: its room null is not a room of the dump",
      'line 8, chat.message 5: its timestamp "soon" is not a time',
      "line 9, chat.message 6: its text is not a text",
      "line 10, chat.message (record 10): has no pk: write the dump without --natural-primary",
    ]);
    expect(textsOf(reading)).toEqual(["Message 1"]);
  });

  test("without visible text is left out", async () => {
    const reading = await readDump(
      conversation(message(2, { text: "" }), message(3, { text: null }), message(4, { text: " \n\u200b" })),
    );
    expect(skippedOf(reading)).toEqual(Array(3).fill("messages without text"));
  });

  test("has no sender whom one user calls themselves and another has as their email", async () => {
    const reading = await readDump([
      user(1, { username: "user2@example.com" }),
      user(2),
      user(3, { username: "1" }),
      room(1),
      message(1, { sender: ["user2@example.com"] }),
      message(2, { sender: "1" }),
    ]);
    expect(errorsOf(reading)).toEqual([
      'line 1, chat.message 1: its sender ["user2@example.com"] is not a user of the dump',
    ]);
    expect(recordsOf(reading, "message")).toMatchObject([{ sender: { email: "user3@example.com" } }]);
  });

  test("is edited or deleted by a flag, at the time of its last change", async () => {
    const flags = { is_edited: false, deleted: false, updated_at: "2024-05-01T11:00:00Z" };
    const changed = (pk: number, fields: object) => message(pk, { ...flags, ...fields });
    const reading = await readDump([
      user(1),
      user(2),
      room(1),
      changed(1, {}),
      changed(2, { is_edited: true }),
      changed(3, { deleted: true }),
    ]);
    const at = Date.UTC(2024, 4, 1, 11);
    expect(
      recordsOf(reading, "message").map(({ text, editedAt, deletedAt }) => [text, editedAt, deletedAt]),
    ).toEqual([
      ["Message 1", null, null],
      ["Message 2", at, null],
      [null, null, at],
    ]);
  });

  test("is edited or deleted by a field that an option names: a time, or a flag", async () => {
    const at = "2024-05-01T11:00:00Z";
    const reading = await readDump(
      [
        ...conversation().slice(0, 3),
        message(1, { changed_on: null, hidden: false }),
        message(2, { changed_on: at, hidden: false }),
        message(3, { changed_on: null, hidden: true }),
      ],
      { edited: "changed_on", deleted: "hidden" },
    );
    expect(
      recordsOf(reading, "message").map(({ text, editedAt, deletedAt }) => [text, editedAt, deletedAt]),
    ).toEqual([
      ["Message 1", null, null],
      ["Message 2", Date.parse(at), null],
      [null, null, Date.UTC(2024, 4, 1, 10)],
    ]);
    const gone = await readDump(conversation(message(2, { gone_on: at })), { deleted: "gone_on" });
    expect(recordsOf(gone, "message").map(({ deletedAt }) => deletedAt)).toEqual([null, Date.parse(at)]);
  });

  test("may name its sender and its room in words", async () => {
    const reading = await readDump([
      user(1, { username: "ana" }),
      room(1, { slug: "general", participants: [1] }),
      message(1, { room: "general", sender: "ana" }),
    ]);
    expect(recordsOf(reading, "message")).toMatchObject([
      { room: "1", sender: { email: "user1@example.com" } },
    ]);
  });
});

describe("users", () => {
  test("are named by their first and last name, a full name or a username that is no address", async () => {
    const reading = await readDump([
      user(1, { first_name: "Ana", last_name: "Novak" }),
      user(2, { first_name: "", last_name: "" }),
      user(3, { username: "user3@example.com" }),
      room(1, { participants: [1, 2, 3] }),
      message(1),
    ]);
    expect(recordsOf(reading, "user").map(({ name }) => name)).toEqual(["Ana Novak", "user2", null]);
  });

  test("are named by the field of an option, such as the username", async () => {
    const rows = conversation().with(0, user(1, { first_name: "Ana", last_name: "Novak" }));
    const reading = await readDump(rows, { name: "username" });
    expect(recordsOf(reading, "user").map(({ name }) => name)).toEqual(["user1", "user2"]);
    expect(reading.notes[0]).toBe("Users     auth.user (email: email, name: username)");
    expect((await readDump(rows)).notes[0]).toBe(
      "Users     auth.user (email: email, name: first_name last_name)",
    );
  });

  test("are known by their email in any case", async () => {
    const reading = await readDump(conversation().with(0, user(1, { email: " Ana@Example.COM" })));
    expect(recordsOf(reading, "message")[0]?.sender).toEqual({ email: "ana@example.com" });
  });

  test("with the same email are an error, and are not merged", async () => {
    const rows = conversation(user(3, { email: "USER1@example.com" }), message(2, { sender: 3 }));
    const reading = await readDump(rows.map((row) => JSON.stringify(row)).join("\n"));
    expect(errorsOf(reading)).toEqual(["line 5, auth.user 3: has the same email as line 1, auth.user 1"]);
    expect(recordsOf(reading, "message").map(({ sender }) => sender)).toEqual([
      { email: "user1@example.com" },
      { sub: "django:3" },
    ]);
  });

  test("cannot become a member in the place of another by taking their key as a username", async () => {
    const reading = await readDump([
      user("a1"),
      user("b2", { username: "a1" }),
      room(1, { participants: ["a1"] }),
      message(1, { sender: "a1" }),
    ]);
    expect(recordsOf(reading, "member").map((record) => record.user)).toEqual([
      { email: "usera1@example.com" },
    ]);
    expect(recordsOf(reading, "message").map(({ sender }) => sender)).toEqual([
      { email: "usera1@example.com" },
    ]);
  });

  test("with an email that is none are an error", async () => {
    const reading = await readDump(conversation().with(0, user(1, { email: "nobody" })));
    expect(errorsOf(reading)).toEqual(['line 1, auth.user 1: the email "nobody" is no email address']);
  });

  test("whose account is disabled are not members, but keep their messages", async () => {
    const reading = await readDump(conversation().with(0, user(1, { is_active: false })));
    expect(recordsOf(reading, "member").map((record) => record.user)).toEqual([
      { email: "user2@example.com" },
    ]);
    expect(skippedOf(reading)).toEqual(["memberships of disabled accounts"]);
    expect(recordsOf(reading, "message")[0]?.sender).toEqual({ email: "user1@example.com" });
  });

  test("without a record are an error of the room", async () => {
    const reading = await readDump(conversation(room(2, { participants: [1, 8] })));
    expect(errorsOf(reading)).toEqual(["line 1, chat.room 2: participant 8 is not a user of the dump"]);
  });
});

describe("rooms", () => {
  test("need an id that fits into a URL, and one that no other room has", async () => {
    const rows = [
      ...conversation(),
      room(2, { name: "Coffee break!" }),
      room(3, { name: "Room1" }),
      room(4, { name: "" }),
      message(2, { room: 2 }),
    ];
    const reading = await readDump(rows.with(2, room(1, { name: "Room1" })), { roomId: "name" });
    expect(errorsOf(reading)).toEqual([
      'line 1, chat.room 2: the id "Coffee break!" is no room id. A room id has 1 to 100 letters, digits, dots, underscores and hyphens, and does not begin with a dot.',
      "line 1, chat.room 3: has the same id as line 1, chat.room 1: Room1",
      "line 1, chat.room 4: has no id: name the field of the room's id with --room-id",
    ]);
    // One error for the room is enough.
    expect(skippedOf(reading)).toEqual(["messages of rooms with errors"]);
  });

  test("are named after their members, when they have no name", async () => {
    const users = ["Ana", "Bob", "Cleo", "Dan", "Eve"].map((name, index) =>
      user(index + 1, { first_name: name }),
    );
    const reading = await readDump([
      ...users,
      room(1, { name: "" }),
      room(2, { name: null, participants: [1, 2, 3, 4, 5] }),
      room(3, { name: " ", participants: [] }),
      message(1),
    ]);
    expect(recordsOf(reading, "room").map(({ name }) => name)).toEqual([
      "Ana, Bob",
      "Ana, Bob, Cleo and 2 more",
      "3",
    ]);
  });

  test("give their owner and their moderators a role, if these are members", async () => {
    const reading = await readDump([
      user(1),
      user(2),
      user(3),
      room(1, { participants: [1, 2], owner: 1, moderators: [2, 3] }),
      message(1),
    ]);
    expect(recordsOf(reading, "member").map((record) => [record.user, record.role])).toEqual([
      [{ email: "user1@example.com" }, "owner"],
      [{ email: "user2@example.com" }, "moderator"],
    ]);
  });
});

const membership = (pk: number, fields: object) => ({
  model: "chat.roommember",
  pk,
  fields: { room: 1, user: pk, ...fields },
});

describe("memberships", () => {
  const users = Array.from({ length: 6 }, (_, index) => user(index + 1));
  const rows = [...users, { model: "chat.room", pk: 1, fields: { name: "" } }, message(1)];
  const members = async (fields: object[]) => {
    const reading = await readDump([...rows, ...fields.map((more, index) => membership(index + 1, more))]);
    return { reading, roles: recordsOf(reading, "member").map(({ role }) => role) };
  };

  test("give roles", async () => {
    const { roles } = await members([
      { role: "OWNER", is_admin: false },
      { role: "room_admin", is_admin: false },
      { role: "guest", is_admin: true },
      { role: "guest", is_admin: false },
    ]);
    expect(roles).toEqual(["owner", "moderator", "moderator", "member"]);
  });

  test("that ended, or were never accepted, give no access", async () => {
    const { reading, roles } = await members([
      { left_at: null, is_banned: false, accepted: true, status: "active" },
      { left_at: "2024-05-01T10:00:00Z", is_banned: false, accepted: true, status: "active" },
      { left_at: null, is_banned: true, accepted: true, status: "active" },
      { left_at: null, is_banned: false, accepted: false, status: "active" },
      { left_at: null, is_banned: false, accepted: true, status: "invited" },
    ]);
    expect(roles).toEqual(["member"]);
    expect(skippedOf(reading)).toEqual([
      ...Array(3).fill("memberships that have ended or were not accepted"),
      'memberships with the status "invited"',
    ]);
  });

  test("name a room that has no name, although they come after it", async () => {
    const { reading } = await members([{}, {}]);
    expect(recordsOf(reading, "room").map(({ name }) => name)).toEqual(["user1, user2"]);
  });
});
