import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { MessageRecord, TransferRecord } from "../../src/chat/transfer.ts";
import { StoreHarness, subOf } from "../contract/store-harness.ts";
import { foreign, type OpenArchive, openArchive } from "../support/archive.ts";
import { send } from "../support/samples.ts";

let chat: OpenArchive;
let h: StoreHarness;
beforeEach(() => {
  chat = openArchive();
  h = new StoreHarness(chat.store);
});
afterEach(() => chat[Symbol.asyncDispose]());

async function roomKey(id: string): Promise<number> {
  return (await chat.store.rooms()).find((room) => room.id === id)?.key ?? 0;
}
const messages = async (id: string) => chat.store.messages(await roomKey(id), { limit: 100 });
/** The messages of a room, each as its number, its rev and its text. */
const lines = async (id: string) => (await messages(id)).map(({ seq, rev, text }) => `${seq}/${rev} ${text}`);
const head = async (id: string) => chat.store.head(await roomKey(id));
const { room, member, message, reaction } = foreign;

describe("messages of another product", () => {
  test("are appended in order of their time, then of the file", async () => {
    await chat.import([
      message("r", "c", { sentAt: 3 }),
      message("r", "b", { sentAt: 2 }),
      message("r", "b2", { sentAt: 2 }),
      room("r"),
      message("r", "a", { sentAt: 1 }),
    ]);
    expect(await lines("r")).toEqual(["1/1 text a", "2/2 text b", "3/3 text b2", "4/4 text c"]);
    expect(await head("r")).toEqual({ seq: 4, rev: 4 });
  });

  test("have a second rev when they were edited, deleted or reacted to", async () => {
    await chat.import([
      room("r"),
      message("r", "a", { editedAt: 2 }),
      message("r", "b", { text: null, deletedAt: 2 }),
      message("r", "c"),
      reaction("r", "c", "bob@example.com"),
      message("r", "d"),
    ]);
    expect(await lines("r")).toEqual(["1/2 text a", "2/4 null", "3/6 text c", "4/7 text d"]);
    expect(await chat.store.changes(await roomKey("r"), 0, 100)).toMatchObject({
      rev: 7,
      messages: [{ seq: 1, editedAt: 2 }, { seq: 2, deletedAt: 2 }, { seq: 3 }, { seq: 4 }],
    });
  });

  test("follow those that a room has, which keeps its name and its members their roles", async () => {
    const ann = await h.signIn("sub|ann", "ann@example.com");
    const known = await h.createRoom("r", ann);
    await h.act(known, ann, send("before"));
    const { counts } = await chat.import([
      { ...room("r"), name: "Another name" } as TransferRecord,
      member("r", "ann@example.com"),
      member("r", "bob@example.com"),
      message("r", "a"),
    ]);
    expect(counts).toMatchObject({ rooms: { added: 0, known: 1 }, members: { added: 1, known: 1 } });
    expect(await lines("r")).toEqual(["1/1 before", "2/2 text a"]);
    expect(await chat.store.rooms()).toMatchObject([{ id: "r", name: "r" }]);
    expect((await chat.store.members(known.key)).map(({ role, user }) => [user.email, role])).toEqual([
      ["ann@example.com", "owner"],
      ["bob@example.com", "member"],
    ]);
  });

  test("are not imported twice, and a later file brings what is new", async () => {
    const first = [
      room("r"),
      member("r", "ann@example.com"),
      message("r", "a"),
      message("r", "b"),
      reaction("r", "b", "bob@example.com"),
    ];
    await chat.import(first);
    const before = await chat.export();
    const again = await chat.import(first);
    expect(again.counts).toMatchObject({
      rooms: { added: 0, known: 1 },
      users: { added: 0, known: 2 },
      members: { added: 0, known: 1 },
      messages: { added: 0, known: 2 },
      reactions: { added: 0, known: 1 },
    });
    expect(await chat.export()).toEqual(before);
    const more = await chat.import([
      ...first,
      message("r", "c", { replyTo: { key: "a" } }),
      reaction("r", "b", "carol@example.com"),
    ]);
    expect(more.counts).toMatchObject({
      messages: { added: 1, known: 2 },
      reactions: { added: 1, known: 1 },
    });
    expect(await lines("r")).toEqual(["1/1 text a", "2/4 text b", "3/5 text c"]);
  });

  test("may refer to messages that an earlier file brought", async () => {
    await chat.import([room("r"), message("r", "a")]);
    const { errors } = await chat.import([
      message("r", "b", { replyTo: { key: "a" } }),
      reaction("r", "a", "bob@example.com"),
    ]);
    expect(errors).toEqual([]);
    expect(await messages("r")).toMatchObject([
      { seq: 1, reactions: [{ emoji: "👍", by: ["bob@example.com"] }] },
      { seq: 2, replyTo: 1 },
    ]);
  });

  test("are not doubled when their sender has another address in a later file", async () => {
    await chat.import([room("r"), message("r", "a", { sender: { email: "old@example.com" } })]);
    const sender = { email: "new@example.com" };
    const { counts, errors } = await chat.import([
      message("r", "a", { sender }),
      message("r", "b", { sender, replyTo: { key: "a" } }),
      reaction("r", "a", "bob@example.com"),
    ]);
    expect(errors).toEqual([]);
    expect(counts?.messages).toEqual({ added: 1, known: 1 });
    expect(await messages("r")).toMatchObject([
      { seq: 1, sender: { email: "old@example.com" }, reactions: [{ by: ["bob@example.com"] }] },
      { seq: 2, sender: { email: "new@example.com" }, replyTo: 1 },
    ]);
  });

  test("that were edited or deleted in Parley stay so, and get no reactions once they are deleted", async () => {
    const file = [room("r"), member("r", "ann@example.com"), message("r", "a"), message("r", "b")];
    await chat.import(file);
    const ann = await h.signIn("sub|ann", "ann@example.com");
    const [known] = await chat.store.rooms();
    if (known) await h.act(known, ann, { type: "edit", seq: 1, text: "new" }, { type: "delete", seq: 2 });
    const { skipped } = await chat.import([...file, reaction("r", "b", "bob@example.com")]);
    expect(skipped).toEqual(["reactions to deleted messages"]);
    expect(await messages("r")).toMatchObject([{ text: "new" }, { text: null, reactions: [] }]);
  });

  test("whose key their sender has used in Parley are left out, and so is what refers to them", async () => {
    const ann = await h.signIn("sub|ann", "ann@example.com");
    await h.act(await h.createRoom("r", ann), ann, send("of Parley", "a"));
    const file = [
      message("r", "a"),
      message("r", "b", { replyTo: { key: "a" } }),
      reaction("r", "a", "bob@example.com"),
    ];
    const { counts, errors, skipped } = await chat.import(file);
    expect(errors).toEqual([]);
    expect(counts).toMatchObject({ messages: { added: 1, known: 0 }, reactions: { added: 0 } });
    expect(skipped).toEqual([
      "messages whose key their sender has used at another time",
      "reactions to messages that are left out",
      "references of replies to a message that comes later or is left out",
    ]);
    expect(await messages("r")).toMatchObject([
      { text: "of Parley", reactions: [] },
      { text: "text b", replyTo: null },
    ]);
  });

  test("are new when another user has used their key in Parley", async () => {
    const bob = await h.signIn("sub|bob");
    await h.act(await h.createRoom("r", bob), bob, send("of Parley", "a"));
    expect((await chat.import([message("r", "a")])).counts?.messages).toEqual({ added: 1, known: 0 });
    expect((await chat.import([message("r", "a")])).counts?.messages).toEqual({ added: 0, known: 1 });
    expect(await lines("r")).toEqual(["1/1 of Parley", "2/2 text a"]);
  });

  test("that reply to a later one are kept without the reference", async () => {
    const { skipped } = await chat.import([
      room("r"),
      message("r", "a", { replyTo: { key: "b" } }),
      message("r", "b", { sentAt: 2 }),
    ]);
    expect(skipped).toEqual(["references of replies to a message that comes later or is left out"]);
    expect(await messages("r")).toMatchObject([{ replyTo: null }, { replyTo: null }]);
  });

  test("are of members who have read everything, unless the file has a mark", async () => {
    const { errors } = await chat.import([
      room("r"),
      ...["ann@example.com", "bob@example.com", "carol@example.com"].map((email) => member("r", email)),
      ...["a", "b"].map((key) => message("r", key)),
      { type: "read", room: "r", user: { email: "bob@example.com" }, seq: 1 },
      { type: "read", room: "r", user: { email: "carol@example.com" }, seq: 0 },
    ]);
    expect(errors).toEqual([]);
    const marks = await chat.store.readMarks(await roomKey("r"), 9);
    expect(marks?.map(({ user, seq }) => [user.email, seq]).toSorted()).toEqual([
      ["ann@example.com", 2],
      ["bob@example.com", 1],
      ["carol@example.com", 0],
    ]);
  });

  test("have been read by a new member who had read the room as an administrator before", async () => {
    const reader = { ...(await h.signIn("sub|admin", "admin@example.com")), admin: true };
    await chat.import([room("r"), message("r", "a"), message("r", "b")]);
    const [known] = await chat.store.rooms();
    if (known) await h.act(known, reader, { type: "read", seq: 1 });
    await chat.import([member("r", "admin@example.com")]);
    expect(await chat.store.readMark(await roomKey("r"), reader.key)).toBe(2);
  });

  test("have reactions up to the limits of a message, and none when they are deleted", async () => {
    const { counts, skipped } = await chat.import([
      room("r"),
      message("r", "a"),
      message("r", "b", { text: null, deletedAt: 2 }),
      ...Array.from({ length: 22 }, (_, n) => reaction("r", "a", "ann@example.com", `:${n}:`)),
      reaction("r", "a", "ann@example.com", ":0:"),
      reaction("r", "b", "ann@example.com"),
    ]);
    expect(counts?.reactions).toEqual({ added: 20, known: 1 });
    expect(skipped.toSorted()).toEqual([
      "reactions beyond the limits of a message",
      "reactions beyond the limits of a message",
      "reactions to deleted messages",
    ]);
    expect((await messages("r")).map(({ reactions }) => reactions.length)).toEqual([20, 0]);
  });
});

