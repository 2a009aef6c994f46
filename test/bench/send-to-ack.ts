import type { Result } from "./compare.ts";
import type { Dialect } from "./dialects.ts";
import { integer, latency, load, measure } from "./measure.ts";
import type { RawSocket } from "./raw-socket.ts";
import type { Server } from "./server.ts";
import { connectUsers, SMALL_ROOMS, type Testbed, usersBetween } from "./testbed.ts";

const SETTLE_MS = 300;
const WARM_UP_MS = 1500;
const MEASURE_MS = 3000;

/** One sender in each of the small rooms, or in the first ones, with so many messages in flight: messages a second, from sending to the ack. */
export async function sendToAck(
  server: Server,
  testbed: Testbed,
  dialect: Dialect,
  inFlight: number,
  connections = SMALL_ROOMS,
): Promise<Result> {
  const sockets = await connectUsers(server, testbed, usersBetween(0, connections), dialect, roomOf);
  await Bun.sleep(SETTLE_MS);
  const senders = sockets.map((socket, user) => new Sender(socket, dialect, roomOf(user), inFlight));
  await Bun.sleep(WARM_UP_MS);
  const before = senders.reduce((sum, { acks }) => sum + acks, 0);
  for (const sender of senders) sender.latencies = [];
  const period = await measure(server, MEASURE_MS);
  const messages = senders.reduce((sum, { acks }) => sum + acks, -before);
  const latencies = senders.flatMap((sender) => sender.latencies);
  for (const socket of sockets) socket.close();
  const value = messages / period.seconds;
  const cpu = (period.serverCpu / messages).toFixed(2);
  return {
    value,
    text: `${integer(value)} messages/s, ${cpu} µs of CPU each, ${latency(latencies)}; ${load(period)}`,
  };
}

function roomOf(user: number): string {
  return `room${user}`;
}

/** Sends a message for each ack, so that the number of messages in flight stays the same. */
class Sender {
  acks = 0;
  /** In milliseconds, of one message at a time. */
  latencies: number[] = [];
  #sent = 0;
  /** The message whose latency is measured, by the number of acks that it waits for. */
  #sampled = 0;
  #sampledAt = 0;
  readonly #frame: Uint8Array;

  constructor(
    private readonly socket: RawSocket,
    dialect: Dialect,
    room: string,
    inFlight: number,
  ) {
    this.#frame = dialect.send(room);
    let answered = 0;
    socket.onFrame = (bytes, start) => {
      if (dialect.isAck(bytes, start)) answered++;
    };
    socket.onChunk = () => {
      const count = answered;
      answered = 0;
      if (count === 0) return;
      this.acks += count;
      this.#send(count);
    };
    this.#send(inFlight);
  }

  #send(count: number): void {
    // Each message in a write of its own, as from many people: one large write would be cheaper to read.
    for (let index = 0; index < count; index++) this.socket.write(this.#frame);
    this.#sent += count;
    if (this.acks < this.#sampled) return;
    const now = performance.now();
    if (this.#sampled > 0) this.latencies.push(now - this.#sampledAt);
    this.#sampled = this.#sent;
    this.#sampledAt = now;
  }
}
