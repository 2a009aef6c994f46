import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { readMemberList } from "../transfer/slack/member-list.ts";
import { slackSource } from "../transfer/slack/source.ts";
import { addImportOptions, type ImportOptions, runImport } from "./run-import.ts";

interface SlackImportOptions extends ImportOptions {
  members?: string;
}

export function addSlackImport(command: Command, environment: Environment): void {
  addImportOptions(
    command
      .command("slack")
      .description("import the zip file of a Slack export")
      .argument("<file>", "the zip file")
      .option("--members <file>", "Slack's member list in CSV, for an export without email addresses"),
  ).action(async (file: string, { members, ...options }: SlackImportOptions) => {
    const emails = members === undefined ? undefined : await readMemberList(members);
    await runImport(environment, file, slackSource({ ...(emails && { emails }) }), options);
  });
}
