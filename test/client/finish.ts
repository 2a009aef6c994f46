import { gzipSync } from "node:zlib";

import { name, version } from "../../package.json";

// The end of `npm run build:client`: that what a page has to load has not become more than is promised, and a package of
// its own, since nobody who wants the client is to install what the server needs.

const path = process.argv[2] ?? "dist/client/index.js";
/** Bytes after gzip. */
const limit = 6_144;

const built = await Bun.file(path).bytes();
const zipped = gzipSync(built, { level: 9 }).length;
console.log(`${path}: ${built.length} bytes, ${zipped} gzipped (limit ${limit})`);
if (zipped > limit) process.exit(1);

const manifest = {
  name,
  version,
  description: "The client of Parley, a self-hosted chat service",
  type: "module",
  exports: { "./client": { types: "./index.d.ts", default: "./index.js" } },
};
await Bun.write(path.replace(/[^/]*$/, "package.json"), JSON.stringify(manifest, undefined, 2));
