import type { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

import { termsOf } from "../../src/chat/search-text.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { searchContract } from "../contract/search.ts";
import { Random } from "../support/random.ts";
import { range, send } from "../support/samples.ts";
import { SearchHarness } from "../support/search-harness.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

describe("the search index on SQLite", () => {
  const opened = openSqliteStore();
  // Their many small writes need not be on disk.
  opened.client.run("PRAGMA synchronous = OFF");
  searchContract(() => new SearchHarness(opened));
});

/** Throws unless the index holds exactly the terms of all messages. */
function checkIndex(client: Database): void {
  client.run("INSERT INTO search (search) VALUES ('integrity-check')");
  client.run("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, search, instance)");
  const indexed = client.query("SELECT term || ' ' || doc FROM temp.terms").values().flat() as string[];
  client.run("DROP TABLE temp.terms");
  const messages = client
    .query<{ text: string; doc: number; room: number }, []>(
      `SELECT text, pk * 64 + seq - first_seq AS doc, m.room_pk AS room FROM messages m JOIN search_blocks b
        ON b.room_pk = m.room_pk AND seq >= first_seq AND seq < next_seq WHERE text IS NOT NULL`,
    )
    .all();
  const expected = messages.flatMap(({ text, doc, room }) =>
    [...termsOf(text), `\ue000${room.toString(36)}`].map((term) => `${term} ${doc}`),
  );
  expect(indexed.toSorted()).toEqual(expected.toSorted());
  const unindexed = client
    .query(
      `SELECT count(*) FROM messages m JOIN rooms r ON r.pk = room_pk AND r.deleted_at IS NULL WHERE NOT EXISTS
        (SELECT 1 FROM search_blocks b WHERE b.room_pk = m.room_pk AND m.seq >= first_seq AND m.seq < next_seq)`,
    )
    .values();
  expect(unindexed).toEqual([[0]]);
}

test("holds exactly the terms of the messages, after many changes in parts of any size", async () => {
  await using opened = openSqliteStore();
  // As in the other tests here with very many small writes.
  opened.client.run("PRAGMA synchronous = OFF");
  const h = new SearchHarness(opened);
  const random = new Random(1, "search");
  const ann = { ...(await h.user()), admin: true };
  const rooms = [await h.room(ann), await h.room(ann), await h.room(ann)];
  // Long texts are removed in several parts.
  const text = () =>
    range(1, random.chance(0.02) ? 300 : 1 + random.integer(8))
      .map(() => `w${Math.floor(400 ** random.next())}`)
      .join(" ");
  for (let step = 0; step < 40; step++) {
    const room = random.pick(rooms);
    const { seq } = (await h.store.head(room.key)) ?? { seq: 0 };
    await h.act(room, ann, ...range(1, random.integer(40)).map(() => send(text())));
    // A few of them are erased one by one, many are marked and cleaned up.
    for (const _ of range(1, random.chance(0.3) ? 200 : random.integer(4))) {
      if (seq === 0) continue;
      const at = 1 + random.integer(seq);
      await h.act(
        room,
        ann,
        random.chance(0.5) ? { type: "delete", seq: at } : { type: "edit", seq: at, text: text() },
      );
    }
    h.index.anythingChanged();
    for (let times = random.integer(6); times > 0; times--) await h.index.update();
  }
  await h.indexAll();
  checkIndex(opened.client);
  const [first] = rooms;
  if (first) await h.delete(first);
  while (await h.store.purge());
  await h.indexAll();
  checkIndex(opened.client);
  expect(opened.client.query("SELECT count(*) FROM search_changes").values()).toEqual([[0]]);
}, 30_000);

/** What a thief of the disk could read. */
function bytesOf({ client, path }: { client: Database; path: string }): string {
  client.run("PRAGMA wal_checkpoint(TRUNCATE)");
  return readFileSync(path).toString("latin1");
}

test("keeps nothing of a text that was deleted or edited", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(
    room,
    ann,
    ...range(1, 50).map((n) => send(`ordinary words ${n}`)),
    send("xyzzyqwert"),
    send("plughasdfg"),
  );
  await h.indexAll();
  expect(bytesOf(opened).includes("xyzzyqwert")).toBe(true);
  await h.act(room, ann, { type: "delete", seq: 51 }, { type: "edit", seq: 52, text: "harmless" });
  await h.indexAll();
  const bytes = bytesOf(opened);
  // The beginnings of terms too: FTS5 stores what follows the common beginning with the term before.
  for (const part of ["zzyqwert", "lughasdfg"]) expect(bytes.includes(part)).toBe(false);
  expect(bytes.includes("armless")).toBe(true);
});

