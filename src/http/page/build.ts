import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { brotliCompressSync } from "node:zlib";

import { buildEmbed } from "./build-embed.ts";
import { bundleStyles } from "./style-sheet.ts";

// The build of the page. `npm run build` writes it to dist/web, from where it gets into the binary. When Parley runs from
// its source, the server builds the page itself.

const source = join(import.meta.dir, "../../web");

/**
 * The files of the page by their paths: `index.html`, `assets/…` with a hash in each name, what is in `static`, and those of
 * `<parley-room>`.
 */
export async function buildPage(): Promise<ReadonlyMap<string, Uint8Array>> {
  const name = "assets/[name]-[hash].[ext]";
  const { outputs } = await Bun.build({
    entrypoints: [join(source, "main.tsx")],
    target: "browser",
    minify: true,
    splitting: true,
    naming: { entry: name, chunk: name, asset: name },
  });
  const files = new Map<string, Uint8Array>();
  const links: string[] = [];
  for (const output of outputs) {
    const path = output.path.replace(/^\.\//, "");
    files.set(path, new Uint8Array(await output.arrayBuffer()));
    if (output.kind === "entry-point") links.push(`<script type="module" src="{root}${path}"></script>`);
  }
  const styles = Buffer.from(await bundleStyles(join(source, "style/page.css")));
  const stylesPath = `assets/page-${Bun.hash(styles).toString(36)}.css`;
  files.set(stylesPath, styles);
  links.push(`<link rel="stylesheet" href="{root}${stylesPath}" />`);
  const html = await readFile(join(source, "index.html"), "utf8");
  files.set("index.html", Buffer.from(html.replace("<!--files-->", links.join("\n    "))));
  for (const file of await readdir(join(source, "static")))
    files.set(file, await readFile(join(source, "static", file)));
  for (const [path, content] of await buildEmbed(source)) files.set(path, content);
  return files;
}

if (import.meta.main) {
  const folder = "dist/web";
  await rm(folder, { recursive: true, force: true });
  for (const [path, content] of await buildPage()) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
    // At its highest quality, Brotli takes too long to do it while a browser waits.
    if (path.startsWith("assets/")) await writeFile(join(folder, `${path}.br`), brotliCompressSync(content));
  }
}
