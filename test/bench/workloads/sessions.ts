import { companyDatabase, departmentRoom, DEPARTMENTS, ROOMS_PER_USER } from "../company.ts";
import { classic, type Dialect, idleSession, v2 } from "../dialects.ts";
import { cpuTime, integer, percentile, residentMemory } from "../measure.ts";
import type { RawSocket } from "../raw-socket.ts";
import type { Server } from "../server.ts";
import { connectUsers, CROWD_SIZE, type Testbed, usersBetween } from "../testbed.ts";

const MAX_CONNECT_US = 400;
const MAX_IDLE_BYTES = 30 * 1024;
/** Connected before memory is measured, so that code is compiled and the database's pages are cached. */
const WARM_UP_SESSIONS = 50;
const WARM_UP_ROUNDS = 2;
const SETTLE_MS = 300;
/** After this time the garbage of connecting has been collected. */
const COLLECT_MS = 12_000;

/** Sessions with many rooms: what it costs to connect them, and to keep them. */
export async function sessions(testbed: Testbed): Promise<string[]> {
  const database = await companyDatabase(testbed);
  const memory: number[] = [];
  const costs: number[] = [];
  const bareCosts: number[] = [];
  for (let round = 0; round < testbed.rounds; round++) {
    await using server = await testbed.parley(database);
    // From here on the tokens are known to the server.
    await connectAll(server, testbed, v2);
    memory.push(await idleMemory(server, testbed));
    for (let warmUp = 0; warmUp < WARM_UP_ROUNDS; warmUp++) await connectAll(server, testbed, idleSession);
    costs.push(await connectAll(server, testbed, idleSession));
    await using bare = await testbed.bare();
    await connectAll(bare, testbed, classic);
    bareCosts.push(await connectAll(bare, testbed, classic));
  }
  const [cost, bytes] = [percentile(costs, 0.5), percentile(memory, 0.5)];
  return [
    `${integer(CROWD_SIZE)} sessions of ${ROOMS_PER_USER} rooms each, tokens seen before`,
    `  connect: ${cost.toFixed(0)} µs of CPU, ${(cost / MAX_CONNECT_US).toFixed(2)} × the limit (rounds: ${list(costs)})`,
    `  bare: ${percentile(bareCosts, 0.5).toFixed(0)} µs (rounds: ${list(bareCosts)})`,
    `  memory: ${kibibytes(bytes)} KiB, ${(bytes / MAX_IDLE_BYTES).toFixed(2)} × the limit (rounds: ${memory.map(kibibytes).join(", ")})`,
  ];
}

/** Connects everyone and closes again. Returns the server's CPU time for each connection, in microseconds. */
async function connectAll(server: Server, testbed: Testbed, dialect: Dialect): Promise<number> {
  const before = cpuTime(server.pid);
  const sockets = await connect(server, testbed, CROWD_SIZE, dialect);
  await Bun.sleep(SETTLE_MS);
  const cost = (cpuTime(server.pid) - before) / CROWD_SIZE;
  await closeAll(sockets);
  return cost;
}

/** Bytes of memory of an idle session. */
async function idleMemory(server: Server, testbed: Testbed): Promise<number> {
  await closeAll(await connect(server, testbed, WARM_UP_SESSIONS, idleSession));
  await Bun.sleep(COLLECT_MS);
  const before = residentMemory(server.pid);
  const sockets = await connect(server, testbed, CROWD_SIZE, idleSession);
  await Bun.sleep(COLLECT_MS);
  const grown = residentMemory(server.pid) - before;
  await closeAll(sockets);
  return grown / CROWD_SIZE;
}

function connect(server: Server, testbed: Testbed, count: number, dialect: Dialect): Promise<RawSocket[]> {
  return connectUsers(server, testbed, usersBetween(0, count), dialect, (user) =>
    departmentRoom(user % DEPARTMENTS),
  );
}

async function closeAll(sockets: readonly RawSocket[]): Promise<void> {
  for (const socket of sockets) socket.close();
  await Bun.sleep(SETTLE_MS);
}

function list(microseconds: readonly number[]): string {
  return microseconds.map((each) => each.toFixed(0)).join(", ");
}

function kibibytes(bytes: number): string {
  return (bytes / 1024).toFixed(1);
}
