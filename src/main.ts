import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import pino, { type Logger } from "pino";

import { version } from "../package.json";
import { DevIssuer, DevIssuerError } from "./auth/dev-issuer.ts";
import type { Chat } from "./chat/chat.ts";
import { ChatError } from "./chat/errors.ts";
import { parseInvitee } from "./chat/validation.ts";
import { isRoomId, type Member, operator, type Role, roles, roomIdRule } from "./chat/model.ts";
import { type Invitee, StoreError } from "./chat/store.ts";
import { type Config, ConfigError, readConfig, settings, unknownSettings } from "./config.ts";
import { devDatabase, startDev } from "./cli/dev.ts";
import { ListenError, openChat, type Running, startServer } from "./server.ts";
import { OpenError } from "./store/sqlite/open.ts";

/** Wrong use, of the command line or of a setting. */
const wrongUse = 2;
const failed = 1;

/** Files that Parley makes are for its own user alone. */
process.umask(0o077);

const program = new Command("parley")
  .description("A self-hosted chat service in one binary.")
  .version(version)
  .exitOverride()
  .showHelpAfterError("(add --help for more)")
  .addHelpText("after", () => `\n${settingsHelp()}`);

program
  .command("serve")
  .description("run the server; needs PARLEY_ISSUER and PARLEY_AUDIENCE")
  .action(async () => {
    const config = readConfig(process.env);
    const log = createLog(config);
    const starting = startServer({ config, log });
    stopOnSignal(starting, log);
    const running = await starting;
    const unknown = unknownSettings(process.env);
    if (unknown.length > 0) log.warn({ unknown }, "these are no settings of Parley's");
    log.info({ url: running.url.href, version }, "listening");
    log.flush();
  });

program
  .command("dev")
  .description("run a server to try out, with tokens of its own")
  .action(async () => {
    const config = readDevConfig();
    const log = createLog(config);
    const starting = startDev(config, log);
    stopOnSignal(starting, log);
    process.stdout.write(`\n${(await starting).welcome}\n`);
  });

const room = program.command("room").description("make, list and delete rooms");

room
  .command("create")
  .description("make a room")
  .argument("<id>", "as in /ws/chat/<id>/", parseRoomId)
  .option("--name <name>", "what people call it (default: its id)")
  .action((id: string, { name = id }: { name?: string }) =>
    withChat({ create: true }, async (chat) => {
      await chat.rooms.create(operator, id, name);
      print(`made room ${id}`);
    }),
  );

room
  .command("list")
  .description("list all rooms")
  .option("--json", "print JSON")
  .action((options: { json?: boolean }) =>
    withChat({}, async (chat) => {
      const rooms = await chat.rooms.all();
      const rows = rooms.map(({ id, name, seq, createdAt }) => ({
        id,
        name,
        messages: seq,
        created_at: new Date(createdAt).toISOString(),
      }));
      printRows(rows, options);
    }),
  );

room
  .command("delete")
  .description("delete a room with all its messages")
  .argument("<id>", "the room", parseRoomId)
  .action((id: string) =>
    withChat({}, async (chat) => {
      await chat.rooms.delete(operator, id);
      print(`deleted room ${id}`);
    }),
  );

const member = program.command("member").description("add, remove and list a room's members");
const who = "an email, or a user's id (the token's sub; write sub:… for one that looks like an email)";

member
  .command("add")
  .description("let somebody in, who need not have connected yet, or change his role")
  .argument("<room>", "the room", parseRoomId)
  .argument("<email>", who, parseWho)
  .addOption(
    new Option("--role <role>", "what he may do (default: what he may now, or member)").choices(roles),
  )
  .action((id: string, invitee: Invitee, { role }: { role?: Role }) =>
    withChat({}, async (chat) => {
      const { added, member: now } = await chat.rooms.setMember(operator, id, invitee, role);
      print(`${named(invitee)} is ${added ? "now" : "still in, as"} ${now.role} of ${id}`);
    }),
  );

member
  .command("remove")
  .description("put somebody out; his connections are closed")
  .argument("<room>", "the room", parseRoomId)
  .argument("<email>", who, parseWho)
  .action((id: string, invitee: Invitee) =>
    withChat({}, async (chat) => {
      if (!(await chat.rooms.removeMember(operator, id, invitee)))
        throw new Failure(`${named(invitee)} is not in ${id}`);
      print(`removed ${named(invitee)} from ${id}`);
    }),
  );

