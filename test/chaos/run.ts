import { join } from "node:path";

import { startIssuer } from "../support/issuer.ts";
import { startProxy } from "../support/proxy.ts";
import { Random } from "../support/random.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { checkRoom } from "./checker.ts";
import type { ChaosClient } from "./client.ts";
import { DatabaseReader } from "./database.ts";
import { FastClock } from "./fast-clock.ts";
import { Generator } from "./generator.ts";
import { History } from "./history.ts";
import { Nemesis } from "./nemesis.ts";
import { ChaosServer } from "./server.ts";
import { connectLateObservers, type Participants, setUp } from "./setup.ts";
import { Tokens } from "./tokens.ts";
import { checkClassic, checkView, presenceErrors } from "./view-checker.ts";
import { Watchdog } from "./watchdog.ts";

export interface ChaosOptions {
  /** Path of the compiled server. */
  binary: string;
  seed: number;
  clients: number;
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
  await runWorkload(options, participants, watchdog, () => {
    nemesis.advance(++done);
    if (done % Math.ceil(operations / 20) === 0)
      progress(`${done} of ${operations} operations, ${server.kills} kills`);
  });
  await watchdog.finish(nemesis.finish(), () => ["the server is restarting"]);
  const [reader] = participants.clients;
  history.count("connections that the slow reader lost", reader?.monitor.connectionsLost);
  const lag = database.rev(reader?.roomId ?? "") - (reader?.monitor.lastRev ?? 0);
  history.count("revs that the slow reader was behind", lag);

  progress(`${done} of ${operations} operations, healing`);
  for (const each of [proxy, slowProxy]) each.heal();
  clock.slowDown();
  tokens.heal();
  for (const observer of connectLateObservers(participants.rooms, setup))
    participants.observers.push(stack.use(observer));
  await converge(participants, database, watchdog);

  for (const id of participants.rooms) check(id, participants, database, history);
  for (const client of participants.clients) client.close();
  await server.stop();
  for (const error of database.errors()) history.violation(`SQLite: ${JSON.stringify(error)}`);
  if (history.operations.length !== operations)
    history.violation(`${history.operations.length} operations were invoked, not ${operations}`);
  history.count("server kills", server.kills);
  history.count("graceful restarts", server.restarts);
}

/** All clients but the first carry out their share of the operations. Calls `operationDone` after each one. */
async function runWorkload(
  { seed, operations }: ChaosOptions,
  { clients }: Participants,
  watchdog: Watchdog,
  operationDone: () => void,
): Promise<void> {
  const [reader, ...senders] = clients;
  const done = () => {
    watchdog.progress();
    operationDone();
  };
  const work = senders.map((client, index) => {
    const count = Math.floor((operations + index) / senders.length);
    const longTexts = client.roomId === reader?.roomId;
    return client.run(new Generator({ seed, client: client.name, count, longTexts }), done);
  });
  await watchdog.finish(Promise.all(work), () =>
    senders.flatMap(({ state, remaining }) => (remaining > 0 ? `${state}, ${remaining} remaining` : [])),
  );
}

/** Waits until everyone shows everything, and who is online; then until those who leave are shown as offline. */
async function converge(
  participants: Participants,
  database: DatabaseReader,
  watchdog: Watchdog,
): Promise<void> {
  await watchdog.until(() => behind(participants, database));
  const unlimited = participants.clients.filter(({ keep }) => keep === undefined);
  const incomplete = () =>
    unlimited.flatMap(({ name, room }) => (room.complete ? [] : `${name} is loading older messages`));
  await watchdog.finish(Promise.all(unlimited.map((client) => client.loadAll())), incomplete);
  await watchdog.until(() => [...behind(participants, database), ...wrongPresence(participants)]);
  for (const observer of participants.classicObservers) await observer[Symbol.asyncDispose]();
  await watchdog.until(() => wrongPresence({ ...participants, classicObservers: [] }));
}

/** Clients and observers that have not caught up with the database yet. */
function behind({ clients, observers }: Participants, database: DatabaseReader): string[] {
  const isBehind = ({ room, roomId }: ChaosClient) =>
    room.status !== "open" || room.pending.length > 0 || room.position?.rev !== database.rev(roomId);
  return [
    ...clients
      .filter(isBehind)
      .map(({ state, roomId }) => `${state}; the room is at ${database.rev(roomId)}`),
    ...observers
      .filter(({ rev, roomId }) => rev !== database.rev(roomId))
      .map(({ name, rev, roomId }) => `${name} is at rev ${rev} of ${database.rev(roomId)}`),
  ];
}

function wrongPresence({ clients, observers, classicObservers }: Participants): string[] {
  const everyone = [...clients, ...observers, ...classicObservers];
  return clients.flatMap(({ name, roomId, room: { online } }) => {
    const here = everyone.filter((each) => each.roomId === roomId);
    return presenceErrors(new Set(here.map(({ user }) => user)), { name, online });
  });
}

function check(id: string, participants: Participants, database: DatabaseReader, history: History): void {
  const report = (violation: string) => history.violation(`${id}: ${violation}`);
  const room = database.room(id);
  const isHere = ({ roomId }: { roomId: string }) => roomId === id;
  checkRoom(id, room, history, report);
  for (const { name, keep, room: shown } of participants.clients.filter(isHere)) {
    const view = { name, keep, messages: shown.messages, pending: shown.pending.length };
    checkView(view, room.messages, report);
  }
  for (const observer of participants.observers.filter(isHere)) {
    const messages = [...observer.messages.values()].toSorted((a, b) => a.seq - b.seq);
    checkView({ name: observer.name, messages, pending: 0, keep: undefined }, room.messages, report);
  }
  for (const { connections } of participants.classicObservers.filter(isHere))
    checkClassic(
      connections,
      room.messages,
      history.operations.filter((each) => each.room === id),
      report,
    );
  history.count("messages", room.messages.length);
  history.count("revs", room.rev);
}
