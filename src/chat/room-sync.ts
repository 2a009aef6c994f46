import type { Change, Message, Page, Position, RoomKey, RoomRef } from "./model.ts";
import type { Store } from "./store.ts";

/** Sends a room's changes to its connections on this node. */
export interface Broadcaster {
  /** Changes as they happen: each advances the room's `rev` by one. */
  publish(room: RoomRef, changes: readonly Change[]): void;
  /** Changes that this node missed and read from the store. `created` are the messages that are new here. */
  publishMissed(room: RoomRef, page: Page, created: readonly Message[]): void;
}

interface RoomState {
  id: string;
  /** How far the room has been published here. Undefined while that is not known. */
  position: Position | undefined;
  /** The highest `rev` seen in an event or in the store. */
  knownRev: number;
  /** The read under way, if any. Meanwhile events only raise `knownRev`. */
  reading: Promise<void> | undefined;
  /** Whether a refresh was requested during a read, whose result may be older than the request. */
  refreshAfterRead: boolean;
  /** Messages up to the position's `seq` that come with a later page, because they were changed later. */
  deferredSeqs: Set<number>;
}

/** Delay before a failed read is retried. */
const RETRY_MS = 1000;
/** Changes per read while the room is brought up to date. */
const PAGE_SIZE = 500;

/**
 * Knows how far each room has been published on this node and keeps it in order. Only occupied rooms are followed. For each of
 * them:
 * - A change that carries the next `rev` is published at once.
 * - A change with a later `rev` means that some were missed. They are read from the store and published as a page.
 * - A change with an earlier `rev` was published before and is dropped.
 *
 * One read is under way at a time. Whatever arrives during it is only noted in `knownRev`, and read afterwards.
 */
export class RoomSync {
  readonly #rooms = new Map<RoomKey, RoomState>();

  constructor(
    private readonly store: Pick<Store, "head" | "changes">,
    private readonly broadcaster: Broadcaster,
    /** Called when a room could not be read. The read is retried. */
    private readonly readFailed: (error: unknown) => void,
  ) {}

