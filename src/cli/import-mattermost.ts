import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { readMattermost } from "../transfer/mattermost/source.ts";
import { addImportOptions, type ImportOptions, runImport } from "./run-import.ts";

export function addMattermostImport(command: Command, environment: Environment): void {
  addImportOptions(
    command
      .command("mattermost")
      .description("import a bulk export of Mattermost")
      .argument("<file>", "the zip file of `mmctl export`, or a file of JSON lines"),
  ).action((file: string, options: ImportOptions) => runImport(environment, file, readMattermost, options));
}
