import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../support/process.ts";

const document = readFileSync(join(root, "docs/migration.md"), "utf8");

const blocks = Array.from(
  document.matchAll(/```(\S+)([^\n]*)\n([^`]*)```/g),
  ([, language, , code = ""]) => ({
    language,
    code,
  }),
);

/** The first block of Python for this file, which its first line names. */
export function codeBlock(file: string): string {
  const block = blocks.find(({ code }) => code.startsWith(`# ${file}\n`));
  if (block === undefined) throw new Error(`docs/migration.md has no code for ${file}`);
  return block.code;
}

/** The `classic.json` in the text. */
export function exampleConfig(): string {
  return /```json classic\n([^`]*)```/.exec(document)?.[1] ?? "";
}

/** The settings of Parley for tokens that Django signs. */
export function issuerSettings(): Record<string, string> {
  const block = blocks.find(({ code }) => code.startsWith("PARLEY_ISSUER="))?.code ?? "";
  return Object.fromEntries(
    Array.from(block.matchAll(/^(\w+)=(.*)$/gm), ([, name = "", value = ""]) => [name, value]),
  );
}
