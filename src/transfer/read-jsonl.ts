import { parseLine } from "./jsonl.ts";
import { readLines } from "./lines.ts";
import type { SourceFile, SourceItem } from "./source.ts";

/** Reads JSON lines as `parley export` writes them. Blank lines are ignored. */
export async function* readJsonLines(file: SourceFile): AsyncGenerator<SourceItem> {
  for await (const lines of readLines(file)) {
    for (const { at, text, invalid } of lines) {
      if (invalid !== undefined) {
        yield { at, invalid };
      } else if (text.trim() !== "") {
        const record = parseLine(text);
        yield "invalid" in record ? { at, ...record } : { at, record };
      }
    }
  }
}
