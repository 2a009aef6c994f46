import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import type { BunPlugin } from "bun";
import { minify } from "terser";

import { version } from "../../package.json";
import { root, runProcess } from "../support/process.ts";

// `npm run build:client`: writes the package `parley-chat` to dist/client. It is a package of its own, so that an
// application does not install the server's dependencies.

/** Gzipped bytes of what every application loads that imports `connect`. */
const MAX_CORE_BYTES = 11_520;

const source = join(root, "src/client");
const target = join(root, "dist/client");
/** A module of its own, loaded only by applications that pass a `storage`. */
const storageModule: BunPlugin = {
  name: "storage module",
  setup(build) {
    build.onResolve({ filter: /outbox-storage\.ts$/ }, () => ({
      path: "./outbox-storage.js",
      external: true,
    }));
  },
};

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
const coreBytes = await bundle("index.ts", [storageModule]);
await bundle("outbox-storage.ts", []);
const args = ["--silent", "--no-banner", "--export-referenced-types=false"];
const types = await runProcess(
  [
    join(root, "node_modules/.bin/dts-bundle-generator"),
    ...args,
    "--project",
    join(source, "tsconfig.json"),
    "-o",
    join(target, "index.d.ts"),
    join(source, "index.ts"),
  ],
  { cwd: root },
);
if (types.code !== 0) throw new Error(types.stdout + types.stderr);
const manifest = {
  name: "parley-chat",
  version,
  description: "The client of Parley, a self-hosted chat service",
  type: "module",
  sideEffects: false,
  exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
};
await Bun.write(join(target, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
await Bun.write(join(target, "README.md"), Bun.file(join(source, "README.md")));
if (coreBytes > MAX_CORE_BYTES) process.exit(1);

/** Bundles and minifies a module. Returns its gzipped size. */
async function bundle(entry: string, plugins: BunPlugin[]): Promise<number> {
  const built = await Bun.build({
    entrypoints: [join(source, entry)],
    target: "browser",
    minify: true,
    plugins,
  });
  const text = (await built.outputs[0]?.text()) ?? "";
  const { code = "" } = await minify(text, {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
  });
  const name = entry.replace(".ts", ".js");
  await Bun.write(join(target, name), code);
  const gzipped = gzipSync(code, { level: 9 }).length;
  const limit = entry === "index.ts" ? ` (limit ${MAX_CORE_BYTES})` : "";
  console.log(`dist/client/${name}: ${Buffer.byteLength(code)} bytes, ${gzipped} gzipped${limit}`);
  return gzipped;
}
