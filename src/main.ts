import { run } from "./cli/program.ts";

// Files that Parley creates, above all the database, are readable by its own user alone.
process.umask(0o077);

process.exit(await run(process.argv.slice(2), process.env));
