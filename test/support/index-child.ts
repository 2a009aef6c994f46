import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";

// Indexes the database of the first argument, and writes a line for each part. To be killed in the middle of it.

const { search } = new SqliteStore(open(process.argv[2] ?? ""));
for (;;) {
  const more = await search.update();
  process.stdout.write(`${more ? "more" : "done"}\n`);
  if (!more) search.anythingChanged();
}
