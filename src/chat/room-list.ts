import type { Message, RoomEntry, RoomKey, RoomSummary, UserKey } from "./model.ts";
import type { Store } from "./store.ts";

export interface RoomListOptions {
  store: Pick<Store, "roomsOf" | "roomOf" | "lastMessages">;
  /** Milliseconds. */
  now: () => number;
}

/** The rooms of users, with the last message of each. */
export class RoomList {
  constructor(private readonly options: RoomListOptions) {}

  /** A user's rooms, most recent activity first. */
  async of(user: UserKey): Promise<RoomSummary[]> {
    const summaries = await this.#withLastMessages(await this.options.store.roomsOf(user));
    return summaries.toSorted(byActivity);
  }

  /** One of a user's rooms. Undefined when they are not a member, or the room has been deleted. */
  async one(user: UserKey, room: RoomKey): Promise<RoomSummary | undefined> {
    const entry = await this.options.store.roomOf(user, room);
    return entry && (await this.#withLastMessages([entry]))[0];
  }

  /** Another process has written, or a user has another name: cached messages may be out of date. */
  invalidate(): void {}

  async #withLastMessages(entries: readonly RoomEntry[]): Promise<RoomSummary[]> {
    const found: Map<RoomKey, Message | null> = await this.options.store.lastMessages(
      entries.map(({ room }) => room.key),
    );
    return entries.map((entry) => ({ ...entry, lastMessage: found.get(entry.room.key) ?? null }));
  }
}

function byActivity(a: RoomSummary, b: RoomSummary): number {
  return activityAt(b) - activityAt(a) || (a.room.id < b.room.id ? -1 : 1);
}

function activityAt({ room, lastMessage }: RoomSummary): number {
  return lastMessage?.sentAt ?? room.createdAt;
}
