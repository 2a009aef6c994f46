import type { Command } from "commander";

import type { Environment } from "../config.ts";
import { type DjangoOptions, djangoSource } from "../transfer/django/source.ts";
import { print } from "./output.ts";
import { addImportOptions, type ImportOptions, runImport } from "./run-import.ts";

export function addDjangoImport(command: Command, environment: Environment): void {
  addImportOptions(
    command
      .command("django")
      .description("import a chat of Django, from what `manage.py dumpdata` writes")
      .argument("<file>", "the JSON file with users, rooms and messages")
      .option(
        "--room-model <model>",
        "the rooms, such as chat.room (default: recognised, as all of these are)",
      )
      .option(
        "--room-id <field>",
        "the field whose value is the room's id in its URL (default: the primary key)",
      )
      .option("--room-name <field>", "the name of a room")
      .option(
        "--participants <fields>",
        "the members of a room: a list, or two fields with a comma between them",
      )
      .option("--no-participants", "rooms have no members")
      .option("--member-model <model>", "the model with a record for each member of a room")
      .option("--member-room <field>", "the room of a member")
      .option("--member-user <field>", "the user of a member")
      .option("--add-senders", "make those who wrote in a room members of it")
      .option("--message-model <model>", "the messages")
      .option("--room <field>", "the room of a message")
      .option("--sender <field>", "the sender of a message")
      .option("--text <field>", "the text of a message")
      .option("--time <field>", "the time of a message")
      .option("--edited <field>", "the time of a message's last edit, or whether it was edited")
      .option("--deleted <field>", "the time of a message's deletion, or whether it was deleted")
      .option("--reply-to <field>", "the message to which a message replies")
      .option("--no-reply-to", "messages are no replies")
      .option("--user-model <model>", "the users, or profiles with a field that points to a user")
      .option("--email <field>", "the email address of a user")
      .option("--name <field>", "the name of a user (default: the first and last name)")
      .option(
        "--sub <field>",
        "the user's id in your tokens, their sub; pk for the primary key (default: none)",
      )
      .option(
        "--timezone <zone>",
        "the zone of times without an offset, such as Europe/Berlin (default: UTC)",
      ),
  ).action(
    async (
      file: string,
      { dryRun = false, skipInvalid = false, ...options }: ImportOptions & DjangoOptions,
    ) => {
      const notes: string[] = [];
      const source = djangoSource({ ...options, onNote: (line) => notes.push(line) });
      try {
        await runImport(environment, file, source, { dryRun, skipInvalid });
      } finally {
        // A progress bar may have been on the terminal until now.
        if (notes.length > 0) await print(notes.join("\n"));
      }
    },
  );
}
