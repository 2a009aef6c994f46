import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import { buildPage } from "../../src/http/page/build.ts";

const MAX_BYTES = 80 * 1024;

const isEmbed = (path: string) => path.includes("embed");
/** Loaded when it is used. The icons with pixels are for a page that is installed. */
const isLazy = (path: string) => path.includes("emoji-picker") || path.endsWith(".png");

const files = await buildPage();

test.each([
  ["the page", (path: string) => !isEmbed(path)],
  ["<parley-room>", isEmbed],
])("%s has at most 80 KiB gzipped, without what is loaded when it is used", (_, isPart) => {
  const sizes = Array.from(files, ([path, content]) => ({
    path,
    bytes: gzipSync(content, { level: 9 }).length,
  })).filter(({ path }) => isPart(path));
  expect(sizes.filter(({ path }) => isLazy(path) && path.endsWith(".js"))).toHaveLength(1);
  const total = sizes.filter(({ path }) => !isLazy(path)).reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThanOrEqual(MAX_BYTES);
});