test.each<[string, TransferRecord[], string]>([
  [
    "a room that is described nowhere",
    [message("none", "a")],
    "1: There is no room none, neither in the file nor in the chat.",
  ],
  [
    "a reply to nothing",
    [room("r"), message("r", "a", { replyTo: { key: "x" } })],
    "2: This message replies to one that does not exist: x",
  ],
  [
    "a reaction to nothing",
    [room("r"), reaction("r", "x", "ann@example.com")],
    "2: This reaction is to a message that does not exist.",
  ],
  [
    "a read mark beyond the end",
    [room("r"), { type: "read", room: "r", user: { sub: "a" }, seq: 1 }],
    "2: The read mark is beyond the newest message of r, 0.",
  ],
  [
    "two messages with one key",
    [room("r"), message("r", "a"), message("r", "a", { text: "other" })],
    "3: Two different messages of r have the key a.",
  ],
  [
    "a room described in two ways",
    [room("r"), { ...room("r"), name: "x" } as TransferRecord],
    "2: Room r is described twice, in different ways.",
  ],
  [
    "a member with two roles",
    [room("r"), member("r", "a@b"), { ...member("r", "a@b"), role: "owner" } as TransferRecord],
    "3: A member of r is listed twice, with different roles.",
  ],
])("%s is an error, and nothing is imported", async (_, records, error) => {
  const before = await chat.export();
  const result = await chat.import([room("other"), message("other", "a"), ...records]);
  const shifted = error.replace(/^\d+/, (at) => String(Number(at) + 2));
  expect(result.errors).toEqual([shifted]);
  expect(await chat.export()).toEqual(before);
  // What is right can be imported without it.
  const rest = await chat.import([room("other"), message("other", "a"), ...records], { skipInvalid: true });
  expect(rest.errors).toEqual([shifted]);
  expect(await lines("other")).toEqual(["1/1 text a"]);
});

