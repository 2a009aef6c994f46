import { Command, CommanderError } from "commander";

import { version } from "../../package.json";
import { DevIssuerError } from "../auth/dev-issuer.ts";
import { ChatError, StoreError } from "../chat/errors.ts";
import { ConfigError, type Environment, settings } from "../config.ts";
import { ListenError } from "../listen.ts";
import { OpenError } from "../store/sqlite/open.ts";
import { SourceError } from "../transfer/source.ts";
import { addClassicCommands } from "./classic.ts";
import { addDevCommand } from "./dev.ts";
import { addExportCommand } from "./export.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, Failure } from "./failure.ts";
import { addImportCommands } from "./import.ts";
import { addMemberCommands } from "./member.ts";
import { addMigrateCommand } from "./migrate.ts";
import { print, printError } from "./output.ts";
import { addPushCommands } from "./push.ts";
import { addRoomCommands } from "./room.ts";
import { addServeCommand } from "./serve.ts";
import { keepCloseSuggestions } from "./suggestions.ts";
import { addTokenCommand } from "./token.ts";

/** How long the command line waits for a slow reader of its last output. */
const LAST_OUTPUT_MS = 500;

/** Errors whose message is enough for the operator. Others are printed with their stack trace. */
const EXPECTED_ERRORS = [
  ConfigError,
  OpenError,
  ListenError,
  DevIssuerError,
  ChatError,
  StoreError,
  SourceError,
  Failure,
];

/** Runs one command. Resolves with the exit code once the command has ended. Never rejects. */
export async function run(argv: readonly string[], environment: Environment): Promise<number> {
  const output: Promise<void>[] = [];
  const program = createProgram(environment, output);
  let code = EXIT_OK;
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    code = exitCodeOf(error);
    const message = messageOf(error);
    if (message !== undefined) output.push(printError(message));
  }
  await Promise.race([Promise.allSettled(output), Bun.sleep(LAST_OUTPUT_MS)]);
  return code;
}

/** `output` collects the writes of commander: help, and its own error messages. */
function createProgram(environment: Environment, output: Promise<void>[]): Command {
  const program = new Command("parley")
    .description("A self-hosted chat service in one binary.")
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.push(print(text.trimEnd())),
      writeErr: (text) => output.push(printError(text.trimEnd())),
      outputError: (text, writeErr) => writeErr(keepCloseSuggestions(text)),
    })
    .showHelpAfterError("(add --help for more)")
    .addHelpText("after", () => `\n${settingsHelp()}`);
  addServeCommand(program, environment);
  addDevCommand(program, environment);
  addRoomCommands(program, environment);
  addMemberCommands(program, environment);
  addTokenCommand(program, environment);
  addMigrateCommand(program, environment);
  addImportCommands(program, environment);
  addExportCommand(program, environment);
  addClassicCommands(program);
  addPushCommands(program);
  program
    .command("version")
    .description("print the version")
    .action(() => print(version));
  return program;
}

function settingsHelp(): string {
  const lines = Object.values(settings).map(({ variable, default: fallback, meaning }) => {
    return `  ${variable}${fallback === undefined ? "" : ` (${fallback})`}\n      ${meaning}`;
  });
  return `Settings, from the environment:\n${lines.join("\n")}`;
}

function exitCodeOf(error: unknown): number {
  if (isBrokenPipe(error)) return EXIT_OK;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  return error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILED;
}

/** What to print about an error; undefined for nothing. */
function messageOf(error: unknown): string | undefined {
  // Commander has printed its own errors.
  if (isBrokenPipe(error) || error instanceof CommanderError) return undefined;
  const expected = error instanceof Error && EXPECTED_ERRORS.some((kind) => error instanceof kind);
  return expected ? `parley: ${error.message}` : Bun.inspect(error);
}

/** The reader of the output has gone, as `head` does. That is not a failure. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}
