import { afterAll, beforeAll } from "bun:test";
import { join } from "node:path";

import { scripts } from "../../package.json";
import { root, runProcess } from "./process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Where `npm run build` puts the binary. */
const OUTFILE = "dist/parley";

/** Builds the binary as `npm run build` does, in a temporary folder. */
export async function buildBinary(): Promise<Disposable & { path: string }> {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley");
  const [bun, ...words] = scripts.build.split(" ").map((word) => (word === OUTFILE ? path : word));
  if (bun !== "bun" || !words.includes(path)) throw new Error(`unexpected build script: ${scripts.build}`);
  const { code, stderr } = await runProcess([process.execPath, ...words], { cwd: root });
  if (code !== 0) throw new Error(stderr);
  return { path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
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
