import type { Archive } from "./chat/archive.ts";
import type { Config } from "./config.ts";
import { SqliteArchive } from "./store/sqlite/archive.ts";
import { open } from "./store/sqlite/open.ts";

/** Opens the archive of a database, for the command line. Throws `OpenError`. */
export function openArchive(config: Pick<Config, "database">, options: { create: boolean }): Archive {
  return new SqliteArchive(open(config.database, options));
}
