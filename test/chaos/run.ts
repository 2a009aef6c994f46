import { join } from "node:path";

import { api, type Token } from "../../src/client/index.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { temporaryFolder } from "../support/parley.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { FastClock } from "./clock.ts";
import { Stored } from "./database.ts";
import { Dice } from "./dice.ts";
import { Faults } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { carryOut } from "./plan.ts";
import { Seat } from "./seat.ts";
import { MortalServer } from "./server.ts";
import { judgeClassic, judgeRoom, judgeSeat, judgeWitness } from "./verdict.ts";
import { ClassicWitness, Witness } from "./witness.ts";

export interface ChaosOptions {
  /** The compiled server. */
  binary: string;
  seed: number;
  clients: number;
  rooms: number;
  operations: number;
  kills: number;
  /** Seconds that some of the tokens are good for. */
  tokenSeconds: number;
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

/** Clients in rooms, a network that is none to rely on, a server that is killed; and in the end, whether all is as it should be. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, operations, progress = () => undefined } = options;
  const started = performance.now();
  const ledger = new Ledger();
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const issuer = stack.use(await startIssuer());
  const database = join(folder.path, "parley.db");
  const dice = new Dice(seed, "chaos");
  const server = stack.use(
    await MortalServer.start({ binary: options.binary, database, issuer: issuer.issuer }, dice),
  );
  const target = () => server.address;
  const proxy = stack.use(await startProxy({ target }));
  const slow = stack.use(await startProxy({ target, rate: 200_000 }));
  const clock = new FastClock(speed);
  const cast = new Cast(options, issuer, server, ledger, clock);
  await cast.furnish();
  const seats = cast.seats(proxy, slow);
  stack.defer(() => seats.forEach(({ room }) => room.close()));
  const witnesses = cast.witnesses().map((witness) => stack.use(witness));
  const classics = cast.classics().map((witness) => stack.use(witness));

  const faults = new Faults({
    seed,
    operations,
    kills: options.kills,
    proxies: [proxy, slow],
    server,
    ledger,
  });
  const watch = new Watch(options.patience, () => server.died);
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
    actors
      .filter(({ left }) => left > 0)
      .map(
        ({ name, left, room }) => `${name} is ${room.status}, ${left} left, ${room.pending.length} pending`,
      );
  await watch.over(Promise.all(work), busy);
  await watch.over(faults.finished(), () => ["the server is being restarted"]);
  const stored = stack.use(new Stored(database));
  ledger.count("connections that the slow reader lost", reader?.losses);
  ledger.count(
    "revs that the slow reader was behind",
    stored.rev(reader?.roomId ?? "") - (reader?.heard ?? 0),
  );

  proxy.calm();
  slow.calm();
  clock.slowDown();
  progress(`${done} of ${operations}; calm`);
  const rooms = cast.rooms.map((id) => ({ id, rev: stored.rev(id) }));
  const revOf = new Map(rooms.map(({ id, rev }) => [id, rev]));
  const unlevel = () => [
    ...seats
      .filter(
        ({ room, roomId }) =>
          room.status !== "open" || room.pending.length > 0 || room.position?.rev !== revOf.get(roomId),
      )
      .map(
        ({ name, room, roomId }) =>
          `${name} is ${room.status}, at ${room.position?.rev} of ${revOf.get(roomId)}`,
      ),
    ...witnesses
      .filter(({ cursor, roomId }) => cursor !== revOf.get(roomId))
      .map(({ cursor, roomId }) => `the witness of ${roomId} is at ${cursor} of ${revOf.get(roomId)}`),
  ];
  await watch.until(unlevel);
  const unread = () =>
    seats
      .filter(({ whole, room }) => whole && !room.complete)
      .map(({ name }) => `${name} reads older messages`);
  await watch.over(Promise.all(seats.filter(({ whole }) => whole).map((seat) => readAll(seat))), unread);
  await watch.until(unlevel);
  const strange = () => cast.presenceFaults(seats, [...witnesses, ...classics]);
  await watch.until(strange);

  for (const { id } of rooms) {
    const complain = (what: string) => ledger.complain(`${id}: ${what}`);
    const room = stored.room(id);
    if (room.rev !== revOf.get(id)) complain(`went on to rev ${room.rev} in all the calm`);
    judgeRoom(id, room, ledger, complain);
    for (const seat of seats) if (seat.roomId === id) judgeSeat(seat, room.rows, complain);
    for (const witness of witnesses)
      if (witness.roomId === id) judgeWitness(witness, "the witness", room.rows, complain);
    for (const witness of classics)
      if (witness.roomId === id) judgeClassic(witness, ledger.operations, room.rows, complain);
    ledger.count("messages", room.rows.length);
    ledger.count("revs", room.rev);
  }
  for (const { room } of seats) room.close();
  await server.stop();
  for (const fault of stored.faults()) ledger.complain(`SQLite: ${JSON.stringify(fault)}`);
  if (ledger.operations.length !== operations)
    ledger.complain(`${ledger.operations.length} operations were asked for`);
  ledger.count("kills", server.kills);
  ledger.count("restarts in good order", server.restarts);
  return {
    complaints: ledger.complaints,
    counts: ledger.counts,
    operations: done,
    seconds: (performance.now() - started) / 1000,
  };
}

async function readAll({ room }: Seat): Promise<void> {
  while (!room.complete && room.status !== "closed") await room.older(100).catch(() => Bun.sleep(50));
}

/** Who is in the play. */
class Cast {
  readonly rooms: string[];

