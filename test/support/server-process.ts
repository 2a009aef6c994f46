import { dirname } from "node:path";

import { operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/open-chat.ts";
import { listeningUrl, parleyCommand, type RunningProcess, startProcess } from "./process.ts";
import { audience } from "./tokens.ts";

/** A server in a process of its own. */
export interface ServerProcess extends RunningProcess {
  url: URL;
}

export interface ServerProcessOptions {
  issuer: string;
  database: string;
  env?: Record<string, string>;
  /** A command that runs the server, such as `prlimit`. */
  wrapper?: string[];
}

/** Starts a server on a free port, without limits per user. */
export async function startServerProcess({
  issuer,
  database,
  env = {},
  wrapper = [],
}: ServerProcessOptions): Promise<ServerProcess> {
  const server = startProcess([...wrapper, ...parleyCommand, "serve"], {
    cwd: dirname(database),
    env: {
      PARLEY_PORT: "0",
      PARLEY_DATABASE: database,
      PARLEY_ISSUER: issuer,
      PARLEY_AUDIENCE: audience,
      PARLEY_MESSAGE_RATE: "0",
      PARLEY_CONNECTIONS_PER_USER: "0",
      PARLEY_DRAIN: "0",
      ...env,
    },
  });
  return { ...server, url: await listeningUrl(server) };
}

/** Creates a database with rooms and their members. */
export async function seedDatabase(database: string, rooms: Record<string, string[]>): Promise<void> {
  const { chat, close } = openChat(readConfig({ PARLEY_DATABASE: database }), { create: true });
  for (const [id, members] of Object.entries(rooms)) {
    await chat.rooms.create(operator, id, id);
    for (const email of members) await chat.rooms.setMember(operator, id, { email }, "member");
  }
  await close();
}
