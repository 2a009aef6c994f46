import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

import { type Browser, chromium } from "playwright-core";

import { root } from "./process.ts";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];

/** A real Chromium, without a window: the machine's own, or else the one in the npm package `@sparticuz/chromium`. */
export async function startBrowser(): Promise<Browser> {
  const installed = names.map((name) => Bun.which(name)).find((path) => path !== null);
  if (installed !== undefined) return chromium.launch({ executablePath: installed, args: flags });
  const folder = await unpacked();
  return chromium.launch({
    executablePath: join(folder, "chromium"),
    args: [...flags, "--headless=new", "--no-zygote"],
    // What it needs of a system beside libc comes with it.
    env: { ...process.env, LD_LIBRARY_PATH: join(folder, "lib"), HOME: folder },
  });
}

/**
 * Unpacks it once for each version. The package's own `executablePath` does so in the system's temporary folder, where
 * it takes what another run has half written, and leaves out the libraries on most machines.
 */
async function unpacked(): Promise<string> {
  const packed = dirname(dirname(Bun.resolveSync("@sparticuz/chromium", root)));
  const { version } = JSON.parse(await readFile(join(packed, "package.json"), "utf8")) as { version: string };
  const cache = join(root, "node_modules/.cache");
  const folder = join(cache, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(`${folder}-`);
  const inflate = async (name: string) =>
    promisify(brotliDecompress)(await readFile(join(packed, "bin", name)));
  await writeFile(join(draft, "chromium"), await inflate("chromium.br"), { mode: 0o700 });
  for (const name of ["al2023.tar.br", "swiftshader.tar.br"]) {
    await new Bun.Archive(await inflate(name)).extract(draft);
  }
  // Another run may have been faster.
  await rename(draft, folder).catch(() => rm(draft, { recursive: true }));
  return folder;
}
