import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { minify } from "terser";
import { ModuleKind, ScriptTarget, transpileDeclaration } from "typescript";

import { root } from "../support/process.ts";

// A step of `npm run build:client`: builds `parley-chat/react` and its types, and checks its size.

const MAX_GZIPPED_BYTES = 1_536;
/** The module of the client, as react.ts imports it. In the package it is `parley-chat`, so that there is one copy of it. */
const CORE = "./index.ts";

const folder = process.argv[2] ?? "dist/client";
const source = join(root, "src/client/react.ts");

const { outputs } = await Bun.build({
  entrypoints: [source],
  target: "browser",
  minify: true,
  external: ["react"],
  plugins: [
    {
      name: "core",
      setup: (build) =>
        void build.onResolve({ filter: /^\./ }, ({ path, importer }) => {
          if (path === CORE) return { path: "parley-chat", external: true };
          throw new Error(`${importer} imports ${path}`);
        }),
    },
  ],
});
const bundle = (await outputs[0]?.text()) ?? "";
const { code = "" } = await minify(bundle, {
  module: true,
  ecma: 2020,
  compress: { passes: 3 },
  // Frameworks with server components require it.
  format: { preamble: '"use client";' },
});
const path = join(folder, "react.js");
await Bun.write(path, code);

const { outputText, diagnostics = [] } = transpileDeclaration(await Bun.file(source).text(), {
  fileName: source,
  reportDiagnostics: true,
  compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ESNext, isolatedDeclarations: true },
});
for (const { messageText } of diagnostics) console.error(messageText);
await Bun.write(join(folder, "react.d.ts"), outputText.replaceAll(`"${CORE}"`, '"parley-chat"'));

const gzippedBytes = gzipSync(code, { level: 9 }).length;
console.log(`${path}: ${code.length} bytes, ${gzippedBytes} gzipped (limit ${MAX_GZIPPED_BYTES})`);
if (gzippedBytes > MAX_GZIPPED_BYTES || diagnostics.length > 0) process.exit(1);
