import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { print } from "./output.ts";
import { withChat } from "./with-chat.ts";

export function addMigrateCommand(program: Command, environment: Environment): void {
  program
    .command("migrate")
    .description("update the database to the newest schema (serve and dev do so at their start)")
    .action(async () => {
      await withChat(environment, { create: true }, async () => undefined);
      await print("The database is up to date");
    });
}
