import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { unwrap } from "../../src/chat/errors.ts";
import {
  type Action,
  type Actor,
  defaultSettings,
  type Invitee,
  type Meta,
  operator,
  type RestrictionKind,
  type Room,
} from "../../src/chat/model.ts";
import type { Store } from "../../src/chat/store.ts";
import type { MemberRecord, RoomRecord, TransferRecord } from "../../src/chat/transfer.ts";
import { encodeMeta } from "../../src/chat/validation.ts";
import { StoreHarness, subOf } from "../contract/store-harness.ts";
import { foreign, openArchive } from "../support/archive.ts";
import { send } from "../support/samples.ts";

/** Exports, imports into an empty chat, and exports that one. */
async function roundTrip(lines: readonly string[], room?: string): Promise<string[]> {
  await using copy = openArchive();
  expect(await copy.importLines(lines)).toMatchObject({ errors: [], skipped: [] });
  return await copy.export(room);
}

test("a chat with everything in it is the same after export, import and export", async () => {
  await using from = openArchive();
  const h = new StoreHarness(from.store);
  const [ann, bob] = [
    await h.signIn("sub|ann", "ann@example.com"),
    await h.signIn("sub|bob", "shared@example.com"),
  ];
  // Two users are shown with one email, which belongs to the second. The first owns another one.
  const carol = await h.signIn("sub|carol", "shared@example.com");
  await from.store.signIn({ sub: "sub|dan", name: "Dan" });
  const room = await h.createRoom("general", ann);
  for (const who of [bob, carol]) await h.grant(room, subOf(who));
  await h.grant(room, { email: "invited@example.com" }, "moderator");
  await h.grant(room, { sub: "never@seen" });
  await h.createRoom("empty");
  const deleted = await h.room(ann);
  await h.fill(deleted, ann, 2);
  await h.delete(deleted);
  await h.act(
    room,
    ann,
    send("one", "c1"),
    send("two", null, 1),
    send("three\u2028\u{1f600}", "c1b", null, "{}"),
  );
  await h.act(
    room,
    ann,
    send("card", null, null, '{"z":[1,{"__proto__":null}],"a":"\u2028\\"","__proto__":{"x":1.5e-7}}'),
  );
  await h.act(room, bob, send("four", "c1"), { type: "react", seq: 1, emoji: "👍", on: true });
  await h.act(room, carol, { type: "react", seq: 1, emoji: "👍", on: true });
  await h.act(room, carol, { type: "react", seq: 1, emoji: "🎉", on: true });
  await h.act(room, ann, { type: "edit", seq: 1, text: "first" }, { type: "delete", seq: 3 });
  // The last rev belongs to a reaction that is gone.
  for (const on of [true, false]) await h.act(room, ann, { type: "react", seq: 2, emoji: "👀", on });
  await h.act(room, ann, { type: "edit", seq: 2, text: "2" });
  await h.act(room, bob, { type: "read", seq: 2 });
  const reader = { ...(await h.signIn("sub|admin")), admin: true };
  await h.act(room, reader, { type: "read", seq: 3 });
  await from.import([
    foreign.room("imported"),
    foreign.member("imported", "erin@example.com"),
    foreign.message("imported", "k1", { meta: { card: { id: 7 } } }),
    foreign.reaction("imported", "k1", "erin@example.com"),
    foreign.reaction("imported", "k1", "ann@example.com"),
  ]);
  const lines = await from.export();
  expect(lines.join("\n")).not.toContain(deleted.id);
  expect(await roundTrip(lines)).toEqual(lines);
  const general = await from.export("general");
  expect(general.filter((line) => line.includes('"type":"room"'))).toHaveLength(1);
  expect(general.join("\n")).not.toContain("erin@example.com");
  expect(general.join("\n")).not.toContain("sub|dan");
  expect(await roundTrip(general, "general")).toEqual(general);
});

const openDirect = (store: Store, by: Actor, who: Invitee, id = "new") =>
  store.openDirect({ by, who, id, createdAt: 1, roomsPerUser: 0 });

