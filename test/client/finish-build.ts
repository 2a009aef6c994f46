import { gzipSync } from "node:zlib";

import { version } from "../../package.json";

// The last step of `npm run build:client`: checks the size of the bundle, and writes the package.json of a package of its
// own, so that an application does not install the server's dependencies.

const MAX_GZIPPED_BYTES = 9_216;

const path = process.argv[2] ?? "dist/client/index.js";
const bundle = await Bun.file(path).bytes();
const gzippedBytes = gzipSync(bundle, { level: 9 }).length;
console.log(`${path}: ${bundle.length} bytes, ${gzippedBytes} gzipped (limit ${MAX_GZIPPED_BYTES})`);
if (gzippedBytes > MAX_GZIPPED_BYTES) process.exit(1);

const manifest = {
  name: "parley-chat",
  version,
  description: "The client of Parley, a self-hosted chat service",
  type: "module",
  exports: {
    ".": { types: "./index.d.ts", default: "./index.js" },
    "./react": { types: "./react.d.ts", default: "./react.js" },
  },
  peerDependencies: { react: ">=18" },
  // Only `parley-chat/react` needs it.
  peerDependenciesMeta: { react: { optional: true } },
};
await Bun.write(path.replace(/[^/]*$/, "package.json"), JSON.stringify(manifest, undefined, 2));
