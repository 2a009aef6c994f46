import { cp, mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import type { BunPlugin } from "bun";
import { minify } from "terser";
import { ModuleKind, ScriptTarget, transpileDeclaration } from "typescript";

import { version } from "../../package.json";
import { root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { declareTypes } from "./declare-types.ts";

// `npm run build:client [folder]`: writes the package `parley-chat` to the folder, by default dist/client. It is a package
// of its own, so that an application does not install the server's dependencies.

/** Gzipped bytes of what every application loads that imports `connect`. */
const MAX_CORE_BYTES = 11_648;
/** Gzipped bytes of `parley-chat/api`, without what it imports of the core. */
const MAX_API_BYTES = 1_152;
/** Gzipped bytes of `parley-chat/react`. */
const MAX_REACT_BYTES = 1_536;

const source = join(root, "src/client");
const destination = process.argv[2] ?? "dist/client";
const target = resolve(root, destination);
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
/** The other modules import the client, so that there is one copy of it: the hooks as an application does. */
const coreModule = (name: string): BunPlugin => ({
  name: "core module",
  setup(build) {
    build.onResolve({ filter: /^(\.\/index\.ts|react)$/ }, ({ path }) => ({
      path: path === "react" ? path : name,
      external: true,
    }));
  },
});

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
const isSmall = [
  await bundle("index.ts", [storageModule], MAX_CORE_BYTES),
  await bundle("outbox-storage.ts", []),
  // A page can load it without a bundler.
  await bundle("api.ts", [coreModule("./index.js")], MAX_API_BYTES),
  // Frameworks with server components require the directive.
  await bundle("react.ts", [coreModule("parley-chat")], MAX_REACT_BYTES, '"use client";'),
].every(Boolean);
await bundleTypes();
await writeReactTypes();
const manifest = {
  name: "parley-chat",
  version,
  description: "The client of Parley, a self-hosted chat service",
  type: "module",
  sideEffects: false,
  exports: {
    ".": { types: "./index.d.ts", default: "./index.js" },
    "./api": { types: "./api.d.ts", default: "./api.js" },
    "./react": { types: "./react.d.ts", default: "./react.js" },
  },
  peerDependencies: { react: ">=18" },
  // Applications without React get no warning.
  peerDependenciesMeta: { react: { optional: true } },
};
await Bun.write(join(target, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
await Bun.write(join(target, "README.md"), Bun.file(join(source, "README.md")));
if (!isSmall) process.exit(1);

/** Bundles and minifies a module. Returns whether its gzipped size is within the limit. */
async function bundle(entry: string, plugins: BunPlugin[], limit?: number, preamble = ""): Promise<boolean> {
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
    format: { preamble },
  });
  const name = entry.replace(".ts", ".js");
  await Bun.write(join(target, name), code);
  const gzipped = gzipSync(code, { level: 9 }).length;
  const suffix = limit === undefined ? "" : ` (limit ${limit})`;
  console.log(`${destination}/${name}: ${Buffer.byteLength(code)} bytes, ${gzipped} gzipped${suffix}`);
  return limit === undefined || gzipped <= limit;
}

/** Bundles the types of a copy of the source, in which those of the protocol are written out. */
async function bundleTypes(): Promise<void> {
  using folder = temporaryFolder();
  const copy = join(folder.path, "client");
  await cp(source, copy, { recursive: true });
  const protocol = join(folder.path, "protocol");
  const files = [...new Bun.Glob("*.ts").scanSync(source)].map((name) => join(source, name));
  const texts = await Promise.all(files.map((path) => Bun.file(path).text()));
  const { names, modules } = importedTypes(texts.join("\n"));
  await Bun.write(join(protocol, "types.ts"), declareTypes(names));
  for (const module of modules) await Bun.write(join(protocol, module), `export type * from "./types.ts";`);
  await Bun.write(
    join(protocol, "error-codes.ts"),
    "export declare function afterClose(code: number): string;",
  );
  const tsconfig = join(copy, "tsconfig.json");
  const config = await Bun.file(tsconfig).text();
  await Bun.write(tsconfig, config.replace("../../tsconfig.json", join(root, "tsconfig.json")));
  for (const name of ["index", "api"]) {
    const args = ["--silent", "--no-banner", "--export-referenced-types=false", "--project", tsconfig];
    const output = join(target, `${name}.d.ts`);
    const types = await runProcess(
      [join(root, "node_modules/.bin/dts-bundle-generator"), ...args, "-o", output, join(copy, `${name}.ts`)],
      { cwd: root },
    );
    if (types.code !== 0) throw new Error(types.stdout + types.stderr);
  }
}

/** The types that the client imports from the protocol, and the names of their modules. */
function importedTypes(text: string): { names: string[]; modules: Set<string> } {
  const clauses = [
    ...text.matchAll(/(?:import|export) type \{([^}]*)\} from "\.\.\/protocol\/([\w-]+\.ts)"/g),
  ];
  return {
    names: clauses.flatMap(([, names = ""]) => names.match(/(?<=^\s*|,\s*)\w+/g) ?? []),
    modules: new Set(clauses.map(([, , module = ""]) => module)),
  };
}

async function writeReactTypes(): Promise<void> {
  const { outputText, diagnostics = [] } = transpileDeclaration(
    await Bun.file(join(source, "react.ts")).text(),
    {
      fileName: "react.ts",
      reportDiagnostics: true,
      compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ESNext, isolatedDeclarations: true },
    },
  );
  if (diagnostics.length > 0)
    throw new Error(JSON.stringify(diagnostics.map(({ messageText }) => messageText)));
  await Bun.write(join(target, "react.d.ts"), outputText.replaceAll('"./index.ts"', '"parley-chat"'));
}