  constructor(
    private readonly options: ChaosOptions,
    private readonly issuer: Issuer,
    private readonly server: MortalServer,
    private readonly ledger: Ledger,
    private readonly clock: FastClock,
  ) {
    this.rooms = Array.from({ length: options.rooms }, (_, index) => `room-${index + 1}`);
  }

  /** Each room has one user with two clients, and one who may delete what others say. */
  async furnish(): Promise<void> {
    const token = () => this.issuer.sign("root@example.com", { claims: { scope: "chat:admin" } });
    const admin = api({ url: `http://127.0.0.1:${this.server.port}`, token });
    for (const id of this.rooms) await admin.createRoom({ id, name: id });
    for (let index = 0; index < this.options.clients; index++) {
      const [room, email] = this.#placeOf(index);
      await admin.setMember(room, email, this.#isModerator(index) ? "moderator" : "member");
    }
    for (const [index, room] of this.rooms.entries()) {
      await admin.setMember(room, `witness-${index + 1}@example.com`);
      await admin.setMember(room, `classic-${index + 1}@example.com`);
    }
  }

  #placeOf(index: number): [room: string, email: string] {
    const { rooms } = this;
    const room = rooms[index % rooms.length] as string;
    const within = Math.floor(index / rooms.length);
    // The first of a room's users sits at two places, the last ones.
    const last = Math.floor((this.options.clients - 1 - (index % rooms.length)) / rooms.length);
    const user = within === last && last > 1 ? within - 1 : within;
    return [room, `user-${user + 1}.${room}@example.com`];
  }

  #isModerator(index: number): boolean {
    return Math.floor(index / this.rooms.length) === 1;
  }

  /** The first one only reads, over a slow line. */
  seats(proxy: Proxy, slow: Proxy): Seat[] {
    return Array.from({ length: this.options.clients }, (_, index) => {
      const [room, email] = this.#placeOf(index);
      const name = `client-${index + 1}`;
      const { seed } = this.options;
      return new Seat({
        name,
        user: `user|${email}`,
        room,
        url: `http://127.0.0.1:${(index === 0 ? slow : proxy).port}`,
        token:
          index % 3 === 1
            ? this.#shortTokens(email, new Dice(seed, `${name}'s tokens`))
            : this.#tokens(email),
        // Where the slow reader is, there is more to read than fits between it and the server.
        wordy: index % this.rooms.length === 0,
        ...(index % 4 === 3 && { keep: 120 }),
        clock: this.clock,
        dice: new Dice(seed, `${name}'s waits`),
        ledger: this.ledger,
      });
    });
  }

  #tokens(email: string): Token {
    let token: Promise<string> | undefined;
    return ({ refresh }) => {
      if (refresh) token = undefined;
      return (token ??= this.issuer.sign(email));
    };
  }

  /** Tokens that soon expire, of a provider that keeps the last one, and fails at times. */
  #shortTokens(email: string, dice: Dice): Token {
    const { ledger, issuer } = this;
    let token: string | undefined;
    return async ({ refresh }) => {
      if (token !== undefined && !refresh) return token;
      if (token !== undefined && dice.chance(0.2)) throw new Error("the provider of tokens is away");
      if (token !== undefined && dice.chance(0.2)) return token;
      const exp = Math.floor(Date.now() / 1000) + 1 + Math.ceil(dice.between(0, this.options.tokenSeconds));
      ledger.count("short tokens");
      return (token = await issuer.sign(email, { claims: { exp } }));
    };
  }

  witnesses(): Witness[] {
    return this.rooms.map((room, index) => new Witness(this.#witness(room, `witness-${index + 1}`)));
  }

  classics(): ClassicWitness[] {
    return this.rooms.map((room, index) => new ClassicWitness(this.#witness(room, `classic-${index + 1}`)));
  }

  #witness(room: string, name: string) {
    const email = `${name}@example.com`;
    const token = () => this.issuer.sign(email);
    const host = `127.0.0.1:${this.server.port}`;
    return { name, user: `user|${email}`, room, host, token, ledger: this.ledger };
  }

  /** Who sees another company than is there. */
  presenceFaults(seats: readonly Seat[], others: readonly { roomId: string; user: string }[]): string[] {
    return seats.flatMap(({ name, roomId, room }) => {
      const there = [...seats, ...others].filter((each) => each.roomId === roomId);
      const missing = new Set<string | null>(there.map(({ user }) => user));
      const strangers = room.online.filter(({ id }) => !missing.delete(id));
      if (missing.size === 0 && strangers.length === 0) return [];
      return `${name} in ${roomId} misses ${[...missing].join(", ")}, and sees ${strangers.length} who are not there`;
    });
  }
}

/** Sees that it goes on, however slowly. */
class Watch {
  #movedAt = performance.now();

  constructor(
    private readonly patience: number,
    private readonly died: () => string | undefined,
  ) {}

  progress(): void {
    this.#movedAt = performance.now();
  }

  /** Resolves with the work. Rejects, saying why it is not done, when nothing has moved for too long. */
  async over(work: Promise<unknown>, why: () => string[]): Promise<void> {
    this.progress();
    let over = false;
    const ended = work.finally(() => (over = true));
    await Promise.race([ended, this.#wait(() => over, why)]);
    await ended;
  }

  /** Resolves once nothing is left to say. */
  async until(why: () => string[]): Promise<void> {
    this.progress();
    await this.#wait(() => why().length === 0, why);
  }

  async #wait(over: () => boolean, why: () => string[]): Promise<void> {
    while (!over()) {
      const died = this.died();
      if (died !== undefined) throw new Error(died);
      if (performance.now() - this.#movedAt > this.patience * 1000)
        throw new Error(`for ${this.patience} s nothing has moved:\n${why().join("\n")}`);
      await Bun.sleep(20);
    }
  }
}