  follow({ key, id }: RoomRef): void {
    this.#rooms.set(key, {
      id,
      position: undefined,
      knownRev: 0,
      reading: undefined,
      refreshAfterRead: false,
      deferredSeqs: new Set(),
    });
  }

  unfollow(room: RoomKey): void {
    this.#rooms.delete(room);
  }

  /** Resolves when the position of a followed room is known. Rejects when it cannot be read; the room stays followed. */
  async ready(room: RoomKey): Promise<void> {
    const state = this.#rooms.get(room);
    if (!state) return;
    if (state.reading) await state.reading;
    else if (!state.position) await this.#read(room, state, this.#load(room, state));
  }

  /** How far the room has been published here. Undefined when it is not followed, or its position is not known. */
  position(room: RoomKey): Position | undefined {
    return this.#rooms.get(room)?.position;
  }

  /** Resolves when the room has been published up to `rev`, which must be on disk. Rejects when it cannot be read. */
  async catchUpTo(room: RoomKey, rev: number): Promise<void> {
    const state = this.#rooms.get(room);
    if (!state || (state.position && rev <= state.position.rev)) return;
    state.knownRev = Math.max(state.knownRev, rev);
    while (state.reading) await state.reading;
    if (isBehind(state)) await this.#read(room, state, this.#catchUp(room, state));
  }

  /** Receives changes that are on disk, in order of `rev`. */
  receive(room: RoomKey, changes: readonly Change[]): void {
    const state = this.#rooms.get(room);
    const [first, last] = [changes[0], changes.at(-1)];
    if (!state || !first || !last) return;
    state.knownRev = Math.max(state.knownRev, last.message.rev);
    if (state.reading) return;
    if (!state.position) {
      this.#startFrom(room, state, changes);
    } else if (last.message.rev > state.position.rev) {
      const isNext = first.message.rev === state.position.rev + 1 && state.deferredSeqs.size === 0;
      if (isNext) this.#publish(room, state, changes, state.position);
      else this.#catchUpInBackground(room, state);
    }
  }

  /** Reads the newest position of every followed room: something may have been written without an event. */
  async refreshAll(): Promise<void> {
    for (const [room, state] of Array.from(this.#rooms)) {
      // A room that was emptied and occupied again in the meantime has been read again anyway.
      if (this.#rooms.get(room) !== state) continue;
      if (state.reading) state.refreshAfterRead = true;
      else await this.#refresh(room, state);
    }
  }

  async #refresh(room: RoomKey, state: RoomState): Promise<void> {
    try {
      await this.#read(room, state, this.#load(room, state));
    } catch (error) {
      state.refreshAfterRead = true;
      this.readFailed(error);
    }
  }

  /** The position could not be read so far. The first new message reveals it. */
  #startFrom(room: RoomKey, state: RoomState, changes: readonly Change[]): void {
    const start = changes.findIndex(({ kind }) => kind === "created");
    const created = changes[start]?.message;
    if (!created) return;
    const before = { seq: created.seq - 1, rev: created.rev - 1 };
    this.#publish(room, state, changes.slice(start), before);
  }

  #publish(room: RoomKey, state: RoomState, changes: readonly Change[], after: Position): void {
    state.position = changes.reduce((position, { message }) => advance(position, message), after);
    this.broadcaster.publish({ key: room, id: state.id }, changes);
  }

  async #load(room: RoomKey, state: RoomState): Promise<void> {
    const head = await this.store.head(room);
    if (!head || this.#rooms.get(room) !== state) return;
    state.position ??= head;
    state.knownRev = Math.max(state.knownRev, head.rev);
    await this.#catchUp(room, state);
  }

  #catchUpInBackground(room: RoomKey, state: RoomState): void {
    this.#read(room, state, this.#catchUp(room, state)).catch(this.readFailed);
  }

  async #catchUp(room: RoomKey, state: RoomState): Promise<void> {
    for (;;) {
      const from = state.position;
      if (!from || !isBehind(state)) return;
      const page = await this.store.changes(room, from.rev, PAGE_SIZE);
      if (this.#rooms.get(room) !== state) return;
      if (page.rev === from.rev) {
        // The store has nothing more: the room was deleted, or a backup was restored.
        state.knownRev = from.rev;
        state.deferredSeqs.clear();
        return;
      }
      this.#publishMissed(room, state, from, page);
    }
  }

  #publishMissed(room: RoomKey, state: RoomState, from: Position, page: Page): void {
    const { deferredSeqs } = state;
    const { seq } = page.messages.reduce(advance, from);
    const created = page.messages.filter((each) => each.seq > from.seq || deferredSeqs.delete(each.seq));
    const present = new Set(created.map((each) => each.seq));
    for (let each = from.seq + 1; each < seq; each++) if (!present.has(each)) deferredSeqs.add(each);
    state.position = { seq, rev: page.rev };
    this.broadcaster.publishMissed({ key: room, id: state.id }, page, created);
  }

  async #read(room: RoomKey, state: RoomState, work: Promise<void>): Promise<void> {
    state.reading = work.finally(() => {
      state.reading = undefined;
    });
    try {
      await state.reading;
    } catch (error) {
      // The next event may be a long way off.
      setTimeout(() => this.#continue(room, state), RETRY_MS).unref();
      throw error;
    }
    this.#continue(room, state);
  }

  /** Reads what was requested, or became known, during the last read. */
  #continue(room: RoomKey, state: RoomState): void {
    if (state.reading !== undefined || this.#rooms.get(room) !== state) return;
    if (state.refreshAfterRead) {
      state.refreshAfterRead = false;
      void this.#refresh(room, state);
    } else if (isBehind(state)) {
      this.#catchUpInBackground(room, state);
    }
  }
}

/** Whether the store has more than was published here. */
function isBehind({ position, knownRev, deferredSeqs }: RoomState): boolean {
  return position !== undefined && (knownRev > position.rev || deferredSeqs.size > 0);
}

function advance({ seq, rev }: Position, message: Message): Position {
  return { seq: Math.max(seq, message.seq), rev: Math.max(rev, message.rev) };
}
