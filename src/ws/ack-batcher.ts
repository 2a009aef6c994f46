import type { Connection } from "./connection.ts";

/**
 * Gathers the acks of one turn and sends those of each connection with one write. A batch acknowledges many commands at
 * once, and a write costs more than an ack.
 */
export class AckBatcher {
  #frames = new Map<Connection, string[]>();

  /** Sends nothing for a command that is not acknowledged. */
  send(connection: Connection, frame: string | undefined): void {
    if (frame === undefined) return;
    if (this.#frames.size === 0) queueMicrotask(() => this.#flush());
    const frames = this.#frames.get(connection);
    if (frames) frames.push(frame);
    else this.#frames.set(connection, [frame]);
  }

  #flush(): void {
    const gathered = this.#frames;
    this.#frames = new Map();
    for (const [connection, frames] of gathered) connection.sendAll(frames);
  }
}
