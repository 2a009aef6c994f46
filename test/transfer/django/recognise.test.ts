import { describe, expect, test } from "bun:test";

import type { DjangoOptions } from "../../../src/transfer/django/source.ts";
import { errorsOf, readDump, recordsOf, refusalOf, type Row, textsOf } from "./dump-reader.ts";

/** A chat whose models and fields have the names that a project gave them. */
interface Names {
  userModel?: string;
  roomModel?: string;
  messageModel?: string;
  /** The field of the email. */
  email?: string;
  user?: Record<string, unknown>;
  room?: Record<string, unknown>;
  message?: Record<string, unknown>;
}

const ROOM = { name: "Room", participants: [1, 2] };
const MESSAGE = { room: "r-1", sender: 1, text: "Hello", timestamp: "2024-05-01T10:00:00Z" };

function chat({
  userModel = "auth.user",
  roomModel = "chat.room",
  messageModel = "chat.message",
  email = "email",
  user = {},
  room = ROOM,
  message = MESSAGE,
}: Names): Row[] {
  const people = [1, 2].map((pk) => ({
    model: userModel,
    pk,
    fields: { username: `user${pk}`, [email]: `user${pk}@example.com`, ...user },
  }));
  return [
    ...people,
    { model: roomModel, pk: "r-1", fields: room },
    { model: messageModel, pk: 1, fields: message },
  ];
}

const emptyRoom = (model: string): Row => ({ model, pk: 1, fields: { name: "Suite", users: [] } });

/** Expects a room of two people with one message. */
async function expectChat(rows: Row[], options: DjangoOptions = {}): Promise<void> {
  const reading = await readDump(rows, options);
  expect(errorsOf(reading)).toEqual([]);
  expect(recordsOf(reading, "room").map(({ id }) => id)).toEqual(["r-1"]);
  expect(recordsOf(reading, "member")).toHaveLength(2);
  expect(recordsOf(reading, "message")).toMatchObject([
    { room: "r-1", sender: { email: "user1@example.com" } },
  ]);
  expect(textsOf(reading)).toEqual(["Hello"]);
}

describe("recognised are", () => {
  test.each([
    ["chat.chatroom", "chatroom"],
    ["chat.conversation", "conversation"],
    ["messenger.thread", "thread"],
    ["talk.privatechat", "chat"],
    ["chat.group", "group"],
    ["chat.supportroom", "support_room"],
    ["chat.channel", "channel"],
  ])("rooms called %s", async (roomModel, field) => {
    const { room, ...message } = MESSAGE;
    await expectChat(chat({ roomModel, message: { ...message, [field]: room } }));
  });

  test.each(["chat.message", "chat.chatmessage", "messenger.privatemessage"])(
    "messages called %s",
    (messageModel) => expectChat(chat({ messageModel })),
  );

  test.each([
    ["auth.user", {}],
    ["accounts.user", {}],
    ["accounts.customuser", {}],
    ["members.person", { password: "!", last_login: null }],
    ["members.person", {}],
  ])("users called %s with %j", (userModel, user) => expectChat(chat({ userModel, user })));

  test.each([
    { participants: [1, 2] },
    { members: [1, 2] },
    { users: [1, 2] },
    { first_user: 1, second_user: 2 },
    { user1: 1, user2: 2 },
    { user_one: 1, user_two: 2 },
    { participants: [["user1"], ["user2"]] },
    { first_user: ["user1"], second_user: ["user2"] },
  ])("members in %j", (room) => expectChat(chat({ room: { name: "Room", ...room } })));

  test.each(["sender", "author", "user", "from_user", "created_by"])("senders in %s", (field) => {
    const { sender, ...message } = MESSAGE;
    return expectChat(chat({ message: { ...message, [field]: sender } }));
  });

  test.each(["text", "content", "body", "message"])("texts in %s", (field) => {
    const { text, ...message } = MESSAGE;
    return expectChat(chat({ message: { ...message, [field]: text } }));
  });

  test.each(["timestamp", "created_at", "sent_at", "created", "date", "date_added"])(
    "times in %s",
    (field) => {
      const { timestamp, ...message } = MESSAGE;
      return expectChat(chat({ message: { ...message, [field]: timestamp } }));
    },
  );

  test("the room of a message by the keys that a field has, whatever its name", async () => {
    const { room, ...message } = MESSAGE;
    await expectChat(chat({ message: { ...message, place: room, other: "r-2" } }));
  });

  test("texts by their values: a field that points to another record is none", () =>
    expectChat(chat({ message: { ...MESSAGE, message: 7 } })));
});

