import { haveSameSettings } from "./decide-rooms.ts";
import { cutLastMessage } from "./last-message.ts";
import type { Message, Room, RoomEntry, RoomKey, RoomSummary, UserKey } from "./model.ts";
import type { Store } from "./store.ts";

const MAX_CACHED_ROOMS = 4096;
/** UTF-16 units of users' ids. A message with more reactions than that is not cached. */
const MAX_CACHED_REACTIONS_LENGTH = 4096;
/** A sender's name may change, which is no change of the room. */
const LIFETIME_MS = 60_000;

export interface RoomListOptions {
  store: Pick<Store, "roomsOf" | "roomOf" | "lastMessages">;
  /** Milliseconds. */
  now: () => number;
}

interface CachedRoom {
  room: Room;
  lastMessage: Message | null;
  expiresAt: number;
}

/** A place in a user's list: a room, and its activity in milliseconds since the epoch. */
export interface RoomListCursor {
  at: number;
  id: string;
}

/**
 * The rooms of users, with the last message of each. Last messages are cached by room, because many users read the same ones
 * when they reconnect together. While nothing changes, `room` and `lastMessage` of a summary stay the same objects, so that
 * encodings can be cached by them. A long text is cut.
 */
export class RoomList {
  readonly #cache = new Map<RoomKey, CachedRoom>();

  constructor(private readonly options: RoomListOptions) {}

  /** A user's rooms, most recent activity first: that of the last message, or else of the room's creation. */
  async of(user: UserKey, after?: RoomListCursor): Promise<RoomSummary[]> {
    const summaries = (await this.#summarize(await this.options.store.roomsOf(user))).toSorted((a, b) =>
      compare(cursorOf(a), cursorOf(b)),
    );
    return after ? summaries.filter((each) => compare(cursorOf(each), after) > 0) : summaries;
  }

  /** One of a user's rooms. Undefined when they are not a member, or the room has been deleted. */
  async one(user: UserKey, room: RoomKey): Promise<RoomSummary | undefined> {
    const entry = await this.options.store.roomOf(user, room);
    return entry && (await this.#summarize([entry]))[0];
  }

  /** Another process has written: cached messages may be out of date. */
  invalidate(): void {
    this.#cache.clear();
  }

  async #summarize(entries: readonly RoomEntry[]): Promise<RoomSummary[]> {
    const now = this.options.now();
    const found = entries.map(({ room }) => this.#find(room, now));
    const missing = entries.filter((_, index) => !found[index]).map(({ room }) => room.key);
    const read = missing.length > 0 ? await this.options.store.lastMessages(missing) : undefined;
    return entries.map(({ room, ...entry }, index) => {
      const cached = found[index] ?? this.#add(room, read?.get(room.key) ?? null, now);
      return { ...entry, room: cached.room, lastMessage: cached.lastMessage };
    });
  }

  #find(room: Room, now: number): CachedRoom | undefined {
    const cached = this.#cache.get(room.key);
    if (!cached || cached.room.rev !== room.rev || cached.expiresAt <= now) return undefined;
    // New settings are no change of the room's `rev` either.
    if (!haveSameSettings(cached.room, room)) cached.room = room;
    return cached;
  }

  #add(room: Room, message: Message | null, now: number): CachedRoom {
    const lastMessage = message && cutLastMessage(message);
    const added = { room, lastMessage, expiresAt: now + LIFETIME_MS };
    this.#cache.delete(room.key);
    // A message that changed after the room was read is not the last one as of the room's `rev`.
    if (
      lastMessage &&
      (lastMessage.rev > room.rev || reactionsLength(lastMessage) > MAX_CACHED_REACTIONS_LENGTH)
    )
      return added;
    if (this.#cache.size >= MAX_CACHED_ROOMS) {
      const [oldest] = this.#cache.keys();
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(room.key, added);
    return added;
  }
}

function reactionsLength({ reactions }: Message): number {
  return reactions.reduce((sum, { by }) => by.reduce((length, id) => length + id.length, sum), 0);
}

/** Rooms of the same moment are in the order of their ids. */
function compare(a: RoomListCursor, b: RoomListCursor): number {
  if (a.at !== b.at) return b.at - a.at;
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
}

/** The place of a room in its user's list. */
export function cursorOf({ room, lastMessage }: RoomSummary): RoomListCursor {
  return { at: lastMessage ? lastMessage.sentAt : room.createdAt, id: room.id };
}
