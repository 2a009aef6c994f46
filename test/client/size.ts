import { gzipSync } from "node:zlib";

// The end of `npm run build:client`: what a page has to load, and that it has not become more than is promised.

const path = process.argv[2] ?? "dist/client/index.js";
/** Bytes after gzip. */
const limit = 6_144;

const built = await Bun.file(path).bytes();
const zipped = gzipSync(built, { level: 9 }).length;
console.log(`${path}: ${built.length} bytes, ${zipped} gzipped (limit ${limit})`);
if (zipped > limit) process.exitCode = 1;