describe("what is not recognised", () => {
  const { sender: _sender, ...withoutSender } = MESSAGE;
  const cases: [string, Names, string][] = [
    [
      "rooms",
      { roomModel: "chat.salon" },
      "Which model of the dump holds the rooms? Name it with --room-model. The dump has auth.user (username, email), chat.salon (name, participants), chat.message (room, sender, text, timestamp).",
    ],
    [
      "messages",
      { messageModel: "chat.post" },
      "Which model of the dump holds the messages? Name it with --message-model.",
    ],
    [
      "users",
      { userModel: "a.b", user: { email: undefined } },
      "Which model of the dump holds the users? Name it with --user-model.",
    ],
    [
      "an email",
      { user: { email: undefined } },
      "Which field of auth.user is the email address or the token's sub? Name it with --email or --sub. It has username.",
    ],
    [
      "the sender",
      { message: withoutSender },
      "Which field of chat.message is the sender of a message? Name it with --sender. It has room, text, timestamp.",
    ],
    [
      "the members",
      { room: { name: "Room", staff: [1] } },
      "Who is a member of a room? Name fields of chat.room with --participants (it has name, staff), or a model with --member-model.",
    ],
    [
      "one of two texts",
      { message: { ...MESSAGE, body: "Hi" } },
      "Both text and body of chat.message may be the text of a message: name one with --text.",
    ],
    [
      "one of two lists of members",
      { room: { ...ROOM, users: [1] } },
      "Both participants and users of chat.room may be the participants of a room: name one with --participants.",
    ],
  ];
  test.each(cases)("is asked for: %s", async (_, names, error) => {
    expect(await refusalOf(readDump(chat(names)))).toContain(error);
  });

  test("is asked for: one of two models of rooms, unless one is in the app of the messages", async () => {
    await expectChat([...chat({}), emptyRoom("hotel.room")]);
    expect(await refusalOf(readDump([...chat({}), emptyRoom("chat.conversation")]))).toContain(
      "Both chat.room and chat.conversation may hold the rooms: name one with --room-model.",
    );
  });

  test("is not made up: people with an email who have no account are no users", async () => {
    const inquiry = { model: "a.inquiry", pk: 1, fields: { name: "Ana", email: "ana@example.com" } };
    const rows = [inquiry, ...chat({}).filter(({ model }) => model !== "auth.user")];
    expect(await refusalOf(readDump(rows))).toContain("Which model of the dump holds the users?");
  });

  test("is not made up: Django's groups are no rooms", async () => {
    expect(await refusalOf(readDump(chat({ roomModel: "auth.group" })))).toContain(
      "Which model of the dump holds the rooms?",
    );
  });
});

describe("options", () => {
  const names: Names = {
    userModel: "hr.employee",
    roomModel: "talk.salon",
    messageModel: "talk.post",
    email: "contact",
    room: { label: "Salon", staff: [1], guests: [2], code: "r-1" },
    message: { salon: "r-1", writer: 1, words: "Hello", moment: "2024-05-01T10:00:00Z", answers: null },
  };
  const rows = chat(names);
  const options: DjangoOptions = {
    userModel: "hr.Employee",
    email: "contact",
    roomModel: "Salon",
    roomId: "code",
    participants: "staff, guests",
    messageModel: "post",
    sender: "writer",
    text: "words",
    time: "moment",
    replyTo: "answers",
  };

  test("name models and fields", async () => {
    await expectChat(rows, options);
    await expectChat(rows, { ...options, room: "salon", roomName: "label" });
  });

  test.each([
    [
      { roomModel: "chat.rooms" },
      "--room-model chat.rooms: the dump has no such model. It has hr.employee (",
    ],
    [
      { text: "word" },
      "--text word: talk.post has no such field. It has salon, writer, words, moment, answers.",
    ],
    [{ participants: "staff,guest" }, "--participants guest: talk.salon has no such field."],
    [{ sub: "auth0" }, "--sub auth0: hr.employee has no such field."],
    [{ name: "nick" }, "--name nick: hr.employee has no such field."],
    [{ deleted: "words" }, "--deleted words: the field of talk.post has neither times nor true and false."],
    [{ timezone: "Berlin" }, "--timezone Berlin: unknown time zone."],
  ])("that name nothing are an error: %j", async (more, error) => {
    expect(await refusalOf(readDump(rows, { ...options, ...more }))).toContain(error);
  });

  test("can say that a model without an app is meant, if there is only one", async () => {
    const twice = [...rows, { model: "hotel.salon", pk: 1, fields: {} }];
    expect(await refusalOf(readDump(twice, options))).toContain(
      "--room-model Salon: there are talk.salon and hotel.salon.",
    );
  });

  test("name a model of memberships, and its fields", async () => {
    const memberships = [1, 2].map((pk) => ({
      model: "talk.seat",
      pk,
      fields: { place: "r-1", taken_by: pk },
    }));
    const reading = { memberModel: "talk.seat", memberRoom: "place", memberUser: "taken_by" };
    await expectChat([...chat({ room: { name: "Room" } }), ...memberships], reading);
  });

  test("can say that senders and members are profiles, whose users have the emails", async () => {
    const profiles = [
      { model: "accounts.profile", pk: 1, fields: { user: 2, bio: "" } },
      { model: "accounts.profile", pk: 2, fields: { user: 1, bio: "" } },
      { model: "accounts.profile", pk: 3, fields: { user: null, bio: "" } },
    ];
    const second = { ...MESSAGE, sender: 2 };
    await expectChat([...profiles, ...chat({ message: second })], { userModel: "accounts.Profile" });
    const reading = await readDump([...profiles, ...chat({ message: { ...MESSAGE, sender: 3 } })], {
      userModel: "profile",
    });
    expect(reading.notes[0]).toBe(
      "Users     accounts.profile (user) of auth.user (email: email, name: username)",
    );
    expect(errorsOf(reading)).toEqual(["line 1, chat.message 1: its sender 3 is not a user of the dump"]);
  });

  test("can say that messages are no replies", async () => {
    const reading = await readDump(chat({ message: { ...MESSAGE, parent: 5 } }), { replyTo: false });
    expect(recordsOf(reading, "message")[0]?.replyTo).toBeNull();
  });
});
