import type { Chat } from "../chat/chat.ts";
import { encodeChanges, encodeChunks } from "../protocol/v2.ts";
import type { OpenRoom } from "./connection.ts";

/** Bytes that may wait for a reader while there is more to send to it. */
const MAX_BUFFERED_BYTES = 262_144;
/** Messages per read. Fewer if texts are long, so that a page does not fill the memory. */
const MAX_PAGE_SIZE = 128;
const MIN_PAGE_SIZE = 8;

/** Sends connections what they missed: at each reader's pace, and one page per turn of the event loop in total. */
export class CatchUp {
  readonly #queue: { openRoom: OpenRoom; resolve: () => void }[] = [];

  constructor(private readonly chat: Pick<Chat, "position" | "changesSince">) {}

  /**
   * Sends `changes` frames of a room after `cursor`. Calls `onCaughtUp` in the turn in which the connection has everything
   * that was published. Resolves then, or when the room has been closed. Rejects when the store cannot be read.
   */
  async run(openRoom: OpenRoom, cursor: number, onCaughtUp: () => void): Promise<void> {
    const { connection, room } = openRoom;
    let pageSize = MAX_PAGE_SIZE;
    while (openRoom.isOpen) {
      if (cursor >= this.chat.position(room.key).rev) {
        onCaughtUp();
        return;
      }
      if (connection.bufferedBytes > MAX_BUFFERED_BYTES) {
        await connection.drained();
        continue;
      }
      await this.#ownTurn(openRoom);
      if (!openRoom.isOpen) return;
      const page = await this.chat.changesSince(room.key, cursor, pageSize);
      if (!openRoom.isOpen) return;
      const isLast = page.rev >= this.chat.position(room.key).rev;
      let sent = 0;
      let isFull = false;
      for (const chunk of encodeChunks(page)) {
        // The rest is read again once the buffer has drained, so slow readers hold no memory.
        isFull = connection.bufferedBytes > MAX_BUFFERED_BYTES;
        if (isFull) break;
        // A page is empty if all of its messages were changed later. Only the last one is worth a frame without messages.
        if (chunk.count > 0 || isLast) connection.send(encodeChanges(room.id, chunk));
        cursor = chunk.rev;
        sent += chunk.count;
      }
      pageSize = Math.min(MAX_PAGE_SIZE, isFull ? Math.max(MIN_PAGE_SIZE, 2 * sent) : 2 * pageSize);
    }
  }

  /** Resolves in a turn of the event loop in which no other room is caught up with, or when it has been closed. */
  #ownTurn(openRoom: OpenRoom): Promise<void> {
    return new Promise((resolve) => {
      this.#queue.push({ openRoom, resolve });
      if (this.#queue.length === 1) this.#schedule();
    });
  }

  #schedule(): void {
    setImmediate(() => {
      let next;
      do {
        next = this.#queue.shift();
        next?.resolve();
        // A room that has been closed takes no turn.
      } while (next && !next.openRoom.isOpen);
      if (this.#queue.length > 0) this.#schedule();
    });
  }
}