test("direct conversations are exported and imported, and stay the only ones of their users", async () => {
  await using from = openArchive();
  const h = new StoreHarness(from.store);
  const [ann, bob] = [await h.signIn("sub|ann", "ann@example.com"), await h.signIn("sub|bob")];
  const shared = await h.room(ann, bob);
  await h.grant(shared, { email: "invited@example.com" });
  unwrap(await openDirect(from.store, ann, subOf(bob), "ann-bob"));
  unwrap(await openDirect(from.store, bob, { email: "invited@example.com" }, "bob-invited"));
  const lines = await from.export();
  expect(lines.filter((line) => line.includes('"direct"'))).toEqual([
    expect.stringContaining('"direct":[{"id":"sub|ann"},{"id":"sub|bob"}]'),
    expect.stringContaining('"direct":[{"id":"sub|bob"},{"email":"invited@example.com"}]'),
  ]);
  expect(await roundTrip(lines)).toEqual(lines);
  await using copy = openArchive();
  const there = new StoreHarness(copy.store);
  const [ann2, bob2] = [await there.signIn("sub|ann"), await there.signIn("sub|bob")];
  await there.room(ann2, bob2);
  unwrap(await openDirect(copy.store, ann2, subOf(bob2), "older"));
  expect(await copy.importLines(lines)).toMatchObject({
    errors: [],
    skipped: ["direct conversations that became plain rooms"],
  });
  expect((await copy.store.membership("ann-bob", ann2.key))?.directWith).toBeUndefined();
  expect((await copy.store.membership("older", ann2.key))?.directWith?.key).toBe(bob2.key);
  const again = await openDirect(copy.store, bob2, { email: "invited@example.com" });
  expect(again).toMatchObject({ created: false });
  // A second import finds everything there.
  expect(await copy.importLines(lines)).toMatchObject({ errors: [], skipped: [] });
});

test("of a direct conversation, other members, roles, bans and mutes are not imported", async () => {
  await using archive = openArchive();
  const [ann, bob] = [{ email: "ann@example.com" }, { email: "bob@example.com" }] as const;
  const room = { ...(foreign.room("ann-bob") as RoomRecord), direct: [ann, bob] } as const;
  const member = (email: string) => foreign.member(room.id, email) as MemberRecord;
  const unfit: TransferRecord[] = [
    member("carol@example.com"),
    { ...member(ann.email), role: "owner" },
    { type: "mute", room: room.id, user: bob, at: 1, until: null, reason: null, by: null },
  ];
  const skipped = unfit.map(() => "members, roles, bans and mutes of direct conversations");
  expect(await archive.import([room, ...unfit])).toMatchObject({ errors: [], skipped });
  const [{ key }] = (await archive.store.rooms()) as [Room];
  const membersNow = async () =>
    (await archive.store.members(key)).map(({ user, role }) => [user.email, role]);
  const members = [
    [ann.email, "member"],
    [bob.email, "member"],
  ];
  expect(await membersNow()).toEqual(members);
  // Nor does a later import change it, such as one of a user who has another address now.
  expect(await archive.import([...unfit, foreign.message(room.id, "k")])).toMatchObject({
    errors: [],
    skipped,
  });
  expect(await membersNow()).toEqual(members);
  const open = { ...room, settings: { ...defaultSettings, access: "open" } } as const;
  expect((await archive.import([open])).errors).toEqual(["1: A direct conversation has no settings."]);
});

test("the settings of rooms, bans and mutes are exported and imported", async () => {
  await using from = openArchive();
  const h = new StoreHarness(from.store);
  const [ann, bob] = [await h.signIn("sub|ann", "ann@example.com"), await h.signIn("sub|bob")];
  const room = await h.createRoom("general", ann);
  await h.createRoom("plain");
  unwrap(
    await from.store.changeRoom(room.key, { access: "open", posting: "moderators", slowMode: 9 }, operator),
  );
  const restrict = async (who: Invitee, kind: RestrictionKind, until: number | null, reason: string | null) =>
    unwrap(await from.store.restrict(room.key, who, { kind, until, reason, at: 1000 }, ann));
  await restrict(subOf(bob), "ban", null, "Spam");
  await restrict(subOf(bob), "mute", 2000, null);
  await restrict({ email: "carol@example.com" }, "ban", null, null);
  const lines = await from.export();
  const at = "1970-01-01T00:00:01.000Z";
  const by = { id: "sub|ann", email: "ann@example.com" };
  const parsed = lines.map((line) => JSON.parse(line) as { type: string });
  expect(parsed.filter(({ type }) => type === "ban" || type === "mute")).toEqual([
    { type: "ban", room: "general", user: { id: "sub|bob" }, at, reason: "Spam", by },
    { type: "mute", room: "general", user: { id: "sub|bob" }, at, until: "1970-01-01T00:00:02.000Z", by },
    { type: "ban", room: "general", user: { email: "carol@example.com" }, at, by },
  ] as object[] as typeof parsed);
  expect(parsed.filter(({ type }) => type === "room")).toMatchObject([
    { id: "general", access: "open", posting: "moderators", slow_mode: 9 },
    { id: "plain" },
  ]);
  expect(await roundTrip(lines)).toEqual(lines);
  expect(await roundTrip(await from.export("general"), "general")).toEqual(await from.export("general"));
});

