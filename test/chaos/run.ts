import { join } from "node:path";

import { startIssuer } from "../support/issuer.ts";
import { startProxy } from "../support/proxy.ts";
import { Random } from "../support/random.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { checkRoom } from "./checker.ts";
import { converge } from "./convergence.ts";
import { DatabaseReader, type StoredRoom } from "./database.ts";
import { FastClock } from "./fast-clock.ts";
import { Generator } from "./generator.ts";
import { History } from "./history.ts";
import { checkCounts, checkList } from "./list-checker.ts";
import { Nemesis } from "./nemesis.ts";
import { ChaosServer } from "./server.ts";
import { connectLateObservers, type Participants, setUp } from "./setup.ts";
import { Tokens } from "./tokens.ts";
import { checkClassic, checkReads, checkView } from "./view-checker.ts";
import { Watchdog } from "./watchdog.ts";

export interface ChaosOptions {
  /** Path of the compiled server. */
  binary: string;
  seed: number;
  /** Each has two clients. */
  users: number;
  rooms: number;
  operations: number;
  /** Times that the server goes down; every third time gracefully. */
  kills: number;
  /** Upper bound for the lifetime of short-lived tokens. */
  tokenLifetimeSeconds: number;
  /** The run fails when nothing progresses for this long. */
  stallTimeoutSeconds: number;
  /** Called with a line about twenty times during the run. */
  progress?: (line: string) => void;
}

export interface ChaosReport {
  /** Empty when the run has passed. */
  violations: string[];
  /** How often things happened, by name. */
  counts: ReadonlyMap<string, number>;
  operations: number;
  seconds: number;
}

/** The SDK's timeout of 15 s takes 3 s. */
const CLOCK_SPEED = 5;
const SLOW_BYTES_PER_SECOND = 200_000;