test("records that are repeated word by word count once", async () => {
  const records = [room("r"), member("r", "ann@example.com"), message("r", "a")];
  const { counts, errors, skipped } = await chat.import([...records, ...records]);
  expect(errors).toEqual([]);
  expect(skipped).toEqual(["repeated records", "repeated records", "repeated records"]);
  expect(counts).toMatchObject({ rooms: { added: 1 }, members: { added: 1 }, messages: { added: 1 } });
});

test("a dry run says what an import would do, and changes nothing", async () => {
  const records = [
    room("r"),
    member("r", "ann@example.com"),
    message("r", "a"),
    reaction("r", "a", "x@example.com"),
  ];
  const before = await chat.export();
  const dry = await chat.import(records, { dryRun: true });
  expect(await chat.export()).toEqual(before);
  expect(await chat.import(records)).toEqual(dry);
  expect(await lines("r")).toEqual(["1/2 text a"]);
});

test("an import that is given up leaves nothing, and the next one may begin", async () => {
  {
    using started = chat.archive.beginImport();
    started.add("1", room("r"));
  }
  expect(await chat.store.rooms()).toEqual([]);
  expect((await chat.import([room("r")])).errors).toEqual([]);
});

describe("users", () => {
  test("named by an email are its present owner, or are invited by it", async () => {
    const ann = await h.signIn("sub|ann", "ann@example.com");
    await chat.import([
      {
        type: "user",
        user: { email: "ann@example.com" },
        name: "Ann",
        email: null,
        emails: [],
        signedIn: false,
      },
      {
        type: "user",
        user: { email: "bob@example.com" },
        name: "Bob",
        email: null,
        emails: [],
        signedIn: false,
      },
      room("r"),
      member("r", "Bob@Example.com"),
      message("r", "a"),
      message("r", "b", { sender: { email: "bob@example.com" } }),
    ]);
    expect((await messages("r")).map(({ sender }) => sender)).toEqual([
      { key: ann.key, id: "sub|ann", email: "ann@example.com", name: "Ann" },
      { key: expect.any(Number), id: null, email: "bob@example.com", name: "Bob" },
    ]);
  });

  test("named by an email are the owner of whom a later line of the file tells", async () => {
    await chat.import([
      room("r"),
      message("r", "a"),
      {
        type: "user",
        user: { sub: "sub|ann" },
        name: null,
        email: null,
        emails: ["ann@example.com"],
        signedIn: true,
      },
    ]);
    expect((await messages("r")).map(({ sender }) => sender.id)).toEqual(["sub|ann"]);
  });

  test("that are described twice have what either line says", async () => {
    const user = { type: "user", user: { sub: "sub|ann" }, email: null } as const;
    await chat.import([
      { ...user, name: "Ann", emails: [], signedIn: true },
      { ...user, name: "Later", emails: ["ann@example.com"], signedIn: false },
      { ...user, name: null, emails: [], signedIn: false },
    ]);
    expect((await chat.export()).map((line) => JSON.parse(line) as unknown)).toEqual([
      { type: "user", id: "sub|ann", name: "Ann", emails: ["ann@example.com"], signed_in: true },
    ]);
  });

  test("keep the names and emails that they have here", async () => {
    await chat.store.signIn({ sub: "sub|ann", email: "ann@example.com", name: "Ann" });
    await h.signIn("sub|bob");
    const user = { type: "user", name: "Imported", email: "shown@example.com", signedIn: true } as const;
    await chat.import([
      { ...user, user: { sub: "sub|ann" }, emails: ["ann@example.com", "new@example.com"] },
      { ...user, user: { sub: "sub|bob" }, emails: ["ann@example.com"] },
    ]);
    expect((await chat.export()).map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        type: "user",
        id: "sub|ann",
        email: "ann@example.com",
        name: "Ann",
        emails: ["ann@example.com", "new@example.com"],
        signed_in: true,
      },
      { type: "user", id: "sub|bob", name: "Imported", signed_in: true },
    ]);
  });
});

