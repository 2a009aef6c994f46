import { afterAll, beforeAll } from "bun:test";
import { join } from "node:path";

import { scripts } from "../../package.json";
import { root, runProcess } from "./process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Where `npm run build` puts the binary, and before that the page. */
const OUTFILE = "dist/parley";
const PAGE = "./dist/web";

/** Builds the binary as `npm run build` does, in a temporary folder. */
export async function buildBinary(): Promise<Disposable & { path: string }> {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley");
  const places = new Map([
    [OUTFILE, path],
    [PAGE, join(folder.path, PAGE)],
  ]);
  const [page, binary] = scripts.build.split(" && ").map((command) => command.split(" "));
  const script = page?.[1] ?? "";
  const words = binary?.slice(1).map((word) => places.get(word) ?? word) ?? [];
  if (![...places.values()].every((place) => words.includes(place)))
    throw new Error(`unexpected build script: ${scripts.build}`);
  // Other tests may build it at the same time, so each has a folder of its own.
  await run([join(root, script)], folder.path);
  await run(words, root);
  return { path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

async function run(words: string[], cwd: string): Promise<void> {
  const { code, stderr } = await runProcess([process.execPath, ...words], { cwd });
  if (code !== 0) throw new Error(stderr);
}

/** The binary and a folder for the files of one test file. To be called at its top level. */
export function useBinary() {
  const folder = temporaryFolder();
  let binary: Awaited<ReturnType<typeof buildBinary>>;
  let names = 0;
  beforeAll(async () => {
    binary = await buildBinary();
  });
  afterAll(() => {
    binary[Symbol.dispose]();
    folder[Symbol.dispose]();
  });
  return {
    /** The path of the binary. */
    get path() {
      return binary.path;
    },
    folder: folder.path,
    /** A name that no other call has returned. */
    fresh: (name: string) => `${name}-${++names}`,
  };
}
