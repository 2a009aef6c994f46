import { describe, expect, test } from "bun:test";

import { fixture, readFile, recordsOf, refusalOf, skippedOf, textsOf } from "./dump-reader.ts";

const minute = (minutes: number) => Date.UTC(2024, 4, 1, 10, minutes, 0, 123);
const ana = { email: "ana@example.com" };
const bob = { email: "bob@example.com" };

describe("rooms with a list of participants", () => {
  test("are read with their members, messages and users", async () => {
    const reading = await readFile(fixture("rooms"));
    expect(recordsOf(reading, "room")).toEqual([
      { type: "room", id: "1", name: "General", createdAt: minute(0), createdBy: null, head: null },
      {
        type: "room",
        id: "2",
        name: "Ana Novak, Bob Stone",
        createdAt: minute(1),
        createdBy: null,
        head: null,
      },
    ]);
    const cleo = { email: "cleo@example.com" };
    const members = recordsOf(reading, "member");
    expect(members.map(({ room, user }) => [room, user])).toEqual([
      ["1", ana],
      ["1", bob],
      ["1", cleo],
      ["2", ana],
      ["2", bob],
    ]);
    expect(members[0]).toEqual({ type: "member", room: "1", user: ana, role: "member", joinedAt: minute(0) });
    expect(recordsOf(reading, "message")[1]).toEqual({
      type: "message",
      room: "1",
      sender: bob,
      text: "Hi there! – dobrý den 🎉",
      sentAt: minute(11),
      editedAt: null,
      deletedAt: null,
      replyTo: null,
      clientId: "2",
      meta: null,
      position: null,
    });
    expect(textsOf(reading)).toHaveLength(5);
    expect(recordsOf(reading, "user")[0]).toEqual({
      type: "user",
      user: ana,
      name: "Ana Novak",
      email: "ana@example.com",
      emails: [],
      signedIn: false,
    });
    expect(recordsOf(reading, "user").map(({ name }) => name)).toEqual(["Ana Novak", "Bob Stone", "Cleo"]);
    expect(reading.notes).toEqual([
      "Users     accounts.user (email: email, name: first_name last_name)",
      "Rooms     chat.chatroom (id: pk, name: name)",
      "Members   participants",
      "Messages  chat.message (room: room, sender: sender, text: text, time: timestamp)",
    ]);
  });

  test("are the same in an indented dump, where each item has its line", async () => {
    const [compact, indented] = [await readFile(fixture("rooms")), await readFile(fixture("rooms-indented"))];
    const withoutPlace = ({ items }: typeof compact) => items.map((item) => ({ ...item, at: "" }));
    expect(withoutPlace(indented)).toEqual(withoutPlace(compact));
    expect(new Set(compact.items.map(({ at }) => at.split(",")[0]))).toEqual(new Set(["line 1"]));
    const lines = (await Bun.file(fixture("rooms-indented")).text()).split("\n");
    for (const { at } of indented.items) {
      const [, line, model, pk] = /^line (\d+), (\S+) (\d+)$/.exec(at) ?? [];
      expect(lines.slice(Number(line) - 1, Number(line) + 2)).toEqual([
        "{",
        `  "model": "${model}",`,
        `  "pk": ${pk},`,
      ]);
    }
  });
});

describe("conversations of two users", () => {
  test("are read with edits, deletions, replies and senders who are gone", async () => {
    const reading = await readFile(fixture("pairs"));
    expect(recordsOf(reading, "member").map(({ room, user }) => [room, user])).toEqual([
      ["1", ana],
      ["1", bob],
      ["2", { sub: "django:3" }],
      ["2", ana],
    ]);
    const [first, reply, edited, deleted, toPicture, senderGone, fromKim] = recordsOf(reading, "message");
    expect(first).toMatchObject({ text: "Are you there?", replyTo: null, editedAt: null, deletedAt: null });
    expect(reply).toMatchObject({ text: "Yes", replyTo: { key: "1" } });
    expect(edited).toMatchObject({ text: "Edited", sentAt: minute(3), editedAt: minute(4) });
    expect(deleted).toMatchObject({ text: null, sentAt: minute(5), deletedAt: minute(5) });
    // The picture without text is left out, so nothing can reply to it.
    expect(skippedOf(reading)).toEqual(["messages without text"]);
    expect(toPicture).toMatchObject({ text: "Nice cat", replyTo: null });
    expect(senderGone).toMatchObject({ sender: { sub: "django:deleted" } });
    expect(fromKim).toMatchObject({ room: "2", sender: { sub: "django:3" } });
    expect(recordsOf(reading, "user").map(({ user, name }) => [user, name])).toEqual([
      [{ sub: "django:deleted" }, "Deleted user"],
      [ana, "Ana Novak"],
      [bob, "bob"],
      [{ sub: "django:3" }, "kim"],
    ]);
    expect(reading.notes.at(-1)).toBe(
      "1 user is imported as django:<pk>, for want of an email: nobody can sign in as them",
    );
  });

  test("are as old as their first message, when they have no time of their own", async () => {
    const reading = await readFile(fixture("pairs"));
    expect(recordsOf(reading, "room").map(({ name, createdAt }) => [name, createdAt])).toEqual([
      ["Ana Novak, bob", minute(1)],
      ["kim, Ana Novak", minute(9)],
    ]);
  });
});