test.each(range(1, 20))("keeps nothing of a purged room, of %p hundred messages", async (hundreds) => {
  await using opened = openSqliteStore();
  opened.client.run("PRAGMA synchronous = OFF");
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const [kept, gone] = [await h.room(ann), await h.room(ann)];
  // In a large segment, with which those that are written later are not merged by themselves.
  for (const part of range(1, hundreds))
    await h.act(gone, ann, ...range(1, 100).map((n) => send(`xyzzyqwert zz${part}and${n}vanish`)));
  await h.indexAll();
  await h.act(kept, ann, ...range(1, 100).map((n) => send(`ordinary words ${n}`)));
  await h.indexAll();
  expect(bytesOf(opened).includes("vanish")).toBe(true);
  await h.delete(gone);
  while (await h.store.purge());
  await h.indexAll();
  // Apart from the table of messages itself.
  for (const part of ["zzyqwert", "7vanish", "vanish"])
    expect(
      opened.client.query("SELECT count(*) FROM search_data WHERE instr(block, ?)").values(part),
    ).toEqual([[0]]);
  expect(await h.results(ann, "ordinary")).toHaveLength(100);
  checkIndex(opened.client);
});

/** A text of 400 words. */
const longText = (n: number) =>
  range(1, 400)
    .map((k) => `w${n}x${k}`)
    .join(" ");

test("new messages are indexed although many others have changed, of any length", async () => {
  await using opened = openSqliteStore();
  opened.client.run("PRAGMA synchronous = OFF");
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(room, ann, ...range(1, 100).map((n) => send(n <= 5 ? longText(n) : `word ${n}`)));
  await h.indexAll();
  await h.act(
    room,
    ann,
    ...range(1, 100).map((seq) => ({ type: "edit" as const, seq, text: `edited ${seq}` })),
  );
  await h.act(room, ann, send("new message"));
  h.index.roomChanged(room.key);
  for (let part = 0; part < 6; part++) await h.index.update();
  expect(await h.results(ann, "new")).toHaveLength(1);
  expect(opened.client.query("SELECT count(*) FROM search_changes").values()[0]?.[0]).toBeGreaterThan(90);
  await h.indexAll();
  expect(await h.results(ann, "edited")).toHaveLength(100);
  checkIndex(opened.client);
});

test("a change of a message in a long room takes no longer than in a short one", async () => {
  await using opened = openSqliteStore();
  opened.client.run("PRAGMA synchronous = OFF");
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(room, ann, ...range(1, 500).map((n) => send(`word ${n}`)));
  await h.indexAll();
  const edit = async (count: number) => {
    const start = performance.now();
    await h.act(
      room,
      ann,
      ...range(1, count).map((seq) => ({ type: "edit" as const, seq, text: `${start}` })),
    );
    return performance.now() - start;
  };
  await edit(500);
  const short = await edit(500);
  // A hundred thousand blocks with earlier numbers, as if the room had six million messages more.
  opened.client.run(
    `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
      INSERT INTO search_blocks (room_pk, first_seq, next_seq, started_at) SELECT ?, n - 200000, n - 199999, 0 FROM n`,
    [room.key],
  );
  expect(await edit(500)).toBeLessThan(10 * short + 500);
});

test("goes on with everything when a write fails", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const rooms = await Promise.all(range(1, 3).map(() => h.room(ann)));
  for (const room of rooms) await h.act(room, ann, ...range(1, 200).map((n) => send(`word ${n}`)));
  await h.index.update();
  const { page_count: pages } = opened.client
    .query<{ page_count: number }, []>("PRAGMA page_count")
    .get() ?? { page_count: 0 };
  opened.client.run(`PRAGMA max_page_count = ${pages}`);
  for (const room of rooms) await h.act(room, ann, { type: "delete", seq: 1 }).catch(() => undefined);
  h.index.anythingChanged();
  const errors: unknown[] = [];
  for (let part = 0; part < 10; part++) await h.index.update().catch((error: unknown) => errors.push(error));
  expect(String(errors.at(-1))).toContain("SQLITE_FULL");
  opened.client.run("PRAGMA max_page_count = 1000000");
  // The index still knows what is missing.
  while (await h.index.update());
  checkIndex(opened.client);
});