member
  .command("list")
  .description("list a room's members")
  .argument("<room>", "the room", parseRoomId)
  .option("--json", "print JSON")
  .action((id: string, options: { json?: boolean }) =>
    withChat({}, async (chat) => printRows((await chat.rooms.members(operator, id)).map(memberRow), options)),
  );

program
  .command("token")
  .description("print a token of the development issuer")
  .argument("<email>", "whose")
  .addOption(new Option("--ttl <time>", "how long it is good: 90s, 15m, 1h, 7d").default("1h"))
  .action(async (email: string, { ttl }: { ttl: string }) => {
    const seconds = parseDuration(ttl);
    const issuer = DevIssuer.open(readDevConfig().database);
    if (!issuer) throw new Failure("there is no development issuer yet: start `parley dev` once");
    print(await issuer.token(email, seconds));
  });

program
  .command("migrate")
  .description("bring the database to the newest schema (serve and dev do it too)")
  .action(() => withChat({ create: true }, async () => print("the database is up to date")));

program
  .command("version")
  .description("print the version")
  .action(() => print(version));

/** A command that could not do its work: one line, exit code 1. */
class Failure extends Error {}

function readDevConfig(): Config {
  return readConfig({ ...process.env, PARLEY_DATABASE: process.env["PARLEY_DATABASE"] || devDatabase });
}

async function withChat(options: { create?: boolean }, work: (chat: Chat) => Promise<void>): Promise<void> {
  const { chat, close } = openChat(readConfig(process.env), { create: false, ...options });
  try {
    await work(chat);
  } finally {
    await close();
  }
}

/** One JSON object a line, on standard output. */
function createLog(config: Config): Logger {
  const options = { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  // A destination of pino's own: it outlives a reader that goes away, and drops lines for one that stalls.
  return pino(
    options,
    pino.destination({ dest: 1, sync: false, minLength: 8192, maxLength: 1 << 20, periodicFlush: 200 }),
  );
}

/** From the first moment on: a server that still waits for signing keys has connections, too. */
function stopOnSignal(starting: Promise<Running>, log: Logger): void {
  let stopping = false;
  const stop = (signal: string) => {
    // Whoever asks twice does not want to wait.
    if (stopping) process.exit(failed);
    stopping = true;
    log.info({ signal }, "shutting down");
    starting
      .then((running) => running.stop())
      .then(
        () => process.exit(0),
        (err: unknown) => {
          log.fatal({ err }, "the shutdown failed");
          process.exit(failed);
        },
      );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function parseRoomId(text: string): string {
  if (!isRoomId(text)) throw new InvalidArgumentError(roomIdRule);
  return text;
}

function parseWho(text: string): Invitee {
  const invitee = parseInvitee(text);
  if (!invitee) throw new InvalidArgumentError("It must be an email, or a user's id.");
  return invitee;
}

function parseDuration(text: string): number {
  const [, count, unit = "s"] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined) program.error("error: --ttl must look like 90s, 15m, 1h or 7d");
  return Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1);
}

const named = (invitee: Invitee) => ("email" in invitee ? invitee.email : invitee.sub);

function memberRow({ user, role, joinedAt }: Member) {
  const { email, id, name } = user;
  return { email, id, name, role, joined_at: new Date(joinedAt).toISOString() };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printRows(rows: Record<string, string | number | null>[], { json }: { json?: boolean }): void {
  if (json) return print(JSON.stringify(rows, null, 2));
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => printable(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  for (const line of cells)
    print(
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** People name rooms and themselves; nothing of it may steer the terminal, or begin a line of its own. */
function printable(value: string | number | null | undefined): string {
  return String(value ?? "-").replace(/\p{C}/gu, "?");
}

function settingsHelp(): string {
  const lines = Object.values(settings).map(({ variable, default: fallback, meaning }) => {
    return `  ${variable}${fallback === undefined ? "" : ` (${fallback})`}\n      ${meaning}`;
  });
  return `Settings, from the environment:\n${lines.join("\n")}`;
}

/** What the user is told, and the exit code. */
function report(error: unknown): number {
  // Whoever reads our output has seen enough.
  if (error instanceof Error && "code" in error && error.code === "EPIPE") return 0;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongUse;
  const known = [ConfigError, OpenError, ListenError, DevIssuerError, ChatError, StoreError, Failure].some(
    (kind) => error instanceof kind,
  );
  if (known && error instanceof Error) process.stderr.write(`parley: ${error.message}\n`);
  else console.error(error);
  return error instanceof ConfigError ? wrongUse : failed;
}

try {
  await program.parseAsync();
} catch (error) {
  // Not only `exitCode`: a start that failed half-way may have left a timer running.
  process.exit(report(error));
}