test("an import keeps the settings that a room has, and neither bans members nor adds who is banned", async () => {
  await using chat = openArchive();
  const h = new StoreHarness(chat.store);
  const [ann, bob] = [await h.signIn("ann"), await h.signIn("bob")];
  const room = await h.room(ann);
  unwrap(await chat.store.changeRoom(room.key, { slowMode: 9 }, operator));
  const wanted = { kind: "ban", until: null, reason: null, at: 1 } as const;
  unwrap(await chat.store.restrict(room.key, subOf(bob), wanted, operator));
  const ban = { type: "ban", room: room.id, at: 5, until: null, reason: null, by: null } as const;
  const records: TransferRecord[] = [
    {
      ...(foreign.room(room.id) as RoomRecord),
      settings: { access: "open", posting: "members", slowMode: 0 },
    },
    { type: "member", room: room.id, user: subOf(bob), role: "owner", joinedAt: 1 },
    { ...ban, user: subOf(ann) },
    { ...ban, user: subOf(bob) },
    { ...ban, user: { email: "carol@example.com" } },
  ];
  const imported = await chat.import(records);
  expect(imported).toMatchObject({
    errors: [],
    skipped: ["members who are banned", "bans of members"],
    counts: { "bans and mutes": { added: 1, known: 1 }, members: { added: 0, known: 0 } },
  });
  expect((await chat.store.membership(room.id, ann.key))?.room).toMatchObject({
    access: "members",
    slowMode: 9,
  });
  expect(await chat.store.memberKeys(room.key)).toEqual(new Set([ann.key]));
});

test("lines come in the documented order, with the documented keys", async () => {
  await using from = openArchive();
  const h = new StoreHarness(from.store);
  const ann = await h.signIn("sub|ann", "ann@example.com");
  // They have no read mark yet.
  const owner = await h.signIn("sub|zoe");
  const room = await h.createRoom("general", owner);
  await h.grant(room, subOf(ann));
  await h.grant(room, { email: "bob@example.com" });
  await h.act(room, ann, send("one", "c1", null, '{"b":1,"a":2}'), send("two", null, 1, "{}"));
  await h.act(room, ann, { type: "react", seq: 1, emoji: "👍", on: true }, { type: "delete", seq: 2 });
  const at = "2023-11-14T22:13:20.000Z";
  const created = "1970-01-01T00:00:00.001Z";
  expect((await from.export()).map((line) => JSON.parse(line) as unknown)).toEqual([
    { type: "user", id: "sub|ann", email: "ann@example.com", emails: ["ann@example.com"], signed_in: true },
    { type: "user", id: "sub|zoe", signed_in: true },
    { type: "user", email: "bob@example.com" },
    {
      type: "room",
      id: "general",
      name: "general",
      created_at: created,
      created_by: { id: "sub|zoe" },
      seq: 2,
      rev: 4,
    },
    { type: "member", room: "general", user: { id: "sub|ann" }, role: "member", joined_at: created },
    { type: "member", room: "general", user: { id: "sub|zoe" }, role: "owner", joined_at: created },
    {
      type: "member",
      room: "general",
      user: { email: "bob@example.com" },
      role: "member",
      joined_at: created,
    },
    {
      type: "message",
      room: "general",
      seq: 1,
      rev: 1,
      changed_rev: 3,
      sender: { id: "sub|ann" },
      text: "one",
      sent_at: at,
      client_id: "c1",
      meta: { b: 1, a: 2 },
    },
    { type: "reaction", room: "general", message: 1, emoji: "👍", user: { id: "sub|ann" } },
    {
      type: "message",
      room: "general",
      seq: 2,
      rev: 2,
      changed_rev: 4,
      sender: { id: "sub|ann" },
      sent_at: at,
      deleted_at: at,
      reply_to: 1,
    },
    { type: "read", room: "general", user: { id: "sub|ann" }, seq: 2 },
    { type: "read", room: "general", user: { id: "sub|zoe" }, seq: 0 },
    { type: "read", room: "general", user: { email: "bob@example.com" }, seq: 0 },
  ]);
});

test("a room that does not exist has no records", async () => {
  await using from = openArchive();
  expect(await from.export("none")).toEqual([]);
});

test("an export shows one moment, whatever is written meanwhile", async () => {
  await using from = openArchive();
  const h = new StoreHarness(from.store);
  const ann = await h.signIn("sub|ann");
  const rooms = [await h.createRoom("a", ann), await h.createRoom("b", ann)];
  const before = await from.export();
  const { SqliteStore } = await import("../../src/store/sqlite/store.ts");
  const { open } = await import("../../src/store/sqlite/open.ts");
  const server = new SqliteStore(open(from.path));
  const records: unknown[] = [];
  for await (const record of from.archive.records()) {
    records.push(record);
    for (const { key } of rooms)
      await server.append([{ room: key, actor: ann, at: 1, action: send("meanwhile") }]);
  }
  await server.close();
  expect(records).toHaveLength(before.length);
  expect((await from.export()).length).toBeGreaterThan(before.length);
});

