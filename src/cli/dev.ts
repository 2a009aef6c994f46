import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import type { Command } from "commander";
import type { Logger } from "pino";

import { DEV_ROOM, DevIssuer } from "../auth/dev-issuer.ts";
import { ChatError } from "../chat/errors.ts";
import { operator } from "../chat/model.ts";
import { readClassic } from "../classic-file.ts";
import { type Config, type Environment, readConfig, settings, unknownSettings } from "../config.ts";
import { openChat } from "../open-chat.ts";
import { defaultClassic } from "../protocol/classic/classic.ts";
import { sampleMessage } from "../protocol/classic/sample.ts";
import { type RunningServer, startServer } from "../server.ts";
import { maskInvisible } from "./escape.ts";
import { runServer } from "./run-server.ts";

/** The database of `dev`, unless PARLEY_DATABASE is set. */
const DEV_DATABASE = ".parley/dev.db";

const EMAILS = ["alice@example.com", "bob@example.com"];
const TOKEN_SECONDS = 12 * 3600;

/** Settings without effect: `dev` listens on this machine alone, and accepts only tokens of its own issuer. */
const IGNORED_SETTINGS: readonly (keyof typeof settings)[] = [
  "host",
  "issuers",
  "audiences",
  "jwksUrls",
  "adminIssuers",
  "algorithms",
  "emailClaim",
  "emailVerified",
  "emailVerifiedClaim",
  "nameClaim",
  "clientId",
  "scopes",
  "drain",
];

export function addDevCommand(program: Command, environment: Environment): void {
  program
    .command("dev")
    .description("run a server to try out on this machine, with a room and tokens of its own")
    .action(async () => {
      const config = readDevConfig(environment);
      await runServer(config, async (log, output) => {
        const { running, devIssuer } = await startDev(config, log);
        const text = await welcome(running.url, devIssuer, config);
        output.write(maskInvisible(`\n${text}${ignoredNotice(environment)}`));
        void output.flush();
        return running;
      });
    });
}

/** Reads the configuration of `dev`: that of `serve` without the settings that `dev` ignores. Throws `ConfigError`. */
export function readDevConfig(environment: Environment): Config {
  const ignored = Object.fromEntries(IGNORED_SETTINGS.map((key) => [settings[key].variable, undefined]));
  const database = environment[settings.database.variable] || DEV_DATABASE;
  return readConfig({ ...environment, ...ignored, PARLEY_DATABASE: database, PARLEY_DRAIN: "0" });
}

async function startDev(
  config: Config,
  log: Logger,
): Promise<{ running: RunningServer; devIssuer: DevIssuer }> {
  mkdirSync(dirname(config.database), { recursive: true });
  await prepareRoom(config);
  const devIssuer = await DevIssuer.openOrCreate(config.database);
  return { running: await startServer({ config, log, devIssuer }), devIssuer };
}

async function prepareRoom(config: Config): Promise<void> {
  const { chat, close } = openChat(config, { create: true });
  try {
    await chat.rooms.create(operator, DEV_ROOM, "Lobby").catch((error: unknown) => {
      if (!(error instanceof ChatError && error.code === "conflict")) throw error;
    });
    const members = await chat.rooms.members(operator, DEV_ROOM);
    // Only those who are missing: the others may have been given another role.
    const missing = EMAILS.filter((email) => !members.some(({ user }) => user.email === email));
    for (const email of missing) await chat.rooms.setMember(operator, DEV_ROOM, { email }, "member");
  } finally {
    await close();
  }
}

/** A text with commands to paste into a browser's console and a terminal. */
async function welcome(url: URL, devIssuer: DevIssuer, { database, classic }: Config): Promise<string> {
  const [alice, bob] = await Promise.all(EMAILS.map((email) => devIssuer.token(email, TOKEN_SECONDS)));
  const command = Bun.isStandaloneExecutable ? "parley" : "npm run --silent parley --";
  const description = classic === undefined ? defaultClassic : readClassic(classic);
  const frame = sampleMessage(description, "Hello from a terminal!");
  const session = `ws://${url.host}/ws/`;
  return `Parley is running at ${url.href} with the database ${database}.
The room "${DEV_ROOM}" has the members ${EMAILS.join(" and ")}.

Open ${url.href} in a browser and sign in as one of them, or as somebody new.
Pages of this machine may connect, from any port. The issuer of the tokens is ${devIssuer.issuer}.

Or use the chat without the page, with tokens that are valid for 12 hours.

Connect as Alice from a browser: open ${url.href}healthz and paste this into the console.

  const socket = new WebSocket("${session}", ["chat.v2", "bearer.${alice}"]);
  const send = (command) => socket.send(JSON.stringify({ room: "${DEV_ROOM}", ...command }));
  socket.onmessage = (event) => console.log(event.data);
  socket.onopen = () => {
    send({ type: "open", id: "1" });
    send({ type: "send", id: "2", text: "Hello from a browser!" });
  };

Connect as Bob from a terminal, with the classic protocol: run this, then type ${frame}

  npx -y wscat -c ${session}chat/${DEV_ROOM}/ -H "Authorization: Bearer ${bob}"

Call the HTTP API as Alice. ${url.href}docs describes it, and lets you try it with a token:

  curl -H "Authorization: Bearer ${alice}" ${url.href}api/rooms/${DEV_ROOM}/messages

Add another user: the first command makes Carol a member, the second prints a token for her.

  PARLEY_DATABASE=${database} ${command} member add ${DEV_ROOM} carol@example.com
  PARLEY_DATABASE=${database} ${command} token carol@example.com --ttl 12h

Print a token for a back end, which may act in every room:

  PARLEY_DATABASE=${database} ${command} token backend@example.com --admin --ttl 12h

Press Ctrl-C to stop.
`;
}

/** A text that lists the settings without effect. Empty if there are none. */
function ignoredNotice(environment: Environment): string {
  const ignored = IGNORED_SETTINGS.map((key) => settings[key].variable).filter((name) => environment[name]);
  const unknown = unknownSettings(environment);
  let notice = "";
  if (ignored.length > 0)
    notice += `\nIgnored: ${ignored.join(", ")}. parley dev listens on 127.0.0.1 and accepts only its own tokens.\n`;
  if (unknown.length > 0) notice += `\nUnknown PARLEY_* settings, ignored: ${unknown.join(", ")}\n`;
  return notice;
}
