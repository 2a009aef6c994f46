import { expect, spyOn, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { operator } from "../../src/chat/model.ts";
import { StoreError } from "../../src/chat/store.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { type Made, World } from "../contract/world.ts";
import { storeContract } from "../store.contract.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

function makeStore() {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  const db = open(path);
  // Every statement that the store prepares, at once or as it goes.
  const prepared = spyOn(db.$client, "prepare");
  const store = new SqliteStore(db);
  return {
    path,
    client: db.$client,
    prepared,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  } satisfies Made & Record<string, unknown>;
}

storeContract("the store on a SQLite file", async () => makeStore());

test("no statement of the store walks through a table", async () => {
  await using made = makeStore();
  const { store, client, prepared } = made;
  const w = new World(made);
  const [alice, bob] = [await w.user(), await w.user()];
  const room = await w.createRoom(w.name("room"), alice, 9);
  await w.grant(room, { email: "carol@example.com" }, "member", 9);
  await w.signIn("carol", "carol@example.com");
  await w.grant(room, { sub: "dave" }, "owner", 9);
  await w.grant(room, { sub: "dave" }, "moderator", 9);
  await w.signIn("dave", "carol.too@example.com");
  await w.grant(room, { email: "erin@example.com" });
  await w.signIn("dave", "erin@example.com");
  await w.store.append([
    w.draft(room, alice, "one", "c"),
    w.draft(room, alice, "one", "c"),
    w.draft(room, bob),
  ]);
  await store.changes(room.key, 0, 9);
  await Promise.all([store.head(room.key), store.roster(room.key), store.members(room.key)]);
  await Promise.all([
    store.rooms(),
    store.roomsOf(alice.key),
    store.membership(room.id, alice.key),
    store.probe(),
  ]);
  await w.edit(room, alice, 1);
  await w.append(
    w.does(room, alice, { type: "react", seq: 1, emoji: "👍", on: true }),
    w.does(room, alice, { type: "delete", seq: 2 }),
    w.does(room, bob, { type: "read", seq: 1 }),
  );
  await store.changes(room.key, 1, 9);
  await store.renameRoom(room.key, "renamed", operator);
  await w.remove(room, alice);
  await w.remove(room, bob);
  await w.delete(room);
  while (await store.purge());

  const statements = [...new Set(prepared.mock.calls.map(([statement]) => statement))];
  expect(statements.length).toBeGreaterThan(30);
  // What an insert's plan names beside it are checks that SQLite skips while no foreign key is broken.
  const searching = statements.filter((statement) => !statement.startsWith("insert"));
  const walks = searching.flatMap((statement) => {
    const plan = client.query<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`);
    const steps = plan.all(...Array.from({ length: plan.paramsCount }, () => null));
    return steps.map(({ detail }) => detail).filter((detail) => detail.startsWith("SCAN"));
  });
  // The list of all rooms is read in the order of an index.
  expect(walks).toEqual(["SCAN rooms USING INDEX rooms_id"]);
});

test("what refers to nothing is not stored, and takes nothing else along", async () => {
  await using made = makeStore();
  const w = new World(made);
  const alice = await w.user();
  const room = await w.room(alice);
  const nobody = { ...alice, key: 2 ** 40, admin: true };
  expect(w.store.append([w.draft(room, alice), w.draft(room, nobody)])).rejects.toThrow(/FOREIGNKEY/);
  expect(await w.texts(room)).toEqual([]);
  expect(await w.store.head(room.key)).toEqual({ seq: 0, rev: 0 });
  const said = await w.fill(room, alice, 1);
  expect(await w.texts(room)).toEqual(said);
});

test("a store that can't be read or written says so, in every method", async () => {
  await using made = makeStore();
  const w = new World(made);
  const alice = await w.user();
  const room = await w.room(alice);
  const { store } = made;
  await store.append([w.draft(room, alice)]);
  for (const table of ["rooms", "members", "messages", "emails", "probes"])
    made.client.run(`ALTER TABLE ${table} RENAME TO hidden_${table}`);
  const calls: (() => Promise<unknown>)[] = [
    () => store.append([w.draft(room, alice)]),
    () => w.signIn("new", "new@example.com"),
    () => store.membership(room.id, alice.key),
    () => store.head(room.key),
    () => store.messages(room.key, { limit: 1 }),
    () => store.changes(room.key, 0, 1),
    () => w.createRoom("new"),
    () => store.renameRoom(room.key, "new", operator),
    () => store.deleteRoom(room.key, operator),
    () => store.rooms(),
    () => store.roomsOf(alice.key),
    () => store.members(room.key),
    () => store.roster(room.key),
    () => store.role(room.key, alice.key),
    () => w.grant(room, { sub: "new" }),
    () => w.remove(room, alice),
    () => store.purge(),
    () => store.probe(),
  ];
  for (const call of calls) expect(call()).rejects.toBeInstanceOf(StoreError);
});

test("what was edited away or deleted, and what others said of it, is nowhere in the file", async () => {
  await using made = makeStore();
  const w = new World(made);
  const alice = await w.user();
  const room = await w.room(alice);
  const texts = {
    kept: "a text that stays",
    first: "a text before the edit",
    second: "a text before its deletion",
  };
  const [emoji, taken] = [":an-emoji-on-it:", ":an-emoji-taken-back:"];
  const found = () => {
    made.client.run("PRAGMA wal_checkpoint(TRUNCATE)");
    const bytes = readFileSync(made.path);
    return [...Object.values(texts), emoji, taken].filter((each) => bytes.includes(each));
  };
  const react = (on: string) => w.does(room, alice, { type: "react", seq: 2, emoji: on, on: true });
  await w.append(
    w.draft(room, alice, texts.kept),
    w.draft(room, alice, texts.first),
    react(emoji),
    react(taken),
  );
  expect(found()).toEqual([texts.kept, texts.first, emoji, taken]);
  await w.append(
    w.does(room, alice, { type: "edit", seq: 2, text: texts.second }),
    w.does(room, alice, { type: "react", seq: 2, emoji: taken, on: false }),
  );
  expect(found()).toEqual([texts.kept, texts.second, emoji]);
  await w.append(w.does(room, alice, { type: "delete", seq: 2 }));
  expect(found()).toEqual([texts.kept]);
  expect((await made.store.messages(room.key, { limit: 1 }))[0]).toMatchObject({ text: null, reactions: [] });
});

test("the version rises when another connection has written, and only then", async () => {
  await using made = makeStore();
  const other = new SqliteStore(open(made.path));
  const before = made.store.version();
  const room = await new World(made).room();
  expect(made.store.version()).toBe(before);
  await other.deleteRoom(room.key, operator);
  expect(made.store.version()).not.toBe(before);
  await other.close();
});

test("whoever was invited, never came, and is in no room any more leaves his place to the next", async () => {
  await using made = makeStore();
  const w = new World(made);
  const [room, other] = [await w.room(), await w.room()];
  const count = () => made.client.query<{ n: number }, []>("SELECT count(*) AS n FROM users").get()?.n;
  const invite = (name: string) => w.grant(room, { email: `${name}@example.com` });
  const remove = async (name: string) => {
    const email = `${name}@example.com`;
    expect(await made.store.removeMember(room.key, { email }, operator)).toMatchObject({ role: "member" });
  };
  await invite("first");
  const before = count();
  await remove("first");
  for (const name of ["second", "third", "fourth"]) {
    await invite(name);
    await remove(name);
  }
  expect(count()).toBe(before);
  // Somebody who waits in another room keeps his place, and so does whoever has come.
  await w.grant(other, { email: "waits@example.com" });
  await invite("waits");
  await remove("waits");
  await invite("comes");
  const came = await made.store.signIn({
    sub: "came",
    email: "comes@example.com",
  });
  await remove("comes");
  await invite("fifth");
  expect(await w.grant(other, { email: "waits@example.com" })).toMatchObject({ added: false });
  expect(await made.store.signIn({ sub: "came" })).toEqual(came);
  expect((await made.store.members(room.key)).map(({ user }) => user.email)).toEqual(["fifth@example.com"]);
});

test("a known user is let in though his new name can't be stored; one whose email is new is told to wait", async () => {
  await using made = makeStore();
  const identity = { sub: "u", email: "u@example.com", name: "Old" };
  const known = await made.store.signIn(identity);
  // As a full disk does, it reads and takes no writes.
  made.client.run("PRAGMA query_only = ON");
  expect(await made.store.signIn({ ...identity, name: "New" })).toEqual(known);
  for (const changed of [{ email: "new@example.com" }, { sub: "somebody else" }]) {
    const refusal = await made.store.signIn({ ...identity, ...changed }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(StoreError);
  }
  made.client.run("PRAGMA query_only = OFF");
  expect(await made.store.signIn({ ...identity, name: "New" })).toEqual({ ...known, name: "New" });
});
