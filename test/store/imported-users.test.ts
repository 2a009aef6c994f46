import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Room } from "../../src/chat/model.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { foreign, type OpenArchive, openArchive } from "../support/archive.ts";
import { send } from "../support/samples.ts";

const BOB = "bob@example.com";
const { member, message, reaction } = foreign;

let chat: OpenArchive;
let h: StoreHarness;
beforeEach(async () => {
  chat = openArchive();
  h = new StoreHarness(chat.store);
  await chat.import([
    { type: "user", user: { email: BOB }, name: "Bob", email: null, emails: [], signedIn: false },
    { type: "room", id: "r", name: "r", createdAt: 1, createdBy: { email: BOB }, head: null },
    member("r", BOB),
    message("r", "a"),
    message("r", "b", { sender: { email: BOB } }),
    reaction("r", "a", BOB),
    reaction("r", "a", "ann@example.com"),
  ]);
});
afterEach(() => chat[Symbol.asyncDispose]());

async function room(): Promise<Room> {
  const [found] = await chat.store.rooms();
  if (!found) throw new Error("the room is gone");
  return found;
}
const messages = async () => chat.store.messages((await room()).key, { limit: 99 });

/** The lines of users in an export, but for the one whom a test adds. */
const userLines = (all: string[]) =>
  all.filter((line) => line.startsWith('{"type":"user"') && !line.includes("new@"));

test("an imported user who signs in for the first time has their messages, memberships, reactions and name", async () => {
  const bob = await h.signIn("sub|bob", BOB);
  expect(bob).toMatchObject({ id: "sub|bob", email: BOB, name: "Bob" });
  expect(await messages()).toMatchObject([
    { text: "text a", reactions: [{ emoji: "👍", by: ["sub|bob", "ann@example.com"] }] },
    { text: "text b", sender: { key: bob.key, id: "sub|bob" } },
  ]);
  expect(await chat.store.role((await room()).key, bob.key)).toBe("member");
  expect(await h.act(await room(), bob, { type: "edit", seq: 2, text: "mine" })).toEqual([
    expect.stringMatching(/^edited/),
  ]);
  expect((await chat.export()).join("\n")).toContain('"created_by":{"id":"sub|bob"}');
});

test("a rewritten reaction is a change of its room", async () => {
  const before = await room();
  await h.signIn("sub|bob", BOB);
  expect(await h.changes(before, before.rev)).toMatchObject([
    { seq: 1, rev: before.rev + 1, reactions: [{ by: ["sub|bob", "ann@example.com"] }] },
  ]);
  expect((await room()).rev).toBe(before.rev + 1);
});

test("the reactions of a user whose id was imported stay as they are, and are no change", async () => {
  const user = { sub: "sub|carol" };
  await chat.import([
    { type: "user", user, name: null, email: "carol@example.com", emails: [], signedIn: false },
    { type: "reaction", room: "r", message: { key: "b" }, emoji: "👍", user },
  ]);
  const before = await room();
  await h.signIn("sub|carol");
  expect((await room()).rev).toBe(before.rev);
  expect((await messages())[1]?.reactions).toEqual([{ emoji: "👍", by: ["sub|carol"] }]);
});

test("the name of a token counts more than an imported one", async () => {
  expect(await chat.store.signIn({ sub: "sub|bob", email: BOB, name: "Robert" })).toMatchObject({
    name: "Robert",
  });
});

test("a user who signed in before without the email gets what was imported for it", async () => {
  const known = await h.signIn("sub|bob");
  await h.grant(await room(), { sub: "sub|bob" });
  await h.act(await room(), known, send("own", "own"), { type: "react", seq: 1, emoji: "👍", on: true });
  expect(await h.signIn("sub|bob", BOB)).toMatchObject({ key: known.key, name: "Bob" });
  const now = await messages();
  expect(now.map(({ sender, clientId }) => [sender.id ?? sender.email, clientId])).toEqual([
    ["ann@example.com", "a"],
    ["sub|bob", "b"],
    ["sub|bob", "own"],
  ]);
  // They had reacted twice.
  expect(now[0]?.reactions).toEqual([{ emoji: "👍", by: ["sub|bob", "ann@example.com"] }]);
  expect((await chat.export()).join("\n")).toContain('"created_by":{"id":"sub|bob"}');
});

