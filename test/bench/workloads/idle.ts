import { compare, type Result } from "../compare.ts";
import { roomPath } from "../dialects.ts";
import { integer, residentMemory } from "../measure.ts";
import { RawSocket } from "../raw-socket.ts";
import type { Server } from "../server.ts";
import { inParallel, onServer, type Testbed } from "../testbed.ts";

const CONNECTIONS = 15_000;
const CONNECTS_AT_ONCE = 64;
const SETTLE_MS = 2000;

/** Connections that do nothing: what memory they cost. */
export function idle(testbed: Testbed): Promise<string[]> {
  const work = (server: Server) => connectAndWait(server, testbed);
  return compare(
    `memory of ${integer(CONNECTIONS)} idle connections`,
    testbed.rounds,
    onServer("bare", testbed.bare, work),
    onServer("parley", testbed.parley, work),
  );
}

async function connectAndWait(server: Server, testbed: Testbed): Promise<Result> {
  const options = { path: roomPath("room0"), token: await testbed.token(0) };
  const before = residentMemory(server.pid);
  const sockets = await inParallel(Array.from({ length: CONNECTIONS }), CONNECTS_AT_ONCE, () =>
    RawSocket.connect(server.url, options),
  );
  await Bun.sleep(SETTLE_MS);
  const value = (residentMemory(server.pid) - before) / CONNECTIONS;
  for (const socket of sockets) socket.close();
  return { value, text: `${(value / 1024).toFixed(2)} KiB a connection` };
}