test("is built again when it is damaged, and nothing else is", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(room, ann, ...range(1, 1000).map((n) => send(`word ${n} more${n}`)));
  await h.indexAll();
  const page = opened.client
    .query("SELECT pageno FROM dbstat WHERE name = 'search_data' AND pagetype = 'leaf' ORDER BY payload DESC")
    .values()[0]?.[0];
  opened.client.run("PRAGMA wal_checkpoint(TRUNCATE)");
  const damaged = `${opened.path}.damaged`;
  const bytes = readFileSync(opened.path);
  bytes.fill(0, Number(page) * 4096 - 1500, Number(page) * 4096 - 500);
  writeFileSync(damaged, bytes);
  const store = new SqliteStore(open(damaged, { check: true }));
  const repaired = new SearchHarness({ store });
  await repaired.indexAll();
  for (const n of [1, 10, 100, 500, 1000]) expect(await repaired.results(ann, `more${n}`)).toHaveLength(1);
  await store.close();
  open(damaged, { check: true }).$client.close();
});

test("is built again when FTS5 finds it damaged while it is changed", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(room, ann, send("only message"));
  await h.indexAll();
  // As if other terms had been indexed.
  opened.client.run("INSERT INTO search (search, rowid, terms) VALUES ('delete', 64, 'a b')");
  await h.act(room, ann, { type: "edit", seq: 1, text: "edited" });
  expect(h.indexAll()).rejects.toMatchObject({ message: expect.stringMatching(/SQLITE_CORRUPT_VTAB/) });
  await h.indexAll();
  expect(await h.results(ann, "edited")).toHaveLength(1);
  checkIndex(opened.client);
});

test("finds what another process has written", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.indexAll();
  const other = new SqliteStore(open(opened.path));
  const drafts = range(1, 3).map((n) => h.draft(room, ann, send(`imported ${n}`)));
  await other.append(drafts);
  await other.close();
  expect(await h.index.update()).toBe(false);
  h.index.anythingChanged();
  while (await h.index.update());
  expect(await h.results(ann, "imported")).toHaveLength(3);
});

test("is built again when it has the terms of another version", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const room = await h.room(ann);
  await h.act(room, ann, send("old terms"), send("deleted"));
  await h.indexAll();
  await h.act(room, ann, { type: "delete", seq: 2 });
  opened.client.run("UPDATE search_state SET version = 'older'");
  const later = new SearchHarness({ store: new SqliteStore(open(opened.path)) });
  await later.indexAll();
  expect(await later.found(ann, "terms")).toEqual(["old terms"]);
  checkIndex(opened.client);
  await later.store.close();
});

test("goes on after any kill, without repeating or missing anything", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const rooms = [await h.room(ann), await h.room(ann)];
  for (const room of rooms)
    for (const part of range(1, 10))
      await h.act(room, ann, ...range(1, 300).map((n) => send(`word${n} of part${part} in ${room.id}`)));
  const blocks = () => Number(opened.client.query("SELECT count(*) FROM search_blocks").values()[0]?.[0]);
  for (let round = 0; round < 6; round++) {
    const child = Bun.spawn([process.execPath, `${import.meta.dir}/../support/index-child.ts`, opened.path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = child.stdout.getReader();
    // Each line is a part that was indexed.
    for (let parts = 0; parts < 2; parts++) await reader.read();
    await Bun.sleep(Math.random() * 10);
    child.kill("SIGKILL");
    await child.exited;
    expect(blocks()).toBeGreaterThan(0);
    const { seq } = (await h.store.head(rooms[0]?.key ?? 0)) ?? { seq: 1 };
    if (rooms[0])
      await h.act(
        rooms[0],
        ann,
        { type: "edit", seq: seq - round, text: `edited${round}` },
        { type: "delete", seq: 1 + round },
      );
  }
  await h.indexAll();
  checkIndex(opened.client);
  expect(await h.results(ann, "edited3")).toHaveLength(1);
}, 60_000);
