import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import { buildPage } from "../../src/http/page/build.ts";

const MAX_BYTES = 80 * 1024;

/** Loaded when it is used. The large icons are for a page that is installed. */
const isLazy = (path: string) => path.includes("emoji-picker") || path.endsWith(".png");

test("the page has at most 80 KiB gzipped, without what is loaded when it is used", async () => {
  const files = await buildPage();
  const sizes = Array.from(files, ([path, content]) => ({
    path,
    bytes: gzipSync(content, { level: 9 }).length,
  }));
  expect(sizes.filter(({ path }) => isLazy(path))).toHaveLength(5);
  const total = sizes.filter(({ path }) => !isLazy(path)).reduce((sum, { bytes }) => sum + bytes, 0);
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThanOrEqual(MAX_BYTES);
});
