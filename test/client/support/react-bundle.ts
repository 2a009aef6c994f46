import { join } from "node:path";

import { root } from "../../support/process.ts";

export type ReactVersion = 18 | 19;

/** Bundles a module of this folder with one version of React, in development mode, so that strict mode has its effects. */
export async function bundleWithReact(
  version: ReactVersion,
  module: string,
  target: "browser" | "bun",
): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, module)],
    target,
    define: { "process.env.NODE_ENV": '"development"' },
    plugins: [
      {
        name: "react",
        setup: (build) =>
          void build.onResolve({ filter: /^react(-dom)?($|\/)/ }, ({ path }) => {
            const name = version === 18 ? path.replace(/^react(-dom)?/, "$&-18") : path;
            return { path: Bun.resolveSync(name, root) };
          }),
      },
    ],
  });
  return (await outputs[0]?.text()) ?? "";
}