test("a message that has lost its key to the user's own one is not imported again", async () => {
  const known = await h.signIn("sub|bob");
  await h.grant(await room(), { sub: "sub|bob" });
  await h.act(await room(), known, send("own", "b"));
  await h.signIn("sub|bob", BOB);
  await chat.import([message("r", "b", { sender: { email: BOB } }), reaction("r", "b", "ann@example.com")]);
  expect((await messages()).map(({ text, reactions }) => [text, reactions.length])).toEqual([
    ["text a", 1],
    ["text b", 0],
    ["own", 0],
  ]);
});

test("of two messages with one key the user's own one keeps it", async () => {
  const known = await h.signIn("sub|bob");
  await h.grant(await room(), { sub: "sub|bob" });
  await h.act(await room(), known, send("own", "b"));
  await h.signIn("sub|bob", BOB);
  expect((await messages()).map(({ sender, clientId }) => [sender.id, clientId])).toEqual([
    [null, "a"],
    ["sub|bob", null],
    ["sub|bob", "b"],
  ]);
});

test("an imported user who is removed from their last room keeps their messages, and nobody else gets their record", async () => {
  await h.remove(await room(), { email: BOB });
  const other = await h.grant(await room(), { email: "new@example.com" });
  expect(other.member.user).toMatchObject({ email: "new@example.com", name: null });
  expect((await messages())[1]?.sender).toMatchObject({ email: BOB, name: "Bob" });
  const bob = await h.signIn("sub|bob", BOB);
  expect((await messages())[1]?.sender).toMatchObject({ key: bob.key, id: "sub|bob" });
});

test("a user who has only reacted, or only created a room, keeps their record too", async () => {
  await chat.import([
    { type: "room", id: "s", name: "s", createdAt: 1, createdBy: { email: "erin@example.com" }, head: null },
    member("r", "dan@example.com"),
    member("r", "erin@example.com"),
    reaction("r", "a", "dan@example.com"),
    { type: "reaction", room: "r", message: { key: "a" }, emoji: "👍", user: { sub: "sub|fay" } },
    { type: "member", room: "r", user: { sub: "sub|fay" }, role: "member", joinedAt: 1 },
  ]);
  const before = await chat.export();
  const found = (await chat.store.rooms()).find(({ id }) => id === "r");
  for (const who of [{ email: "dan@example.com" }, { email: "erin@example.com" }, { sub: "sub|fay" }])
    await h.remove(found as Room, who);
  await h.grant(found as Room, { email: "new@example.com" });
  expect(userLines(await chat.export())).toEqual(userLines(before));
  await h.signIn("sub|fay");
  expect((await messages())[0]?.reactions[0]?.by).toContain("sub|fay");
});

test("a user who is no member and never signed in has no read mark, which another user could inherit", async () => {
  const gone = { email: "gone@example.com" };
  const mark = { type: "read", room: "r", user: gone, seq: 1 } as const;
  const { counts, skipped } = await chat.import([foreign.room("other"), member("other", gone.email), mark]);
  expect(counts?.["read marks"]).toEqual({ added: 0, known: 0 });
  expect(skipped).toEqual(["read marks of users who are neither members nor have signed in"]);
  const other = (await chat.store.rooms()).find(({ id }) => id === "other");
  if (other) await h.remove(other, gone);
  expect((await chat.export()).join("\n")).not.toContain(gone.email);
});

test("an invitation without anything imported is still given up, with its name", async () => {
  await chat.import([
    { type: "user", user: { email: "x@example.com" }, name: "X", email: null, emails: [], signedIn: false },
    member("r", "x@example.com"),
  ]);
  await h.remove(await room(), { email: "x@example.com" });
  const { member: next } = await h.grant(await room(), { email: "y@example.com" });
  expect(next.user).toMatchObject({ email: "y@example.com", name: null });
  expect((await chat.export()).join("\n")).not.toContain("x@example.com");
});

test("a room with pending reactions can be purged, and leaves nothing of its invited members", async () => {
  await h.delete(await room());
  while (await chat.store.purge());
  expect(await chat.store.rooms()).toEqual([]);
  expect((await chat.export()).join("\n")).not.toContain(BOB);
  const bob = await h.signIn("sub|bob", BOB);
  expect(bob.email).toBe(BOB);
  expect(chat.client.query("SELECT * FROM pending_reactions").all()).toEqual([]);
});
