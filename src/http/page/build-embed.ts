import { join } from "node:path";

import { bundleStyles } from "./style-sheet.ts";

/** Pixels of a `rem`. In another page it can be anything. */
const REM_PX = 16;

/**
 * The files of `<parley-room>`: `embed.js`, which always has this name, and what it loads from `assets/`. They share nothing
 * with those of the page: sharing would cost the page one more file.
 */
export async function buildEmbed(source: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const styles = await bundleStyles(join(source, "style/embed.css"));
  const inPixels = styles.replace(/(?<![\w.])(\d*\.?\d+)rem\b/g, (_, value) => `${Number(value) * REM_PX}px`);
  const name = "assets/embed-[name]-[hash].[ext]";
  const { outputs } = await Bun.build({
    entrypoints: [join(source, "embed/main.ts")],
    target: "browser",
    minify: true,
    splitting: true,
    naming: { entry: name, chunk: name },
    define: { EMBED_STYLES: JSON.stringify(inPixels) },
  });
  const files = new Map<string, Uint8Array>();
  for (const output of outputs) {
    files.set(output.path.replace(/^\.\//, ""), new Uint8Array(await output.arrayBuffer()));
    if (output.kind === "entry-point") files.set("embed.js", Buffer.from(`import "${output.path}";\n`));
  }
  return files;
}
