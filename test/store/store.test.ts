import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { StoreError, unwrap } from "../../src/chat/errors.ts";
import { type Action, defaultSettings, operator, type Room } from "../../src/chat/model.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { StoreHarness, subOf } from "../contract/store-harness.ts";
import { storeContract } from "../contract/suite.ts";
import { send } from "../support/samples.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

storeContract("the store on a SQLite file", async () => openSqliteStore());

test("no statement scans a table", async () => {
  await using opened = openSqliteStore();
  const { store, client, prepare } = opened;
  const h = new StoreHarness(store);
  const limit = { membersPerRoom: 9 };
  const [alice, bob] = [await h.user(), await h.user()];
  const room = await h.createRoom(h.name("room"), alice);
  await store.createRoom({
    id: room.id,
    name: "again",
    owner: alice.key,
    ...defaultSettings,
    createdAt: 1,
    roomsPerUser: 9,
  });
  await h.setMember(room, { email: "carol@example.com" }, "member", limit);
  await h.signIn("carol", "carol@example.com");
  for (const role of ["owner", "moderator"] as const) await h.setMember(room, { sub: "dave" }, role, limit);
  await h.signIn("dave", "carol.too@example.com");
  await h.grant(room, { email: "erin@example.com" });
  await h.signIn("dave", "erin@example.com");
  for (let each = 0; each < 2; each++) await h.act(room, alice, send("one", "c"), send("two"));
  await h.act(
    room,
    alice,
    { type: "edit", seq: 1, text: "edited" },
    { type: "react", seq: 1, emoji: "👍", on: true },
    { type: "delete", seq: 2 },
    { type: "read", seq: 1 },
  );
  for (const rev of [0, 1]) await store.changes(room.key, rev, 9);
  await store.history(room.key, 9);
  await store.messages(room.key, { limit: 1, oldest: true });
  await Promise.all([store.head(room.key), store.role(room.key, alice.key), store.memberKeys(room.key)]);
  await Promise.all([store.members(room.key), store.rooms(), store.roomsOf(alice.key), store.probe()]);
  await Promise.all([store.roomOf(alice.key, room.key), store.lastMessages([room.key])]);
  await Promise.all([store.readMark(room.key, alice.key), store.readMarks(room.key, 9)]);
  await store.membership(room.id, alice.key);
  await store.memberships(alice.key, { after: undefined, limit: 9 });
  await store.members(room.key, { after: { role: "moderator", user: 1 }, limit: 9 });
  await store.setName(alice.key, "Alice");
  for (const scope of [{ room: room.key }, { member: alice.key }]) {
    while (await store.search.update());
    await h.act(room, alice, { type: "edit", seq: 1, text: `edited ${JSON.stringify(scope)}` });
    const terms = [{ text: "edited", isPrefix: false }];
    await Array.fromAsync(store.search.scan(terms, scope, {}));
    const position = await store.search.positionOf(scope, { room: room.id, seq: 1 });
    await store.search.placeAt(scope, position ?? 0);
  }
  await store.changeRoom(room.key, { name: "renamed", access: "open", slowMode: 9 }, operator);
  await store.joinRoom(room.key, { by: bob, joinedAt: 1, membersPerRoom: 9 });
  await store.openRooms(bob.key, { after: "", limit: 9 });
  await h.act(room, bob, send("slow"));
  await store.standing(room.key, bob.key);
  for (const kind of ["ban", "mute"] as const) {
    const wanted = { kind, until: 5, reason: null, at: 1 };
    for (const who of [{ email: "frank@example.com" }, { sub: "grace" }, subOf(bob)])
      await store.restrict(room.key, who, wanted, alice);
    await store.restrictions(room.key, { kind, after: { at: 9, user: 9 }, limit: 9, now: 2 });
    await store.restrict(room.key, { sub: "heidi" }, { ...wanted, until: null, at: 6 }, alice);
    await store.restrict(room.key, { email: "ivan@example.com" }, { ...wanted, until: null, at: 6 }, alice);
    await store.liftRestriction(room.key, { sub: "heidi" }, { kind, at: 6 }, alice);
  }
  await h.signIn("ivan", "other@example.com");
  await h.signIn("ivan", "ivan@example.com");
  const subscription = { endpoint: "https://push.example.com/1", p256dh: "key", auth: "secret" };
  await store.push.subscribe(bob.key, subscription, 1, 9);
  await store.push.pushMessages(room.key, [1, 2]);
  await store.push.readersAmong(room.key, [bob.key], 0);
  await store.push.readers(room.key, { after: 0, limit: 9, since: 0 });
  await store.push.targetOf({
    room: { ...room, isDirect: false },
    message: { seq: 1, sender: alice, text: "", mentioned: new Set() },
    user: bob.key,
    subscription: 1,
    endpoint: subscription.endpoint,
  });
  await store.push.forget({ subscription: 1, endpoint: subscription.endpoint });
  await store.push.unsubscribe(bob.key, subscription.endpoint);
  await store.audit(room.key, { before: undefined, limit: 9 });
  await store.removeMember(room.key, { email: "erin@example.com" }, operator);
  for (const who of [subOf(alice), subOf(bob)]) await store.removeMember(room.key, who, operator);
  await h.grant(room, { sub: "withdrawn" });
  await h.remove(room, { sub: "withdrawn" });
  await h.delete(room);
  while (await store.purge());

  const statements = [...new Set(prepare.mock.calls.map(([statement]) => statement))];
  expect(statements.length).toBeGreaterThan(40);
  // Beside an insert itself, its plan shows checks that SQLite skips while no foreign key is broken.
  const searching = statements.filter((statement) => !statement.startsWith("insert"));
  const scans = searching.flatMap((statement) => {
    const plan = client.query<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`);
    const steps = plan.all(...Array.from({ length: plan.paramsCount }, () => null));
    return steps.map(({ detail }) => detail).filter((detail) => detail.startsWith("SCAN"));
  });
  // Lists that were passed in are read, or stored in a row, and those that were cut short. The list of all rooms is read in the order of an index, and
  // all rows of the other index are free. All changes (c) are still to be indexed. The search is a look-up by terms and row ids.
  expect([...new Set(scans)].toSorted()).toEqual([
    "SCAN CONSTANT ROW",
    "SCAN c",
    "SCAN json_each VIRTUAL TABLE INDEX 1:",
    "SCAN json_each VIRTUAL TABLE INDEX 3:",
    "SCAN meant",
    "SCAN one_row",
    "SCAN page",
    "SCAN rooms USING INDEX rooms_id",
    "SCAN search VIRTUAL TABLE INDEX 192:M1><",
    "SCAN search_changes",
    "SCAN some",
    "SCAN users USING INDEX users_free",
  ]);
});

test("the newest 10,000 entries of a room's audit list are kept", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const h = new StoreHarness(store);
  const [room, other] = [await h.room(), await h.room()];
  for (const { key } of [room, other])
    client.run(
      `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
        INSERT INTO audit (room_pk, n, entry) SELECT ${key}, n, '{}' FROM n`,
    );
  for (const name of ["one", "two"]) await store.changeRoom(room.key, { name }, operator);
  const numbers = async (key: number) =>
    (await store.audit(key, { before: undefined, limit: 20_000 })).map(({ n }) => n);
  const kept = await numbers(room.key);
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([10_000, 10_002, 3]);
  expect(await numbers(other.key)).toHaveLength(10_000);
});

test("room lists, unread counts, free user rows and members by email are looked up in the indexes made for them", async () => {
  await using opened = openSqliteStore();
  const { store, client, prepare } = opened;
  const h = new StoreHarness(store);
  const alice = await h.user();
  const room = await h.room(alice);
  await h.grant(room, { email: "bob@example.com" });
  await h.remove(room, { email: "bob@example.com" });
  await store.roomsOf(alice.key);
  const plans = [...new Set(prepare.mock.calls.map(([statement]) => statement))].map((statement) => {
    const plan = client.query<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`);
    return plan.all(...Array.from({ length: plan.paramsCount }, () => null)).map(({ detail }) => detail);
  });
  const used = plans.flat().flatMap((step) => /(?:COVERING )?INDEX \w+/.exec(step)?.[0] ?? []);
  const expected = [
    "COVERING INDEX members_user",
    "COVERING INDEX messages_deleted",
    "INDEX users_free",
    "COVERING INDEX users_email",
  ];
  expect(used).toEqual(expect.arrayContaining(expected));
});

