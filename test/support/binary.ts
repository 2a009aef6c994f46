import { join } from "node:path";

import { scripts } from "../../package.json";
import { root, runProcess } from "./process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const outfile = "dist/parley";

/** What `npm run build` makes, made in a folder of its own. */
export async function buildBinary(): Promise<Disposable & { path: string }> {
  const folder = temporaryFolder();
  const path = join(folder.path, "parley");
  const [bun, ...words] = scripts.build.split(" ").map((word) => (word === outfile ? path : word));
  if (bun !== "bun" || !words.includes(path))
    throw new Error(`not the build script expected: ${scripts.build}`);
  const { code, stderr } = await runProcess([process.execPath, ...words], { cwd: root });
  if (code !== 0) throw new Error(stderr);
  return { path, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}
