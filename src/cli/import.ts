import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { addDjangoImport } from "./import-django.ts";
import { addJsonlImport } from "./import-jsonl.ts";
import { addMattermostImport } from "./import-mattermost.ts";
import { addSlackImport } from "./import-slack.ts";

export function addImportCommands(program: Command, environment: Environment): void {
  const command = program.command("import").description("bring in the rooms and messages of another chat");
  addJsonlImport(command, environment);
  addSlackImport(command, environment);
  addMattermostImport(command, environment);
  addDjangoImport(command, environment);
}
