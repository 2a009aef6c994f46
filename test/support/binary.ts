import { join } from "node:path";

import { scripts } from "../../package.json";
import { temporaryFolder } from "./parley.ts";
import { root, run } from "./process.ts";

/** Where `npm run build` puts the binary. */
const OUTFILE = "dist/parley";

/** Builds the binary as `npm run build` does, in a temporary folder. */
export async function buildBinary(): Promise<Disposable & { path: string }> {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley");
  const [bun, ...words] = scripts.build.split(" ").map((word) => (word === OUTFILE ? path : word));
  if (bun !== "bun" || !words.includes(path)) throw new Error(`unexpected build script: ${scripts.build}`);
  const { code, stderr } = await run([process.execPath, ...words], { cwd: root });
  if (code !== 0) throw new Error(stderr);
  return { path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}
