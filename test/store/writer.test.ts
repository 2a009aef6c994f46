import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { StoreError } from "../../src/chat/errors.ts";
import { Writer } from "../../src/store/sqlite/writer.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";
import { waitUntil } from "../support/wait.ts";

/** A writer, and a connection of another process that has locked the file. */
function openLocked() {
  const opened = openSqliteStore();
  const other = new Database(opened.path);
  other.run("BEGIN IMMEDIATE");
  const writer = new Writer(opened.client);
  return {
    client: opened.client,
    other,
    writer,
    async [Symbol.asyncDispose]() {
      other.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

test("while another process writes, writes wait with the event loop free, and are done in turn", async () => {
  await using at = openLocked();
  const done: number[] = [];
  const writes = [1, 2, 3].map((each) => at.writer.write(() => done.push(each)));
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  // For some attempts of the writer, but not as long as it waits.
  await waitUntil("the event loop has turned often", () => turns > 80, 4000);
  clearInterval(timer);
  expect(done).toEqual([]);
  at.other.run("COMMIT");
  await Promise.all(writes);
  expect(new Set(done)).toEqual(new Set([1, 2, 3]));
});

test("a write that fails is rolled back, and rejects with SQLite's reason without its parameters", async () => {
  await using at = openLocked();
  at.other.run("COMMIT");
  const write = at.writer.write(() => {
    at.client.run("INSERT INTO probes (pk, bytes) VALUES (7, 'secret')");
    at.client.run("INSERT INTO probes (pk, bytes) VALUES (7, 'secret')");
  });
  const error = await write.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreError);
  expect(String(error)).toContain("SQLITE_CONSTRAINT");
  expect(String(error)).not.toContain("secret");
  expect(at.client.query("SELECT * FROM probes").all()).toEqual([]);
});

test("only what can be derived again does not wait for the disk, whether or not it succeeds", async () => {
  await using at = openLocked();
  at.other.run("COMMIT");
  const synchronous = () => at.client.query("PRAGMA synchronous").get();
  const [normal, full] = [{ synchronous: 1 }, { synchronous: 2 }];
  expect(await at.writer.write(synchronous)).toEqual(full);
  expect(await at.writer.writeDerived(synchronous)).toEqual(normal);
  expect(synchronous()).toEqual(full);
  const failed = at.writer.writeDerived(() => {
    throw new Error("failed");
  });
  expect(failed).rejects.toThrow("failed");
  await failed.catch(() => undefined);
  expect(synchronous()).toEqual(full);
});
