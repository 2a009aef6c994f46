import type { Activity, Change, MentionChange, Message, Position, RoomKey, RoomRef } from "./model.ts";
import type { Store } from "./store.ts";

/** Tells sessions about the activity of rooms that they do not follow. */
export interface ActivityBroadcaster {
  /** How many sessions there are to be told. */
  followers(room: RoomKey): number;
  publishActivity(room: RoomRef, activity: Activity): void;
}

export interface ActivityFeedOptions {
  store: Pick<Store, "head" | "lastMessages">;
  broadcaster: ActivityBroadcaster;
  /** The id of a room that has a member with a session; undefined for other rooms. */
  idOf: (room: RoomKey) => string | undefined;
  /** Called when a room's last message could not be read. The read is retried. */
  readFailed: (error: unknown) => void;
}

/** Least time between two publications for one room. What is due is published once in this time, for all rooms. */
const ACTIVITY_INTERVAL_MS = 250;
/** Deletions in one publication. Beyond that it does not wait for the interval. */
const MAX_DELETIONS = 1000;
/** Changes of mentions in one publication, and UTF-16 units of them. Beyond that it tells none. */
const MAX_MENTION_CHANGES = 100;
const MAX_MENTIONS_LENGTH = 16_384;
/** A room of more sessions waits an interval longer for each so many of them, so that its cost has a bound. */
const SESSIONS_PER_INTERVAL = 250;
const MAX_INTERVALS = 4;

/** What has changed in a room since its last publication. */
interface PendingActivity {
  rev: number;
  /** The room's newest message. Undefined while only older messages have changed. */
  seq: number | undefined;
  /** The newest message that is not deleted, if these changes tell which one it is. */
  last: Message | undefined;
  deleted: Position[];
  mentions: MentionChange[];
}

interface RoomActivity {
  id: string;
  pending: PendingActivity | undefined;
  /** Whether a publication waits for the store. The next one must not overtake it. */
  isPublishing: boolean;
  /** The tick from which on the room may be published again. */
  dueAt: number;
}

/**
 * Gathers the changes of each room and publishes the result: the first change at once, later ones together after an
 * interval. So a busy room costs its many readers a few frames per second. All rooms share one timer: what a reader gets in
 * one turn of the event loop is one write, from however many rooms. Rooms of many sessions are published less often.
 */
export class ActivityFeed {
  /** Rooms that were published within the last interval. */
  readonly #rooms = new Map<RoomKey, RoomActivity>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #ticks = 0;

  constructor(private readonly options: ActivityFeedOptions) {}

  /** Receives changes that are on disk, in order of `rev`. */
  receive(key: RoomKey, changes: readonly Change[]): void {
    const { idOf, broadcaster } = this.options;
    const room = this.#rooms.get(key);
    if (room) {
      room.pending = gather(room.pending, changes);
      if ((room.pending?.deleted.length ?? 0) >= MAX_DELETIONS) void this.#publish(key, room);
      return;
    }
    const id = idOf(key);
    if (id === undefined || broadcaster.followers(key) === 0) return;
    // If the timer runs already, its next tick may come before the interval has passed.
    const dueAt = this.#dueAfter(key, this.#ticks + (this.#timer ? 2 : 1));
    const added = { id, pending: gather(undefined, changes), isPublishing: false, dueAt };
    this.#rooms.set(key, added);
    void this.#publish(key, added);
    this.#timer ??= setInterval(() => this.#tick(), ACTIVITY_INTERVAL_MS).unref();
  }

  #tick(): void {
    this.#ticks++;
    for (const [key, room] of this.#rooms) {
      if (room.dueAt > this.#ticks) continue;
      if (room.pending || room.isPublishing) void this.#publish(key, room);
      else this.#rooms.delete(key);
      room.dueAt = this.#dueAfter(key, this.#ticks + 1);
    }
    if (this.#rooms.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The first tick, no earlier than this one, at which rooms with as many sessions are published. */
  #dueAfter(key: RoomKey, tick: number): number {
    const sessions = this.options.broadcaster.followers(key);
    const intervals = Math.min(Math.ceil(sessions / SESSIONS_PER_INTERVAL), MAX_INTERVALS) || 1;
    return Math.ceil(tick / intervals) * intervals;
  }

  async #publish(key: RoomKey, room: RoomActivity): Promise<void> {
    const { pending } = room;
    if (!pending || room.isPublishing) return;
    room.pending = undefined;
    room.isPublishing = true;
    try {
      this.options.broadcaster.publishActivity({ key, id: room.id }, await this.#complete(key, pending));
    } catch (error) {
      this.options.readFailed(error);
      room.pending = merge(pending, room.pending);
    } finally {
      room.isPublishing = false;
    }
  }

  /** Reads what the changes themselves do not tell. It may be newer than their `rev`, which does no harm. */
  async #complete(key: RoomKey, pending: PendingActivity): Promise<Activity> {
    const { rev, seq, last, deleted } = pending;
    const mentions = isTooLong(pending.mentions) ? undefined : pending.mentions;
    if (seq !== undefined && last) return { rev, seq, lastMessage: last, deleted, mentions };
    const { store } = this.options;
    const [head, messages] = await Promise.all([store.head(key), store.lastMessages([key])]);
    return { rev, seq: head?.seq ?? 0, lastMessage: messages.get(key) ?? null, deleted, mentions };
  }
}

function gather(
  earlier: PendingActivity | undefined,
  changes: readonly Change[],
): PendingActivity | undefined {
  let pending = earlier;
  for (const { kind, message, mentionsBefore } of changes) {
    pending ??= { rev: 0, seq: undefined, last: undefined, deleted: [], mentions: [] };
    pending.rev = message.rev;
    if (kind === "created") {
      pending.seq = message.seq;
      pending.last = message;
    } else if (kind === "deleted") {
      pending.deleted.push({ seq: message.seq, rev: message.rev });
      if (pending.last?.seq === message.seq) pending.last = undefined;
    } else if (pending.last?.seq === message.seq) {
      pending.last = message;
    }
    const before = mentionsBefore ?? null;
    const { seq, rev, mentions: now } = message;
    const isOther = kind === "created" ? now !== null : mentionsBefore !== undefined;
    // One more than can be told is enough to know that they are too many.
    if (isOther && pending.mentions.length <= MAX_MENTION_CHANGES)
      pending.mentions.push({ seq, rev, now, before });
  }
  return pending;
}

function isTooLong(mentions: readonly MentionChange[]): boolean {
  const length = mentions.reduce(
    (sum, { now, before }) => sum + (now?.length ?? 0) + (before?.length ?? 0),
    0,
  );
  return mentions.length > MAX_MENTION_CHANGES || length > MAX_MENTIONS_LENGTH;
}

function merge(earlier: PendingActivity, later: PendingActivity | undefined): PendingActivity {
  if (!later) return earlier;
  const { rev, seq = earlier.seq, last, deleted, mentions } = later;
  return {
    rev,
    seq,
    last,
    deleted: [...earlier.deleted, ...deleted],
    mentions: [...earlier.mentions, ...mentions],
  };
}
