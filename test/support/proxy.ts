import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

type Side = "client" | "server";

/** Milliseconds from one piece to the next of what goes out slowly. */
const dripInterval = 50;

export interface ProxyOptions {
  /** Where connections lead, asked for each. */
  target: () => { host: string; port: number };
  /** Bytes a second that a client is let read of each connection; undefined does not slow it down. */
  rate?: number;
}

/** A TCP proxy between clients and a server, which does to their connections what networks do. */
export interface Proxy extends AsyncDisposable {
  /** Where clients connect. */
  port: number;
  /** Connections that are open. */
  links: ReadonlySet<Link>;
  /** Refuses newcomers for so many milliseconds. */
  refuse(milliseconds: number): void;
  /** Ends every stall, and slows nothing down from here on. */
  calm(): void;
}

export async function startProxy({ target, rate }: ProxyOptions): Promise<Proxy> {
  const links = new Set<Link>();
  let slow = rate;
  let refusing: ReturnType<typeof setTimeout> | undefined;
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (refusing !== undefined) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = createConnection({ ...target(), allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server, slow, () => links.delete(link));
    links.add(link);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", () => resolve()));
  const admit = () => {
    clearTimeout(refusing);
    refusing = undefined;
  };
  return {
    port: (listener.address() as AddressInfo).port,
    links,
    refuse(milliseconds) {
      admit();
      refusing = setTimeout(admit, milliseconds);
    },
    calm() {
      admit();
      slow = undefined;
      for (const link of links) link.calm();
    },
    async [Symbol.asyncDispose]() {
      admit();
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const link of links) link.cut();
      await closed;
    },
  };
}

/** One connection through the proxy. */
export class Link {
  readonly #sockets: Record<Side, Socket>;
  /** By whom their bytes are for. */
  readonly #pipes: Record<Side, Pipe>;

  constructor(client: Socket, server: Socket, rate: number | undefined, gone: () => void) {
    this.#sockets = { client, server };
    this.#pipes = { client: new Pipe(server, client, rate), server: new Pipe(client, server) };
    let left = 2;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      // A connection that was reset on one side is so on the other.
      socket.on("error", () => other.resetAndDestroy());
      socket.on("close", () => {
        if (--left === 0) gone();
        other.destroySoon();
      });
    }
  }

  /** Resets it on both sides: what was under way is lost. */
  cut(): void {
    for (const socket of Object.values(this.#sockets)) socket.resetAndDestroy();
  }

  /** Resets it in the middle of the next bytes for a side: most often, in the middle of a frame. */
  cutWithin(side: Side): void {
    this.#pipes[side].breakNext(() => this.cut());
  }

  /** Tells one side that the other will send nothing more, and goes on carrying what that side sends. */
  halfClose(side: Side): void {
    this.#sockets[side].end();
  }

  /** Ends it for both, in order. */
  end(): void {
    for (const socket of Object.values(this.#sockets)) socket.end();
  }

  /** Carries nothing to a side for so many milliseconds, and loses nothing. */
  stall(side: Side, milliseconds: number): void {
    this.#pipes[side].stall(milliseconds);
  }

  calm(): void {
    for (const pipe of Object.values(this.#pipes)) pipe.calm();
  }
}

/** Bytes in one direction. */
class Pipe {
  /** Why nothing is read at the moment. */
  readonly #reasons = new Set<"full" | "stalled" | "slow">();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #broken: (() => void) | undefined;
  #rate: number | undefined;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    rate?: number,
  ) {
    this.#rate = rate;
    from.on("data", (chunk: Buffer) => this.#carry(chunk));
    from.on("end", () => to.end());
    to.on("drain", () => this.#go("full"));
  }

  stall(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#hold("stalled");
    this.#timer = setTimeout(() => this.#go("stalled"), milliseconds);
  }

  breakNext(broken: () => void): void {
    this.#broken = broken;
  }

  calm(): void {
    clearTimeout(this.#timer);
    this.#rate = this.#broken = undefined;
    this.#go("stalled");
  }

  #carry(chunk: Buffer): void {
    // It was told that nothing more comes.
    if (!this.to.writable) return;
    const broken = this.#broken;
    if (broken) {
      this.#broken = undefined;
      this.to.write(chunk.subarray(0, chunk.length >> 1), () => broken());
      return;
    }
    if (this.#rate === undefined) this.#write(chunk);
    else this.#drip(chunk, this.#rate);
  }

  #write(chunk: Buffer): void {
    if (!this.to.write(chunk)) this.#hold("full");
  }

  /** Nothing more is read before it has all gone out. */
  #drip(chunk: Buffer, rate: number): void {
    const piece = Math.ceil((rate * dripInterval) / 1000);
    if (this.to.writable) this.#write(chunk.subarray(0, piece));
    const rest = chunk.subarray(piece);
    this.#hold("slow");
    setTimeout(() => {
      if (rest.length === 0) this.#go("slow");
      else this.#drip(rest, this.#rate ?? Number.MAX_SAFE_INTEGER);
    }, dripInterval);
  }

  #hold(reason: "full" | "stalled" | "slow"): void {
    this.#reasons.add(reason);
    this.from.pause();
  }

  #go(reason: "full" | "stalled" | "slow"): void {
    if (this.#reasons.delete(reason) && this.#reasons.size === 0) this.from.resume();
  }
}
