import { expect, setDefaultTimeout, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { djangoSource } from "../../../src/transfer/django/source.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { conversation, message, type Row } from "./dump-reader.ts";

setDefaultTimeout(60_000);

const MESSAGES = 100_000;
/** A few chunks of the file, and far less than its messages would take. */
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;

const text = (row: Row) => JSON.stringify(row, null, 2);

/** A dump in which another table is large too. */
function* largeDump(): Generator<string> {
  yield `[\n${conversation().map(text).join(",\n")}`;
  for (let pk = 2; pk <= MESSAGES; pk++) {
    yield `,\n${text(message(pk, { text: `Message ${pk} ${"x".repeat(100)}`, reply_to: pk - 1 }))}`;
    if (pk % 10 === 0) yield `,\n${text({ model: "log.entry", pk, fields: { text: "x".repeat(100) } })}`;
  }
  yield "\n]\n";
}

function heapUsed(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

test("a large dump is read in little memory, and its progress is told", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "dump.json");
  writeFileSync(path, [...largeDump()].join(""));
  const told: number[] = [];
  const before = heapUsed();
  const growth: number[] = [];
  let messages = 0;
  for await (const item of djangoSource({})({ path, progress: (bytes) => told.push(bytes) })) {
    if (!("record" in item && item.record.type === "message")) continue;
    messages++;
    if (messages % (MESSAGES / 4) === 0) growth.push(heapUsed() - before);
  }
  expect(messages).toBe(MESSAGES);
  expect(growth).toHaveLength(4);
  expect(Math.max(...growth)).toBeLessThan(MAX_GROWTH_BYTES);
  expect(told).toEqual(told.toSorted((one, other) => one - other));
  expect(told.at(-1)).toBe(statSync(path).size);
});
