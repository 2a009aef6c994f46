import type { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

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
  const h = new SearchHarness(opened);
  const random = new Random(1, "search");
  const ann = { ...(await h.user()), admin: true };
  const rooms = [await h.room(ann), await h.room(ann), await h.room(ann)];
  const text = () =>
    range(1, 1 + random.integer(8))
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

test("keeps nothing of a purged room", async () => {
  await using opened = openSqliteStore();
  const h = new SearchHarness(opened);
  const ann = await h.user();
  const [kept, gone] = [await h.room(ann), await h.room(ann)];
  // In a large segment, with which those that are written later are not merged by themselves.
  for (const part of range(1, 15))
    await h.act(gone, ann, ...range(1, 100).map((n) => send(`xyzzyqwert zz${part}and${n}vanish`)));
  await h.indexAll();
  await h.act(kept, ann, ...range(1, 100).map((n) => send(`ordinary words ${n}`)));
  await h.indexAll();
  expect(bytesOf(opened).includes("vanish")).toBe(true);
  await h.delete(gone);
  while (await h.store.purge());
  await h.indexAll();
  const bytes = bytesOf(opened);
  for (const part of ["zzyqwert", "7vanish", "vanish"]) expect(bytes.includes(part)).toBe(false);
  expect(await h.results(ann, "ordinary")).toHaveLength(100);
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
  opened.client.run("UPDATE search_state SET version = 0");
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
