import type { Chat } from "../chat/chat.ts";
import * as v2 from "../protocol/v2.ts";
import type { Socket } from "./connections.ts";

/** Bytes that may wait for a reader while there is more to send to it. */
const enough = 262_144;
/** Messages that are read at once: as many, or fewer where texts are so long that a page of them would fill the memory. */
const pageLength = { least: 8, most: 128 };

/** Sends what connections missed, each at its reader's pace, all together a page in a turn of the event loop. */
export class Resume {
  readonly #queue: (() => void)[] = [];

  constructor(private readonly chat: Chat) {}

  /** Sends what came after `cursor`. Calls `level`, in the turn in which nothing is missing. Rejects when it can't be read. */
  async run(socket: Socket, cursor: number, level: () => void): Promise<void> {
    const { room } = socket.data;
    let length = pageLength.most;
    while (socket.readyState === WebSocket.OPEN) {
      if (cursor >= this.chat.position(room).rev) {
        level();
        return;
      }
      if (socket.getBufferedAmount() > enough) {
        await drained(socket);
        continue;
      }
      await this.#turn();
      const page = await this.chat.missed(room, cursor, length);
      const last = page.rev >= this.chat.position(room).rev;
      let sent = 0;
      let full = false;
      for (const chunk of v2.chunks(page)) {
        // The rest is read again when there is room for it: a slow reader holds no memory.
        full = socket.getBufferedAmount() > enough;
        if (full) break;
        // Pages of what was all changed later have nothing to tell.
        if (chunk.count > 0 || last) socket.send(v2.changes(chunk));
        cursor = chunk.rev;
        sent += chunk.count;
      }
      length = full ? Math.max(pageLength.least, 2 * sent) : 2 * length;
      length = Math.min(pageLength.most, length);
    }
  }

  /** Resolves in a turn of the event loop that is nobody else's. */
  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#queue.push(resolve);
      if (this.#queue.length === 1) this.#schedule();
    });
  }

  #schedule(): void {
    setImmediate(() => {
      this.#queue.shift()?.();
      if (this.#queue.length > 0) this.#schedule();
    });
  }
}

/** Resolves when what waited for the reader is gone, or the socket is. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.data.drained = resolve));
}
