import { spyOn } from "bun:test";
import { join } from "node:path";

import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A store on a new file, which goes when the test does. */
export function openSqliteStore() {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley.db");
  const db = open(path);
  /** Every statement that the store prepares, at once or as it goes. */
  const prepare = spyOn(db.$client, "prepare");
  const store = new SqliteStore(db);
  return {
    path,
    client: db.$client,
    prepare,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}