const USERS = 4;

/** Metadata as it is stored, without what is not allowed in it. */
function toMeta(json: Record<string, unknown>): string {
  try {
    return encodeMeta(JSON.parse(JSON.stringify(json)) as Meta);
  } catch {
    return "{}";
  }
}

test("any chat is the same after export, import and export, whatever the order of the lines", async () => {
  const word = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 8 })
    .filter((text) => text.trim() !== "" && !text.includes("\0"));
  const seq = fc.integer({ min: 1, max: 8 });
  const action: fc.Arbitrary<Action> = fc.oneof(
    fc.record({
      type: fc.constant("send" as const),
      text: word,
      clientId: fc.option(fc.constantFrom("a", "b", "c")),
      replyTo: fc.option(seq),
      meta: fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }).map(toMeta)),
    }),
    fc.record({ type: fc.constant("edit" as const), seq, text: word }),
    fc.record({ type: fc.constant("delete" as const), seq }),
    fc.record({
      type: fc.constant("react" as const),
      seq,
      emoji: fc.constantFrom("👍", "❤", "❤️"),
      on: fc.boolean(),
    }),
    fc.record({ type: fc.constant("read" as const), seq }),
  );
  const step = fc.record({ room: fc.nat(2), user: fc.nat(USERS - 1), action });
  const imported = fc.record({
    room: fc.nat(3),
    key: fc.constantFrom("k1", "k2", "k3"),
    email: fc.constantFrom("user-0@example.com", "x@example.com", "y@example.com"),
    react: fc.boolean(),
    deleted: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(imported, { maxLength: 6 }),
      fc.array(fc.nat(USERS - 1), { maxLength: 3 }),
      fc.infiniteStream(fc.nat()),
      async (steps, foreigners, invited, order) => {
        await using from = openArchive();
        const h = new StoreHarness(from.store);
        const users = [];
        for (let n = 0; n < USERS; n++) {
          // The last two share an email, and one has none.
          const email = n === 0 ? undefined : `user-${Math.min(n, 2)}@example.com`;
          users.push(await h.signIn(`sub|${n}`, email));
        }
        const rooms = [];
        for (let n = 0; n < 3; n++) rooms.push(await h.room(...users));
        for (const n of invited)
          await h.grant(rooms[n % 3] as (typeof rooms)[0], { email: `invited-${n}@example.com` });
        for (const { room, user, action: each } of steps)
          await h.act(rooms[room] as (typeof rooms)[0], users[user] as (typeof users)[0], each);
        const ids = [...rooms.map(({ id }) => id), "other"];
        await from.import(
          [
            foreign.room("other"),
            ...foreigners.flatMap(({ room, key, email, react, deleted }) => {
              const id = ids[room] ?? "";
              const message = foreign.message(id, key, {
                sender: { email },
                ...(deleted && { text: null, deletedAt: 2 }),
              });
              return react ? [message, foreign.reaction(id, key, "x@example.com")] : [message];
            }),
          ],
          { skipInvalid: true },
        );
        const lines = await from.export();
        // Reactions to one message keep their order; everything else may come in any.
        const next = order[Symbol.iterator]();
        const places = lines.map((line) => (line.includes('"reaction"') ? 0 : Number(next.next().value)));
        const shuffled = lines
          .map((_, index) => index)
          .toSorted((a, b) => (places[a] ?? 0) - (places[b] ?? 0) || a - b);
        expect(await roundTrip(shuffled.map((index) => lines[index] ?? ""))).toEqual(lines);
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);

test("an export of a room names its creator and those who have only reacted, invited ones too", async () => {
  await using from = openArchive();
  const user = { type: "user", email: null, emails: [], signedIn: false } as const;
  await from.import([
    { ...user, user: { email: "creator@example.com" }, name: "Creator" },
    { ...user, user: { email: "reactor@example.com" }, name: "Reactor" },
    { ...user, user: { email: "other@example.com" }, name: "Other" },
    {
      type: "room",
      id: "r",
      name: "r",
      createdAt: 1,
      createdBy: { email: "creator@example.com" },
      head: null,
    },
    foreign.message("r", "a"),
    foreign.reaction("r", "a", "reactor@example.com"),
  ]);
  const lines = await from.export("r");
  const names = lines.flatMap((line) => /"name":"([A-Z]\w+)"/.exec(line)?.[1] ?? []);
  expect(names).toEqual(["Creator", "Reactor"]);
  expect(await roundTrip(lines, "r")).toEqual(lines);
});
