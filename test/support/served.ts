import { dirname } from "node:path";

import { operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/server.ts";
import { fromSource, listening, start, type Started } from "./process.ts";
import { audience } from "./tokens.ts";

/** A server that runs in a process of its own. */
export interface Served extends Started {
  url: URL;
}

export interface ServedOptions {
  issuer: string;
  database: string;
  env?: Record<string, string>;
  /** Words in front of the server's command: a command that runs it. */
  under?: string[];
}

/** Starts a server on a free port, without limits per user. */
export async function serve({ issuer, database, env = {}, under = [] }: ServedOptions): Promise<Served> {
  const server = start([...under, ...fromSource, "serve"], {
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
  return { ...server, url: await listening(server) };
}

/** Creates rooms with their members in a database that no server has opened. */
export async function furnish(database: string, rooms: Record<string, string[]>): Promise<void> {
  const { chat, close } = openChat(readConfig({ PARLEY_DATABASE: database }), { create: true });
  for (const [id, members] of Object.entries(rooms)) {
    await chat.rooms.create(operator, id, id);
    for (const email of members) await chat.rooms.setMember(operator, id, { email }, "member");
  }
  await close();
}
