import type { RoomBody } from "../protocol/frames.ts";
import type { History, SavedRoom } from "./history.ts";

const MAX_ROOMS = 20;
const MAX_MESSAGES = 50;

/** What is known of the rooms that were open last. */
export class SavedRooms {
  /** The room that was saved last is the last one. */
  readonly #rooms = new Map<string, SavedRoom>();
  readonly #minMessages: number;

  /** `keep` is the maximum number of messages that a later `open` shows, as far as it is known. */
  constructor(keep: number, rooms: readonly SavedRoom[] = []) {
    this.#minMessages = Math.min(keep, MAX_MESSAGES);
    for (const room of rooms) this.add(room);
  }

  /**
   * Keeps what a later `open` of a room can start from. Does nothing if it is not known, a message is missing, or there are
   * fewer messages than that `open` would load.
   */
  save({ info: room, history }: { info: RoomBody | undefined; history: History }): void {
    const { position, messages, isLevel, isComplete } = history;
    if (room && position && isLevel && (isComplete || messages.length >= this.#minMessages))
      this.add({ room, position, messages });
  }

  add({ room, position, messages }: SavedRoom): void {
    this.#rooms.delete(room.id);
    this.#rooms.set(room.id, { room, position, messages: messages.slice(-MAX_MESSAGES) });
    for (const id of this.#rooms.keys()) if (this.#rooms.size > MAX_ROOMS) this.#rooms.delete(id);
  }

  get(id: string): SavedRoom | undefined {
    return this.#rooms.get(id);
  }

  delete(id: string): void {
    this.#rooms.delete(id);
  }

  get all(): SavedRoom[] {
    return [...this.#rooms.values()];
  }
}
