import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import type { Logger } from "pino";

import { DevIssuer } from "../auth/dev-issuer.ts";
import { ChatError } from "../chat/errors.ts";
import { operator } from "../chat/model.ts";
import type { Config } from "../config.ts";
import { openChat, type Running, startServer } from "../server.ts";

/** Where `dev` keeps its database, unless PARLEY_DATABASE says otherwise. */
export const devDatabase = ".parley/dev.db";

const room = "lobby";
const emails = ["alice@example.com", "bob@example.com"];
const tokenSeconds = 12 * 3600;

/** A server to try out on this machine alone, with an issuer and a room of its own. */
export async function startDev(config: Config, log: Logger): Promise<Running & { welcome: string }> {
  mkdirSync(dirname(config.database), { recursive: true });
  await prepareRoom(config);
  const devIssuer = await DevIssuer.openOrCreate(config.database);
  const running = await startServer({ config: { ...config, host: "127.0.0.1", drain: 0 }, log, devIssuer });
  return { ...running, welcome: await welcome(running.url, devIssuer, config.database) };
}

async function prepareRoom(config: Config): Promise<void> {
  const { chat, close } = openChat(config, { create: true });
  try {
    await chat.rooms.create(operator, room, "Lobby").catch((error: unknown) => {
      if (!(error instanceof ChatError && error.code === "conflict")) throw error;
    });
    const members = await chat.rooms.members(operator, room);
    // Whoever is in already keeps the role that he was given since.
    const missing = emails.filter((email) => !members.some(({ user }) => user.email === email));
    for (const email of missing) await chat.rooms.setMember(operator, room, { email }, "member");
  } finally {
    await close();
  }
}

async function welcome(url: URL, devIssuer: DevIssuer, database: string): Promise<string> {
  const [alice, bob] = await Promise.all(emails.map((email) => devIssuer.token(email, tokenSeconds)));
  const command = Bun.isStandaloneExecutable ? "parley" : "npm run --silent parley --";
  const socket = `ws://${url.host}/ws/chat/${room}/`;
  return `Parley runs at ${url.href}, with the database ${database}.
Its room "${room}" has the members ${emails.join(" and ")}. Their tokens are good for 12 hours.

Alice, in a browser: open ${url.href}healthz, and paste into its console

  const socket = new WebSocket("${socket}", ["chat.v2", "bearer.${alice}"]);
  socket.onmessage = (event) => console.log(event.data);
  socket.onopen = () => socket.send(JSON.stringify({ type: "send", id: "1", text: "Hello from a browser!" }));

Bob, on the command line and in the old dialect: start this, and type {"message": "Hello from a terminal!"}

  npx -y wscat -c ${socket} -H "Authorization: Bearer ${bob}"

The HTTP API, as Alice:

  curl -H "Authorization: Bearer ${alice}" ${url.href}api/rooms/${room}/messages

Another user: the first line lets her in, the second prints a token for her.

  PARLEY_DATABASE=${database} ${command} member add ${room} carol@example.com
  PARLEY_DATABASE=${database} ${command} token carol@example.com --ttl 12h
`;
}
