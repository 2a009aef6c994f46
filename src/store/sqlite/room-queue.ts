import type { RoomKey } from "../../chat/model.ts";

interface Entry {
  room: RoomKey;
  at: number;
}

/** Rooms, each with a time. The one with the earliest time comes first: a binary heap. */
export class RoomQueue {
  readonly #heap: Entry[] = [];
  readonly #rooms = new Set<RoomKey>();

  get size(): number {
    return this.#heap.length;
  }

  has(room: RoomKey): boolean {
    return this.#rooms.has(room);
  }

  /** Adds a room that is not in the queue. */
  add(room: RoomKey, at: number): void {
    const entry = { room, at };
    this.#rooms.add(room);
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (!parent || parent.at <= at) break;
      this.#heap[index] = parent;
      index = above;
    }
    this.#heap[index] = entry;
  }

  /** Removes the room with the earliest time, and returns it. */
  take(): RoomKey | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (!first || !last) return undefined;
    this.#rooms.delete(first.room);
    if (this.#heap.length > 0) this.#sink(last);
    return first.room;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#rooms.clear();
  }

  /** Puts an entry in place of the first one. */
  #sink(entry: Entry): void {
    let index = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * index + 1], this.#heap[2 * index + 2]];
      const child = right && left && right.at < left.at ? right : left;
      if (!child || child.at >= entry.at) break;
      this.#heap[index] = child;
      index = 2 * index + (child === right ? 2 : 1);
    }
    this.#heap[index] = entry;
  }
}