describe("rooms with a model of memberships", () => {
  test.each(["members", "members-natural"])("are read from %s", async (name) => {
    const reading = await readFile(fixture(name), { roomId: "slug" });
    expect(recordsOf(reading, "room")).toEqual([
      { type: "room", id: "team", name: "The team", createdAt: minute(3), createdBy: ana, head: null },
    ]);
    expect(recordsOf(reading, "member")).toEqual([
      { type: "member", room: "team", user: ana, role: "moderator", joinedAt: minute(0) },
      { type: "member", room: "team", user: bob, role: "member", joinedAt: minute(1) },
    ]);
    expect(skippedOf(reading)).toEqual(["memberships that have ended or were not accepted"]);
    expect(recordsOf(reading, "message").map(({ text, clientId }) => [text, clientId])).toEqual([
      ["Message 0", "44444444-4444-4444-4444-444444444444"],
      ["Message 1", "55555555-5555-5555-5555-555555555555"],
      ["Message 2", "66666666-6666-6666-6666-666666666666"],
    ]);
  });

  test("have the primary key as their id, unless another field is named", async () => {
    const reading = await readFile(fixture("members"));
    expect(recordsOf(reading, "room").map(({ id }) => id)).toEqual(["aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"]);
  });

  test("know their users by the sub in a field that is named", async () => {
    const reading = await readFile(fixture("members"), { sub: "auth0_id" });
    expect(recordsOf(reading, "user").map(({ user, email }) => [user, email])).toEqual([
      [{ sub: "auth0|ana" }, "ana@example.com"],
      [{ sub: "auth0|bob" }, "bob@example.com"],
      [{ sub: "auth0|cleo" }, "cleo@example.com"],
    ]);
    expect(recordsOf(reading, "message")[0]?.sender).toEqual({ sub: "auth0|ana" });
  });
});

test("users can be known by their primary key, as a token of the application itself names them", async () => {
  const reading = await readFile(fixture("members"), { sub: "pk" });
  const people = recordsOf(reading, "user").map(({ user, email }) => [user, email]);
  const keys = people.map(([user]) => (user as { sub: string }).sub);
  expect(keys.every((key) => /^([0-9]+|[0-9a-f-]{36})$/.test(key))).toBe(true);
  expect(people.map(([, email]) => email)).toEqual([
    "ana@example.com",
    "bob@example.com",
    "cleo@example.com",
  ]);
  const [message] = recordsOf(reading, "message");
  expect(keys.map((sub) => ({ sub }))).toContainEqual(message?.sender as never);
});

describe("rooms without members, as in tutorials", () => {
  test("need to be told who is a member", async () => {
    expect(await refusalOf(readFile(fixture("tutorial")))).toContain(
      "Who is a member of a room? Name fields of chat.room with --participants (it has name, slug), or a model with --member-model. With --add-senders those who wrote are members, with --no-participants nobody is.",
    );
  });

  test("can have those as members who wrote", async () => {
    const reading = await readFile(fixture("tutorial"), { addSenders: true, roomId: "slug" });
    expect(recordsOf(reading, "room")).toMatchObject([
      { id: "coffee", name: "Coffee break", createdAt: minute(0) },
    ]);
    expect(recordsOf(reading, "member").map(({ user, joinedAt }) => [user, joinedAt])).toEqual([
      [ana, minute(0)],
      [bob, minute(1)],
    ]);
    expect(reading.notes.at(-1)).toBe(
      "Times     without a time zone, taken as UTC: --timezone names another",
    );
  });

  test("can have no members at all, and times in a zone", async () => {
    const reading = await readFile(fixture("tutorial"), { participants: false, timezone: "Europe/Berlin" });
    expect(recordsOf(reading, "member")).toEqual([]);
    expect(recordsOf(reading, "message")[0]?.sentAt).toBe(minute(0) - 2 * 3_600_000);
    expect(reading.notes.at(-1)).toStartWith("Messages");
  });
});
