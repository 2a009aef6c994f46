import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { brotliCompressSync } from "node:zlib";

import { buildEmbed } from "./build-embed.ts";
import { bundleStyles } from "./style-sheet.ts";

// The build of the page. `npm run build` writes it to dist/web, from where it gets into the binary. When Parley runs from
// its source, the server builds the page itself.

const source = join(import.meta.dir, "../../web");

/**
 * The files of the page by their paths: `index.html`, `assets/…` with a hash in each name, the service worker `sw.js`, what
 * is in `static`, and those of `<parley-room>`.
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
  // Without these, the browser would learn of a chunk only when it has read the script.
  for (const path of importedBy(files, links.join("")))
    links.push(`<link rel="modulepreload" href="{root}${path}" />`);
  const styles = Buffer.from(await bundleStyles(join(source, "style/page.css")));
  const stylesPath = `assets/page-${Bun.hash(styles).toString(36)}.css`;
  files.set(stylesPath, styles);
  links.push(`<link rel="stylesheet" href="{root}${stylesPath}" />`);
  const html = await readFile(join(source, "index.html"), "utf8");
  files.set("index.html", Buffer.from(html.replace("<!--files-->", links.join("\n    "))));
  files.set(
    "sw.js",
    await buildServiceWorker([...files.keys()].filter((path) => path.startsWith("assets/"))),
  );
  for (const file of await readdir(join(source, "static")))
    files.set(file, await readFile(join(source, "static", file)));
  for (const [path, content] of await buildEmbed(source)) files.set(path, content);
  return files;
}

/** The chunks that the scripts linked in `html` import at once. */
function importedBy(files: ReadonlyMap<string, Uint8Array>, html: string): Set<string> {
  const transpiler = new Bun.Transpiler({ loader: "js" });
  const found = new Set<string>();
  const search = (path: string) => {
    for (const { kind, path: name } of transpiler.scan(files.get(path) ?? "").imports) {
      const chunk = join(dirname(path), name);
      if (kind !== "import-statement" || found.has(chunk)) continue;
      found.add(chunk);
      search(chunk);
    }
  };
  for (const [path] of html.matchAll(/assets\/[^"]+\.js/g)) search(path);
  return found;
}

/** The service worker, which knows the files that it keeps for the time without a network. */
async function buildServiceWorker(kept: readonly string[]): Promise<Uint8Array> {
  const { outputs } = await Bun.build({
    entrypoints: [join(source, "service-worker/main.ts")],
    target: "browser",
    format: "iife",
    minify: true,
    define: { ASSETS: JSON.stringify(kept) },
  });
  return Buffer.from((await outputs[0]?.text()) ?? "");
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