test("a message from Parley without a client_id is refused when its sender has never signed in", async () => {
  const { errors } = await chat.import([
    { ...room("r"), head: { seq: 1, rev: 1 } } as TransferRecord,
    message("r", "a", {
      sender: { sub: "sub|ann" },
      clientId: null,
      position: { seq: 1, rev: 1, changedRev: null },
    }),
  ]);
  expect(errors).toEqual(["2: Room r: Message 1 has no client_id, and its sender has never signed in."]);
});

/** A room from Parley with one message, which was changed last at `rev`. */
const roomAt = (rev: number): TransferRecord[] => [
  { ...room("r"), head: { seq: 1, rev } } as TransferRecord,
  message("r", "a", { position: { seq: 1, rev: 1, changedRev: rev } }),
];

test("a room from Parley with two messages of one sender and client_id is refused", async () => {
  const { errors } = await chat.import([
    { ...room("r"), head: { seq: 2, rev: 2 } } as TransferRecord,
    message("r", "a", { position: { seq: 1, rev: 1, changedRev: null } }),
    message("r", "a", { position: { seq: 2, rev: 2, changedRev: null } }),
  ]);
  expect(errors).toEqual(["3: Room r: Message 2 has the changed rev or the client_id of another one."]);
  expect(await chat.store.rooms()).toEqual([]);
});

