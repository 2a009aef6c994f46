import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

import { weakEtag } from "../etag.ts";

/** The binary has the page beside its bundle. */
const EMBEDDED_FOLDER = join(import.meta.dir, "web");

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};

export type Encoding = "br" | "gzip";

/** Fast, for a server that runs from its source. The binary has the files compressed as far as Brotli can. */
const BROTLI_QUALITY = 5;

const compress = {
  br: (content: Uint8Array) =>
    promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
  gzip: (content: Uint8Array) => promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION }),
};

/** A file of the page. */
export class PageFile {
  readonly contentType: string;
  readonly etag: string;
  readonly #compressed = new Map<Encoding, Promise<Uint8Array>>();

  constructor(
    path: string,
    readonly content: Uint8Array,
    brotli?: Uint8Array,
  ) {
    if (brotli) this.#compressed.set("br", Promise.resolve(brotli));
    this.contentType = CONTENT_TYPES[extname(path)] ?? "application/octet-stream";
    this.etag = weakEtag(content);
  }

  /** An encoding that the binary does not contain is made when it is first asked for. */
  compressed(encoding: Encoding): Promise<Uint8Array> {
    const compressed = this.#compressed.get(encoding) ?? compress[encoding](this.content);
    this.#compressed.set(encoding, compressed);
    return compressed;
  }
}

export type PageFiles = ReadonlyMap<string, PageFile>;

/** The files of the page by their paths, with their hashes in the names of those in `assets`. */
export async function readPageFiles(): Promise<PageFiles> {
  const contents = Bun.isStandaloneExecutable
    ? await readEmbedded()
    : await (await import("./build.ts")).buildPage();
  return new Map(
    [...contents]
      .filter(([path]) => !path.endsWith(".br"))
      .map(([path, content]) => [path, new PageFile(path, content, contents.get(`${path}.br`))]),
  );
}

async function readEmbedded(): Promise<ReadonlyMap<string, Uint8Array>> {
  const entries = await readdir(EMBEDDED_FOLDER, { recursive: true });
  const paths = entries.filter((path) => extname(path) !== "");
  return new Map(
    await Promise.all(
      paths.map(async (path) => [path, await readFile(join(EMBEDDED_FOLDER, path))] as const),
    ),
  );
}

/** The best encoding that an Accept-Encoding header allows (RFC 9110, section 12.5.3). */
export function chooseEncoding(header: string | undefined): Encoding | undefined {
  const entries = (header ?? "").toLowerCase().split(",");
  const allowed = new Set(
    entries
      .map((entry) => entry.split(";").map((part) => part.trim()))
      .filter(([, weight]) => !/^q=0(\.0*)?$/.test(weight ?? ""))
      .map(([name]) => name),
  );
  return (["br", "gzip"] as const).find((encoding) => allowed.has(encoding));
}
