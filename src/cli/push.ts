import type { Command } from "commander";

import { settings } from "../config.ts";
import { newPrivateKey } from "../push/vapid.ts";
import { print } from "./output.ts";

export function addPushCommands(program: Command): void {
  const push = program.command("push").description("set up web push");
  push
    .command("keys")
    .description("make a key, and print the settings that turn web push on")
    .action(() =>
      print(
        `${settings.pushKey.variable}=${newPrivateKey()}\n${settings.pushContact.variable}=mailto:you@example.com`,
      ),
    );
}