test("reactions of a room from Parley are those of its newer state", async () => {
  const bob = { email: "bob@example.com" };
  const liked = { type: "reaction", room: "r", message: { seq: 1 }, emoji: "👍", user: bob } as const;
  const reacted = [...roomAt(2), liked];
  expect((await chat.import(reacted)).counts?.reactions).toEqual({ added: 1, known: 0 });
  expect((await chat.import(reacted)).counts?.reactions).toEqual({ added: 0, known: 1 });
  await chat.import(roomAt(3));
  expect((await messages("r"))[0]?.reactions).toEqual([]);
  expect(chat.client.query("SELECT * FROM pending_reactions").all()).toEqual([]);
});

/** The records of a room with three messages, of which the first was edited. */
async function originals(): Promise<TransferRecord[]> {
  await using from = openArchive();
  const source = new StoreHarness(from.store);
  const ann = await source.signIn("sub|ann", "ann@example.com");
  const original = await source.createRoom("r", ann);
  await source.act(
    original,
    ann,
    send("one", null, null, '{"of":"one"}'),
    send("two", null, null, "{}"),
    send("three"),
    {
      type: "edit",
      seq: 1,
      text: "first",
    },
  );
  const all: TransferRecord[] = [];
  for await (const record of from.archive.records()) all.push(record);
  return all;
}
const isMessage = (record: TransferRecord): record is MessageRecord => record.type === "message";

/** The records with another message of this number. */
const change = (all: TransferRecord[], seq: number, more: Partial<MessageRecord>) =>
  all.map((record) => (isMessage(record) && record.position?.seq === seq ? { ...record, ...more } : record));

