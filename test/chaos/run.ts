import { join } from "node:path";

import { startIssuer } from "../support/issuer.ts";
import { startProxy } from "../support/proxy.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { Cast, type CastOptions, type Company } from "./cast.ts";
import { FastClock } from "./clock.ts";
import { Stored } from "./database.ts";
import { Dice } from "./dice.ts";
import { Faults } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { carryOut } from "./plan.ts";
import type { Seat } from "./seat.ts";
import { MortalServer } from "./server.ts";
import { judgeClassic, judgeRoom, judgeSeat, judgeWitness } from "./verdict.ts";
import { Watch } from "./watch.ts";

export interface ChaosOptions extends CastOptions {
  /** The compiled server. */
  binary: string;
  operations: number;
  kills: number;
  /** Seconds without progress after which the run has failed. */
  patience: number;
  progress?: (line: string) => void;
}

export interface ChaosReport {
  /** Empty when all is well. */
  complaints: string[];
  counts: ReadonlyMap<string, number>;
  operations: number;
  seconds: number;
}

/** Times as fast as the clients' clocks run: 15 seconds of patience are 3. */
const speed = 5;
/** Bytes a second that the slow reader gets. */
const slowRate = 200_000;

/** Clients in rooms, a network that is none to rely on, a server that is killed; and in the end, whether all is as it should be. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const started = performance.now();
  const ledger = new Ledger();
  try {
    await play(options, ledger);
  } catch (error) {
    ledger.complaints.unshift(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return {
    complaints: ledger.complaints,
    counts: ledger.counts,
    operations: ledger.operations.filter(({ outcome }) => outcome).length,
    seconds: (performance.now() - started) / 1000,
  };
}

async function play(options: ChaosOptions, ledger: Ledger): Promise<void> {
  const { binary, seed, operations, kills, patience, progress = () => undefined } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const issuer = stack.use(await startIssuer());
  const database = join(folder.path, "parley.db");
  const server = stack.use(
    await MortalServer.start({ binary, database, issuer: issuer.issuer }, new Dice(seed, "server")),
  );
  const target = () => server.address;
  const proxy = stack.use(await startProxy({ target }));
  const slow = stack.use(await startProxy({ target, rate: slowRate }));
  const clock = new FastClock(speed);
  const cast = new Cast(options, issuer, server, ledger, clock);
  await cast.furnish();
  const seats = cast.seats(proxy, slow);
  stack.defer(() => seats.forEach((seat) => seat.close()));
  const witnesses = cast.witnesses().map((witness) => stack.use(witness));
  const classics = cast.classics().map((witness) => stack.use(witness));
  const company = { seats, witnesses, classics };
  const stored = stack.use(new Stored(database));

  const faults = new Faults({ seed, operations, kills, proxies: [proxy, slow], server, ledger });
  stack.defer(() => faults.stop());
  const watch = new Watch(patience, () => server.died);
  let done = 0;
  const settled = () => {
    done++;
    watch.progress();
    faults.reached(done);
    if (done % Math.ceil(operations / 20) === 0) progress(`${done} of ${operations}; ${faults.summary()}`);
  };
  const [reader, ...actors] = seats;
  const quota = (index: number) =>
    Math.floor(operations / actors.length) + (index < operations % actors.length ? 1 : 0);
  const work = actors.map((seat, index) => carryOut(seat, quota(index), { seed, ledger, settled }));
  const busy = () =>
    actors.filter(({ left }) => left > 0).map((seat) => `${seat.state}, with ${seat.left} to do`);
  await watch.over(Promise.all(work), busy);
  await watch.over(faults.finished(), () => ["the server is being restarted"]);
  ledger.count("connections that the slow reader lost", reader?.losses);
  const behind = stored.rev(reader?.roomId ?? "") - (reader?.heard ?? 0);
  ledger.count("revs that the slow reader was behind", behind);

  proxy.calm();
  slow.calm();
  clock.slowDown();
  cast.calm();
  progress(`${done} of ${operations}; calm`);
  await watch.until(() => unlevel(company, stored));
  const whole = seats.filter((seat) => seat.whole);
  const unread = () => whole.filter(({ room }) => !room.complete).map(({ name }) => `${name} reads on`);
  await watch.over(Promise.all(whole.map((seat) => readAll(seat))), unread);
  await watch.until(() => [...unlevel(company, stored), ...unread(), ...cast.presenceFaults(company)]);

  for (const id of cast.rooms) judge(id, company, stored, ledger);
  for (const seat of seats) seat.close();
  await server.stop();
  for (const fault of stored.faults()) ledger.complain(`SQLite: ${JSON.stringify(fault)}`);
  if (ledger.operations.length !== operations)
    ledger.complain(`${ledger.operations.length} operations were asked for`);
  ledger.count("kills", server.kills);
  ledger.count("restarts in good order", server.restarts);
}

async function readAll({ room }: Seat): Promise<void> {
  while (!room.complete && room.status !== "closed") await room.older(100).catch(() => Bun.sleep(50));
}

/** Who does not know yet what the database does. */
function unlevel({ seats, witnesses }: Company, stored: Stored): string[] {
  const behind = seats.filter(
    ({ room, roomId }) =>
      room.status !== "open" || room.pending.length > 0 || room.position?.rev !== stored.rev(roomId),
  );
  const others = witnesses.filter(({ cursor, roomId }) => cursor !== stored.rev(roomId));
  return [
    ...behind.map(({ state, roomId }) => `${state}, and the room at rev ${stored.rev(roomId)}`),
    ...others.map(
      ({ cursor, roomId }) => `the witness of ${roomId} is at ${cursor} of ${stored.rev(roomId)}`,
    ),
  ];
}

function judge(id: string, { seats, witnesses, classics }: Company, stored: Stored, ledger: Ledger): void {
  const complain = (what: string) => ledger.complain(`${id}: ${what}`);
  const room = stored.room(id);
  const here = ({ roomId }: { roomId: string }) => roomId === id;
  judgeRoom(id, room, ledger, complain);
  for (const seat of seats.filter(here)) judgeSeat(seat, room.rows, complain);
  for (const witness of witnesses.filter(here)) judgeWitness(witness, "the witness", room.rows, complain);
  for (const witness of classics.filter(here)) judgeClassic(witness, ledger.operations, room.rows, complain);
  ledger.count("messages", room.rows.length);
  ledger.count("revs", room.rev);
}