test("bans and mutes are counted, and those of a page found, in an index", async () => {
  await using opened = openSqliteStore();
  const { store, client, prepare } = opened;
  const h = new StoreHarness(store);
  const { key } = await h.room();
  prepare.mockClear();
  const wanted = { kind: "ban", until: null, reason: null, at: 1 } as const;
  await store.restrict(key, { sub: "banned" }, wanted, operator);
  await store.restrictions(key, { kind: "ban", after: { at: 9, user: 9 }, limit: 9, now: 2 });
  const statements = [...new Set(prepare.mock.calls.map(([statement]) => statement))];
  const steps = statements.flatMap((statement) => {
    const plan = client.query<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`);
    return plan.all(...Array.from({ length: plan.paramsCount }, () => null)).map(({ detail }) => detail);
  });
  expect(steps.filter((step) => step.includes("INDEX restrictions_at"))).toEqual([
    "SEARCH restrictions USING COVERING INDEX restrictions_at (room_pk=?)",
    "SEARCH restrictions USING COVERING INDEX restrictions_at (room_pk=? AND kind=? AND (at,user_pk)<(?,?))",
  ]);
  expect(steps.filter((step) => step.includes("TEMP B-TREE") || step.startsWith("SCAN restr"))).toEqual([]);
});

test("adding members to a room with slow mode costs no more than to another one, however long its messages are", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const h = new StoreHarness(store);
  const [room, slow] = [await h.room(), await h.room()];
  unwrap(await store.changeRoom(slow.key, { slowMode: 60 }, operator));
  const { key: sender } = await h.user();
  for (const { key } of [room, slow])
    client.run(
      `WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
        INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at)
        SELECT ${key}, n, n, ${sender}, printf('%.*c', 4000, 'x'), 1 FROM n`,
    );
  const add = async ({ key }: Room) => {
    const start = performance.now();
    const invitations = Array.from({ length: 100 }, () => ({ who: { email: h.email() }, role: undefined }));
    unwrap(await store.setMembers(key, invitations, { by: operator, joinedAt: 1, membersPerRoom: 0 }));
    return performance.now() - start;
  };
  const usual = Math.min(await add(room), await add(room), await add(room));
  const inSlowMode = Math.min(await add(slow), await add(slow), await add(slow));
  expect(inSlowMode).toBeLessThan(5 * usual + 5);
});

test("room lists show the new name of a room that this or another process has renamed", async () => {
  await using opened = openSqliteStore();
  const { store, path } = opened;
  const h = new StoreHarness(store);
  const alice = await h.user();
  const { key } = await h.room(alice);
  const listedName = async () => (await store.roomsOf(alice.key)).map(({ room }) => room.name);
  await listedName();
  await store.changeRoom(key, { name: "here" }, operator);
  expect(await listedName()).toEqual(["here"]);
  const other = new SqliteStore(open(path));
  await other.changeRoom(key, { name: "elsewhere" }, operator);
  await other.close();
  expect(await listedName()).toEqual(["elsewhere"]);
});

test("a batch that breaks a foreign key stores nothing, and the next one works", async () => {
  await using opened = openSqliteStore();
  const h = new StoreHarness(opened.store);
  const alice = await h.user();
  const room = await h.room(alice);
  const nobody = { ...alice, key: 2 ** 40, admin: true };
  const batch = [h.draft(room, alice, send("a")), h.draft(room, nobody, send("b"))];
  expect(await h.store.append(batch).catch((error: unknown) => error)).toBeInstanceOf(StoreError);
  expect([await h.texts(room), await h.store.head(room.key)]).toEqual([[], { seq: 0, rev: 0 }]);
  expect(await h.act(room, alice, send("c"))).toEqual(["created 1/1"]);
});

test("every method rejects with a StoreError when the file cannot be read or written", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const h = new StoreHarness(store);
  const alice = await h.user();
  const room = await h.room(alice);
  await h.act(room, alice, send("x"));
  for (const table of ["rooms", "members", "reads", "messages", "emails", "probes"])
    client.run(`ALTER TABLE ${table} RENAME TO hidden_${table}`);
  const { key } = room;
  const calls: Record<string, () => Promise<unknown>> = {
    append: () => h.act(room, alice, send("x")),
    signIn: () => h.signIn("new", "new@example.com"),
    membership: () => store.membership(room.id, alice.key),
    head: () => store.head(key),
    history: () => store.history(key, 1),
    messages: () => store.messages(key, { limit: 1 }),
    changes: () => store.changes(key, 0, 1),
    createRoom: () => h.createRoom("new"),
    changeRoom: () => store.changeRoom(key, { name: "new" }, operator),
    deleteRoom: () => store.deleteRoom(key, operator),
    rooms: () => store.rooms(),
    roomsOf: () => store.roomsOf(alice.key),
    roomOf: () => store.roomOf(alice.key, key),
    lastMessages: () => store.lastMessages([key]),
    readMarks: () => store.readMarks(key, 9),
    members: () => store.members(key),
    memberKeys: () => store.memberKeys(key),
    role: () => store.role(key, alice.key),
    readMark: () => store.readMark(key, alice.key),
    setMember: () => h.setMember(room, { sub: "new" }),
    removeMember: () => store.removeMember(key, subOf(alice), operator),
    purge: () => store.purge(),
    probe: () => store.probe(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await call().catch((reason: unknown) => reason);
    expect([name, error instanceof StoreError]).toEqual([name, true]);
  }
});

const react = (emoji: string, on = true): Action => ({ type: "react", seq: 2, emoji, on });

test("nothing of a text that was edited away or deleted, or of its reactions, is left in the file", async () => {
  await using opened = openSqliteStore();
  const h = new StoreHarness(opened.store);
  const alice = await h.user();
  const room = await h.room(alice);
  const texts = {
    kept: "a text that stays",
    first: "a text before the edit",
    second: "a text before the deletion",
  };
  const [emoji, withdrawn] = [":an-emoji-on-it:", ":an-emoji-withdrawn:"];
  const found = () => {
    opened.client.run("PRAGMA wal_checkpoint(TRUNCATE)");
    const bytes = readFileSync(opened.path);
    return [...Object.values(texts), emoji, withdrawn].filter((each) => bytes.includes(each));
  };
  await h.act(room, alice, send(texts.kept), send(texts.first), react(emoji), react(withdrawn));
  expect(found()).toEqual([texts.kept, texts.first, emoji, withdrawn]);
  await h.act(room, alice, { type: "edit", seq: 2, text: texts.second }, react(withdrawn, false));
  expect(found()).toEqual([texts.kept, texts.second, emoji]);
  await h.act(room, alice, { type: "delete", seq: 2 });
  expect(found()).toEqual([texts.kept]);
});

test("the data version rises when another connection has written, and only then", async () => {
  await using opened = openSqliteStore();
  const { store, path } = opened;
  const other = new SqliteStore(open(path));
  const before = store.dataVersion();
  const room = await new StoreHarness(store).room();
  expect(store.dataVersion()).toBe(before);
  await other.deleteRoom(room.key, operator);
  expect(store.dataVersion()).not.toBe(before);
  await other.close();
});

test("the row of a withdrawn invitation is used again, and that of a user who has signed in is not", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const h = new StoreHarness(store);
  const [room, other] = [await h.room(), await h.room()];
  const count = (table: string) =>
    client.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0;
  const invitees = [1, 2, 3].flatMap((n) => [{ sub: `sub|${n}` }, { email: `${n}@example.com` }]);
  for (const who of invitees) {
    await h.grant(room, who);
    expect(await h.remove(room, who)).toMatchObject({ role: "member" });
  }
  expect([count("users"), count("emails"), count("reads"), count("members")]).toEqual([1, 0, 0, 0]);
  // A second invitation, a first sign-in: the row stays.
  await h.grant(room, { sub: "sub|4" });
  await h.grant(other, { sub: "sub|4" });
  await h.remove(room, { sub: "sub|4" });
  const came = await h.signIn("sub|5", "5@example.com");
  await h.grant(room, { sub: "sub|5" });
  await h.remove(room, { sub: "sub|5" });
  for (const who of invitees) await h.grant(room, who);
  expect(await h.signIn("sub|5")).toEqual(came);
  expect(await h.grant(other, { sub: "sub|4" })).toMatchObject({ added: false });
  expect(count("users")).toBe(2 + invitees.length);
});

test("an invitation that becomes a known user's leaves nothing of itself", async () => {
  await using opened = openSqliteStore();
  const h = new StoreHarness(opened.store);
  const [own, other] = [await h.room(), await h.room()];
  const alice = await h.user();
  await h.grant(own, subOf(alice));
  for (const room of [own, other]) await h.grant(room, { email: "alice@example.com" });
  await h.signIn(alice.id ?? "", "alice@example.com");
  const rows = (table: string) => opened.client.query(`SELECT * FROM ${table}`).values().length;
  expect([rows("members"), rows("reads")]).toEqual([2, 2]);
  // The row of the invitation is free for the next one.
  const before = rows("users");
  await h.grant(own, { email: "next@example.com" });
  expect(rows("users")).toBe(before);
});

test("invitations to a deleted room are released with it", async () => {
  await using opened = openSqliteStore();
  const h = new StoreHarness(opened.store);
  const room = await h.room();
  for (const who of [{ sub: "sub|1" }, { email: "1@example.com" }]) await h.grant(room, who);
  await h.delete(room);
  while (await h.store.purge());
  const named = opened.client.query("SELECT * FROM users WHERE sub IS NOT NULL OR email IS NOT NULL");
  expect([named.all(), opened.client.query("SELECT * FROM emails").all()]).toEqual([[], []]);
});

test("a known user signs in although a new name cannot be stored; a new user or email cannot", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const profile = { sub: "u", email: "u@example.com", name: "Old" };
  const known = await store.signIn(profile);
  // As on a full disk: reads work, writes do not.
  client.run("PRAGMA query_only = ON");
  expect(await store.signIn({ ...profile, name: "New" })).toEqual(known);
  for (const changed of [{ email: "new@example.com" }, { sub: "another" }]) {
    const error = await store.signIn({ ...profile, ...changed }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreError);
  }
  client.run("PRAGMA query_only = OFF");
  expect(await store.signIn({ ...profile, name: "New" })).toEqual({ ...known, name: "New" });
});

test("an invited user does not sign in while that cannot be stored: their row may become another user's", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const h = new StoreHarness(store);
  await h.grant(await h.room(), { sub: "invited" });
  client.run("PRAGMA query_only = ON");
  const error = await store.signIn({ sub: "invited" }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreError);
  client.run("PRAGMA query_only = OFF");
});
