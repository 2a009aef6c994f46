import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

type Side = "client" | "server";

/** Pause between two pieces of a slowed-down stream. */
const PIECE_INTERVAL_MS = 50;

export interface ProxyOptions {
  /** Returns the address to connect to; called for each connection. */
  target: () => { host: string; port: number };
  /** Limit for what each client receives; unlimited by default. */
  bytesPerSecond?: number;
}

/** A TCP proxy that injects network faults between clients and a server. */
export interface Proxy extends AsyncDisposable {
  /** Where clients connect. */
  port: number;
  /** Open connections. */
  links: ReadonlySet<Link>;
  /** Resets new connections for this long. */
  refuse(milliseconds: number): void;
  /** Ends all lasting faults: stalls, refusals and slow connections. */
  heal(): void;
}

export async function startProxy({ target, bytesPerSecond }: ProxyOptions): Promise<Proxy> {
  const links = new Set<Link>();
  let limit = bytesPerSecond;
  let refusal: ReturnType<typeof setTimeout> | undefined;
  const accept = () => {
    clearTimeout(refusal);
    refusal = undefined;
  };
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (refusal !== undefined) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = createConnection({ ...target(), allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server, limit, () => links.delete(link));
    links.add(link);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (listener.address() as AddressInfo).port,
    links,
    refuse(milliseconds) {
      accept();
      refusal = setTimeout(accept, milliseconds);
    },
    heal() {
      accept();
      limit = undefined;
      for (const link of links) link.heal();
    },
    async [Symbol.asyncDispose]() {
      accept();
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const link of links) link.cut();
      await closed;
    },
  };
}

/** One connection through the proxy. */
export class Link {
  readonly #sockets: Record<Side, Socket>;
  /** By the side that receives. */
  readonly #pipes: Record<Side, Pipe>;

  constructor(client: Socket, server: Socket, bytesPerSecond: number | undefined, closed: () => void) {
    this.#sockets = { client, server };
    this.#pipes = { client: new Pipe(server, client, bytesPerSecond), server: new Pipe(client, server) };
    let open = 2;
    for (const [socket, peer] of [
      [client, server],
      [server, client],
    ] as const) {
      // A reset on one side is passed on to the other.
      socket.on("error", () => peer.resetAndDestroy());
      socket.on("close", () => {
        if (--open === 0) closed();
        peer.destroySoon();
      });
    }
  }

  /** Resets both sides. Bytes in transit are lost. */
  cut(): void {
    for (const socket of Object.values(this.#sockets)) socket.resetAndDestroy();
  }

  /** Resets both sides in the middle of the next bytes for this side, which is usually within a frame. */
  cutWithin(side: Side): void {
    this.#pipes[side].cutNext(() => this.cut());
  }

  /** Sends a FIN to this side, and still forwards what that side sends. */
  halfClose(side: Side): void {
    this.#sockets[side].end();
  }

  /** Sends a FIN to both sides. */
  end(): void {
    for (const socket of Object.values(this.#sockets)) socket.end();
  }

  /** Holds back what is sent to this side for this long. Nothing is lost. */
  stall(side: Side, milliseconds: number): void {
    this.#pipes[side].stall(milliseconds);
  }

  heal(): void {
    for (const pipe of Object.values(this.#pipes)) pipe.heal();
  }
}

type PauseReason = "full" | "stalled" | "slow";

/** One direction of a link. */
class Pipe {
  /** Why reading is paused; it resumes when no reason is left. */
  readonly #pauses = new Set<PauseReason>();
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  #cut: (() => void) | undefined;
  #bytesPerSecond: number | undefined;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    bytesPerSecond?: number,
  ) {
    this.#bytesPerSecond = bytesPerSecond;
    from.on("data", (chunk: Buffer) => this.#forward(chunk));
    from.on("end", () => to.end());
    to.on("drain", () => this.#resume("full"));
  }

  stall(milliseconds: number): void {
    clearTimeout(this.#stallTimer);
    this.#pause("stalled");
    this.#stallTimer = setTimeout(() => this.#resume("stalled"), milliseconds);
  }

  cutNext(cut: () => void): void {
    this.#cut = cut;
  }

  heal(): void {
    clearTimeout(this.#stallTimer);
    this.#bytesPerSecond = this.#cut = undefined;
    this.#resume("stalled");
  }

  #forward(chunk: Buffer): void {
    // A half-closed side receives nothing more.
    if (!this.to.writable) return;
    const cut = this.#cut;
    if (cut) {
      this.#cut = undefined;
      this.to.write(chunk.subarray(0, chunk.length >> 1), () => cut());
      return;
    }
    if (this.#bytesPerSecond === undefined) this.#write(chunk);
    else this.#writeSlowly(chunk, this.#bytesPerSecond);
  }

  #write(chunk: Buffer): void {
    if (!this.to.write(chunk)) this.#pause("full");
  }

  /** Writes a chunk in pieces. Reading is paused until it is all written. */
  #writeSlowly(chunk: Buffer, bytesPerSecond: number): void {
    const pieceLength = Math.ceil((bytesPerSecond * PIECE_INTERVAL_MS) / 1000);
    if (this.to.writable) this.#write(chunk.subarray(0, pieceLength));
    const rest = chunk.subarray(pieceLength);
    this.#pause("slow");
    setTimeout(() => {
      if (rest.length === 0) this.#resume("slow");
      else this.#writeSlowly(rest, this.#bytesPerSecond ?? Number.MAX_SAFE_INTEGER);
    }, PIECE_INTERVAL_MS);
  }

  #pause(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.from.pause();
  }

  #resume(reason: PauseReason): void {
    if (this.#pauses.delete(reason) && this.#pauses.size === 0) this.from.resume();
  }
}
