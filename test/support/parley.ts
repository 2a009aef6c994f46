import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import pino from "pino";

import type { Chat } from "../../src/chat/chat.ts";
import { type Actor, operator, type Role } from "../../src/chat/model.ts";
import { type Config, readConfig } from "../../src/config.ts";
import { openChat, type ServerOptions, startServer } from "../../src/server.ts";
import { audience } from "./tokens.ts";

/** A server of this process, on a database file of its own. */
export interface Parley extends AsyncDisposable {
  /** As in `127.0.0.1:43210`. */
  host: string;
  /** `http://127.0.0.1:43210` */
  url: string;
  config: Config;
  /** What the server logged so far, one object a line. */
  logs: Record<string, unknown>[];
  /** Acts on the database as the command line does: over a connection of its own. */
  asOperator<T>(work: (chat: Chat, operator: Actor) => Promise<T>): Promise<T>;
  /** Makes a room with these members. */
  room(id: string, members: string[], role?: Role): Promise<void>;
  stop(): Promise<void>;
}

export interface ParleyOptions extends Partial<Pick<ServerOptions, "heartbeat" | "keys">> {
  issuer: string;
  /** Settings beside the ones that a test always needs. */
  env?: Record<string, string>;
}

/** A folder that goes when the test does. */
export function temporaryFolder(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "parley-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export async function startParley({ issuer, env = {}, heartbeat, keys }: ParleyOptions): Promise<Parley> {
  const folder = temporaryFolder();
  const config = readConfig({
    PARLEY_PORT: "0",
    PARLEY_DATABASE: join(folder.path, "parley.db"),
    PARLEY_ISSUER: issuer,
    PARLEY_AUDIENCE: audience,
    PARLEY_DRAIN: "0",
    ...env,
  });
  const logs: Record<string, unknown>[] = [];
  const log = pino(
    { level: config.logLevel },
    { write: (line) => void logs.push(JSON.parse(line) as never) },
  );
  const running = await startServer({
    config,
    log,
    ...(heartbeat && { heartbeat }),
    ...(keys && { keys }),
  });
  const asOperator: Parley["asOperator"] = async (work) => {
    const { chat, close } = openChat(config, { create: false });
    try {
      return await work(chat, operator);
    } finally {
      await close();
    }
  };
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= running.stop());
  return {
    host: running.url.host,
    url: running.url.origin,
    config,
    logs,
    asOperator,
    room: (id, members, role = "member") =>
      asOperator(async (chat) => {
        await chat.rooms.create(operator, id, id);
        for (const email of members) await chat.rooms.setMember(operator, id, { email }, role);
      }),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      folder[Symbol.dispose]();
    },
  };
}
