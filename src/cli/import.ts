import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { addDjangoImport } from "./import-django.ts";
import { addJsonlImport } from "./import-jsonl.ts";

export function addImportCommands(program: Command, environment: Environment): void {
  const command = program.command("import").description("bring in the rooms and messages of another chat");
  addJsonlImport(command, environment);
  addDjangoImport(command, environment);
}