/** Runs clients on a faulty network against a server that is killed, and checks everything in the end. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const started = performance.now();
  const history = new History();
  try {
    await execute(options, history);
  } catch (error) {
    history.violations.unshift(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return {
    violations: history.violations,
    counts: history.counts,
    operations: history.operations.filter(({ outcome }) => outcome).length,
    seconds: (performance.now() - started) / 1000,
  };
}

async function execute(options: ChaosOptions, history: History): Promise<void> {
  const { binary, seed, operations, kills, stallTimeoutSeconds, progress = () => undefined } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const issuer = stack.use(await startIssuer());
  const path = join(folder.path, "parley.db");
  const server = stack.use(
    await ChaosServer.start({ binary, database: path, issuer: issuer.issuer }, new Random(seed, "server")),
  );
  const target = () => ({ host: "127.0.0.1", port: server.port });
  const proxy = stack.use(await startProxy({ target }));
  const slowProxy = stack.use(await startProxy({ target, bytesPerSecond: SLOW_BYTES_PER_SECOND }));
  const tokens = new Tokens(issuer, options.tokenLifetimeSeconds, history);
  const clock = new FastClock(CLOCK_SPEED);
  const setup = { ...options, issuer, server, proxy, slowProxy, tokens, clock, history };
  const participants = await setUp(setup);
  for (const observer of [...participants.observers, ...participants.classicObservers]) stack.use(observer);
  stack.defer(() => participants.clients.forEach((client) => client.close()));
  const database = stack.use(new DatabaseReader(path));
  const nemesis = new Nemesis({ seed, operations, kills, proxies: [proxy, slowProxy], server, history });
  stack.defer(() => nemesis.stop());
  const watchdog = new Watchdog(stallTimeoutSeconds, () => server.crash);

  let done = 0;
  const { administrator, clients, rooms } = participants;
  await runWorkload(options, participants, watchdog, () => {
    nemesis.advance(++done);
    administrator.advance(done);
    if (done % Math.ceil(operations / 20) === 0)
      progress(`${done} of ${operations} operations, ${server.kills} kills`);
  });
  await watchdog.finish(nemesis.finish(), () => ["the server is restarting"]);
  await watchdog.finish(administrator.finish(), () => administrator.waiting);
  const [reader] = clients;
  history.count("connections that the slow reader lost", reader?.monitor.connectionsLost);

  progress(`${done} of ${operations} operations, healing`);
  for (const each of [proxy, slowProxy]) each.heal();
  clock.slowDown();
  tokens.heal();
  const unsettled = clients.map((client) => client.settle().then(() => client.discardFailed()));
  await watchdog.finish(Promise.all(unsettled), () => clients.map(({ state }) => state));
  for (const observer of connectLateObservers(rooms, setup)) participants.observers.push(stack.use(observer));
  await converge(participants, database, watchdog, () => checkLists(participants, database, history));

  checkLists(participants, database, history);
  for (const id of rooms) check(database.room(id), participants, history);
  for (const client of clients) client.close();
  await server.stop();
  for (const error of database.errors()) history.violation(`SQLite: ${JSON.stringify(error)}`);
  if (done !== operations) history.violation(`${done} operations were invoked, not ${operations}`);
  history.count("server kills", server.kills);
  history.count("graceful restarts", server.restarts);
}

/** All clients but the first carry out their share of the operations. Calls `operationDone` after each one. */
async function runWorkload(
  { seed, operations }: ChaosOptions,
  { clients, rooms, administrator }: Participants,
  watchdog: Watchdog,
  operationDone: () => void,
): Promise<void> {
  const [reader, ...others] = clients;
  const done = () => {
    watchdog.progress();
    operationDone();
    for (const { id } of reader?.chat.rooms ?? []) if (!reader?.rooms.has(id)) reader?.open(id);
  };
  const longTextsIn = rooms[0] ?? "";
  const work = others.map((client, index) => {
    const count = Math.floor((operations + index) / others.length);
    return client.run(new Generator({ seed, client: client.name, count, rooms, longTextsIn }), done);
  });
  await watchdog.finish(Promise.all(work), () => [
    ...others.flatMap(({ state, remaining }) => (remaining > 0 ? [state] : [])),
    ...administrator.waiting,
  ]);
}

/** The list of each client, and the messages of its open rooms. */
function checkLists({ clients, rooms }: Participants, database: DatabaseReader, history: History): void {
  const report = (violation: string) => history.violation(violation);
  const stored = new Map(rooms.map((id) => [id, database.room(id)]));
  for (const client of clients) {
    const { name, user, chat } = client;
    checkList({ name, rooms: chat.rooms, unread: chat.unread }, database.roomsOf(user), stored, report);
  }
}

function check(room: StoredRoom, participants: Participants, history: History): void {
  const { id } = room;
  const report = (violation: string) => history.violation(`${id}: ${violation}`);
  const isHere = ({ roomId }: { roomId: string }) => roomId === id;
  checkRoom(room, history, report);
  checkCounts(room, history.countedIn(room).values(), report);
  for (const { name, keep, rooms } of participants.clients) {
    const shown = rooms.get(id);
    if (!shown) continue;
    history.count("open rooms in the end");
    checkReads(name, shown.reads, room, report);
    checkView({ name, keep, messages: shown.messages, pending: shown.pending.length }, room.messages, report);
  }
  for (const observer of participants.observers.filter(isHere)) {
    const messages = [...observer.messages.values()].toSorted((a, b) => a.seq - b.seq);
    checkView({ name: observer.name, messages, pending: 0, keep: undefined }, room.messages, report);
  }
  for (const { connections } of participants.classicObservers.filter(isHere))
    checkClassic(
      connections.filter(({ began }) => began >= history.recreatedAt(id)),
      room.messages,
      history.operations.filter((each) => each.room === id),
      report,
    );
  history.count("messages", room.messages.length);
  history.count("revs", room.rev);
  history.count("counts observed", history.countedIn(room).size);
}
