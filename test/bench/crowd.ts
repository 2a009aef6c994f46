import type { Result } from "./compare.ts";
import type { Dialect } from "./dialects.ts";
import { integer, load, measure } from "./measure.ts";
import { type RawSocket, readInTurns } from "./raw-socket.ts";
import type { Server } from "./server.ts";
import { connectUsers, CROWD_SIZE, type Testbed, usersBetween } from "./testbed.ts";

const SETTLE_MS = 500;
const WARM_UP_MS = 1500;
const MEASURE_MS = 3000;
const SENDERS = 4;
/** The room that everyone is in. */
export const CROWD_ROOM = "crowd";

/**
 * Everyone in the room `crowd`. Only the senders and the last member parse frames. The others count bytes, which are
 * turned into messages by the average size.
 */
export class Crowd implements Disposable {
  /**
   * The members who connected first. A server writes to them first, so that what they answer is there when it has written
   * to everyone, and goes out in one flush: answers that come a little later would make two flushes of half the size.
   */
  readonly senders: readonly RawSocket[];
  /** The member who connected last, and is written to last. */
  readonly last: RawSocket;
  readonly #counting: readonly RawSocket[];
  readonly #reading: Disposable;
  /** Messages that parsing members have received since the last reset. */
  #messages = 0;
  #messageBytes = 0;
  /** Bytes that each counting member had read when everyone was connected, and at the last reset. */
  #bytesAtStart: readonly number[] = [];
  #bytesAtReset: readonly number[] = [];

  private constructor(sockets: readonly RawSocket[], dialect: Dialect) {
    this.senders = sockets.slice(0, SENDERS);
    this.last = sockets.at(-1) as RawSocket;
    this.#counting = sockets.slice(SENDERS, -1);
    this.#reading = readInTurns(this.#counting);
    for (const socket of [...this.senders, this.last])
      socket.onFrame = (bytes, start, size) => {
        if (!dialect.isMessage(bytes, start)) return;
        this.#messages++;
        this.#messageBytes += size;
      };
  }

  /** Connects all members. */
  static async connect(server: Server, testbed: Testbed, dialect: Dialect): Promise<Crowd> {
    const sockets = await connectUsers(
      server,
      testbed,
      usersBetween(0, CROWD_SIZE),
      dialect,
      () => CROWD_ROOM,
    );
    const crowd = new Crowd(sockets, dialect);
    await Bun.sleep(SETTLE_MS);
    crowd.#bytesAtStart = crowd.#bytesRead();
    crowd.reset();
    return crowd;
  }

  /** Counts from zero. */
  reset(): void {
    this.#messages = this.#messageBytes = 0;
    this.#bytesAtReset = this.#bytesRead();
  }

  /** Messages that all members have received since the last reset. */
  deliveries(): number {
    const bytes = this.#bytesSince(this.#bytesAtReset).reduce((sum, each) => sum + each, 0);
    return this.#messages + bytes / (this.#messageBytes / this.#messages);
  }

  /** Waits until nothing is in flight. Rejects when a member has received more or less than the others. */
  async checkComplete(): Promise<void> {
    await Bun.sleep(SETTLE_MS);
    const amounts = new Set(this.#bytesSince(this.#bytesAtStart));
    if (amounts.size > 1) throw new Error("some members have received more than others");
  }

  #bytesRead(): number[] {
    return this.#counting.map(({ bytesRead }) => bytesRead);
  }

  #bytesSince(before: readonly number[]): number[] {
    return this.#bytesRead().map((bytes, index) => bytes - (before[index] ?? 0));
  }

  [Symbol.dispose](): void {
    this.#reading[Symbol.dispose]();
    for (const socket of [...this.senders, this.last, ...this.#counting]) socket.close();
  }
}

/** Four members send, with so many messages in flight each: deliveries a second. */
export async function fanOut(
  server: Server,
  testbed: Testbed,
  dialect: Dialect,
  inFlight: number,
): Promise<Result> {
  using crowd = await Crowd.connect(server, testbed, dialect);
  const send = dialect.send(CROWD_ROOM);
  let stopped = false;
  for (const socket of crowd.senders) {
    const count = socket.onFrame;
    // A sender receives everyone's messages, and takes one in four for its own.
    let received = 0;
    socket.onFrame = (bytes, start, size) => {
      count?.(bytes, start, size);
      if (dialect.isMessage(bytes, start) && ++received % SENDERS === 0 && !stopped) socket.write(send);
    };
    for (let index = 0; index < inFlight; index++) socket.write(send);
  }
  await Bun.sleep(WARM_UP_MS);
  crowd.reset();
  const period = await measure(server, MEASURE_MS);
  const deliveries = crowd.deliveries();
  stopped = true;
  await crowd.checkComplete();
  const value = deliveries / period.seconds;
  const cpu = (period.serverCpu / deliveries).toFixed(3);
  return { value, text: `${integer(value)} deliveries/s, ${cpu} µs of CPU each; ${load(period)}` };
}