describe("a room from Parley", () => {
  test("comes back with its numbers, and goes on from there", async () => {
    await chat.import(await originals());
    expect(await lines("r")).toEqual(["1/4 first", "2/2 two", "3/3 three"]);
    const ann = await h.signIn("sub|ann", "ann@example.com");
    const restored = { key: await roomKey("r") } as never;
    expect(await h.act(restored, ann, send("four"))).toEqual(["created 4/5"]);
  });

  test("is continued by a newer export, and not changed by an older one", async () => {
    const older = await originals();
    await chat.import(older);
    const ann = await h.signIn("sub|ann");
    const restored = { key: await roomKey("r") } as never;
    await h.act(
      restored,
      ann,
      send("four", "c4", null, '{"n":4}'),
      { type: "delete", seq: 2 },
      { type: "react", seq: 4, emoji: "👍", on: true },
    );
    const newer: TransferRecord[] = [];
    for await (const record of chat.archive.records()) newer.push(record);
    const state = await chat.export();
    expect(await chat.import(older)).toMatchObject({
      errors: [],
      counts: { messages: { added: 0, known: 3 } },
    });
    expect(await chat.export()).toEqual(state);
    await using copy = openArchive();
    await copy.import(older);
    expect(await copy.import(newer)).toMatchObject({
      errors: [],
      counts: { messages: { added: 2, known: 2 } },
    });
    expect(await copy.export()).toEqual(state);
    expect((await copy.store.messages(1, { limit: 9 })).map(({ meta }) => meta)).toEqual([
      '{"of":"one"}',
      null,
      null,
      '{"n":4}',
    ]);
  });

  test("is refused when both have gone on differently", async () => {
    const older = await originals();
    await chat.import(older);
    const ann = await h.signIn("sub|ann");
    const restored = { key: await roomKey("r") } as never;
    await h.act(restored, ann, send("here"));
    await using copy = openArchive();
    await copy.import(older);
    const there = new StoreHarness(copy.store);
    const other = await there.signIn("sub|bob");
    await there.grant({ key: 1 } as never, subOf(other));
    await there.act({ key: 1 } as never, other, send("there"), send("there too"));
    const state = await chat.export();
    const diverged: TransferRecord[] = [];
    for await (const record of copy.archive.records()) diverged.push(record);
    const { errors } = await chat.import(diverged);
    expect(errors).toEqual([expect.stringMatching(/: Room r: Message 4 differs from the one that is here/)]);
    expect(await chat.export()).toEqual(state);
  });

  test.each<[string, (all: TransferRecord[]) => TransferRecord[], RegExp]>([
    [
      "lacks a message in the middle",
      (all) => all.filter((each) => !isMessage(each) || each.position?.seq !== 2),
      /Message 2 is missing/,
    ],
    [
      "lacks its last message",
      (all) => all.filter((each) => !isMessage(each) || each.position?.seq !== 3),
      /Message 3 is missing/,
    ],
    [
      "has a message beyond its head",
      (all) => all.map((each) => (each.type === "room" ? { ...each, head: { seq: 2, rev: 4 } } : each)),
      /Message 3 is beyond/,
    ],
    [
      "has revs that do not rise",
      (all) => change(all, 2, { position: { seq: 2, rev: 3, changedRev: null } }),
      /Message 3 has rev 3, which does not follow/,
    ],
    [
      "has one rev twice",
      (all) => change(all, 1, { position: { seq: 1, rev: 1, changedRev: 2 } }),
      /Two messages have the rev 2/,
    ],
    ["mixes messages with and without numbers", (all) => [...all, message("r", "a")], /A message has no seq/],
  ])("that %s is left out, and an error", async (_, spoil, error) => {
    const spoilt = spoil(await originals());
    const { errors } = await chat.import([...spoilt, room("s")]);
    expect(errors).toEqual([expect.stringMatching(error)]);
    expect(await chat.store.rooms()).toEqual([]);
    const rest = await chat.import([...spoilt, room("s")], { skipInvalid: true });
    expect(rest.counts).toMatchObject({ rooms: { added: 1, known: 0 }, messages: { added: 0, known: 0 } });
    expect((await chat.store.rooms()).map(({ id }) => id)).toEqual(["s"]);
  });
});
