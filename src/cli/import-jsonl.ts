import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { readJsonLines } from "../transfer/read-jsonl.ts";
import { addImportOptions, type ImportOptions, runImport } from "./run-import.ts";

export function addJsonlImport(command: Command, environment: Environment): void {
  addImportOptions(
    command
      .command("jsonl")
      .description("import JSON lines, as `parley export` writes them")
      .argument("<file>", "the file with a record on each line"),
  ).action((file: string, options: ImportOptions) => runImport(environment, file, readJsonLines, options));
}
