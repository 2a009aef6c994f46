import { roomNotFound } from "./errors.ts";
import type { Feed } from "./room-sync.ts";
import type { History } from "./history.ts";
import type { Actor, Membership, Room, RoomKey, UserKey } from "./model.ts";
import type { Presence } from "./presence.ts";
import type { Rooms } from "./rooms.ts";
import type { Page } from "./store.ts";

/** What a connection begins with. */
export interface Arrival extends Membership, Page {
  /** Its messages are what changed after the `since` that was asked for; otherwise they are the last ones. */
  resumed: boolean;
}

/** How a connection comes into a room. */
export interface Door {
  /** Where it wants to go on: the `rev` that it knows. */
  since?: number;
  /** Whether it comes in without a history when that can't be read. */
  blindly: boolean;
  /** Once it is known that the user may come in, and before any work is done for him; throws to refuse. */
  admit(): void;
  /** Must subscribe before it returns if `position` is the arrival's `rev`, or else go on with `missed`. False when it is gone. */
  arrive(arrival: Arrival): boolean;
}

/** Messages that are read for the first frame of a connection that goes on. */
const firstPage = 64;

/** How connections come into rooms, and go. Nothing falls between what they begin with and what they hear then. */
export class Entrance {
  /** Counts what was heard of memberships. */
  #rosterEpoch = 0;

  constructor(
    private readonly rooms: Pick<Rooms, "enter">,
    private readonly feed: Feed,
    private readonly history: History,
    private readonly presence: Presence,
    /** Hears why somebody was sent an empty history. */
    private readonly historyFailed: (error: unknown) => void,
  ) {}

  /** Who is in some room has changed, perhaps. */
  rosterChanged(): void {
    this.#rosterEpoch++;
  }

  /** Brings a connection into a room. Each arrival is followed by one `leave`. */
  async join(actor: Actor, roomId: string, door: Door): Promise<void> {
    let epoch = this.#rosterEpoch;
    let membership = await this.rooms.enter(actor, roomId);
    const { key } = membership.room;
    door.admit();
    for (;;) {
      const page = await this.#follow(membership.room, door);
      // No await from here to `arrive`, which subscribes: nothing can be published in between.
      const level =
        page.resumed || page.rev === undefined || page.rev === (this.feed.position(key)?.rev ?? 0);
      if (level && epoch === this.#rosterEpoch) {
        this.presence.enter(key, actor);
        let arrived = false;
        try {
          arrived = door.arrive({ ...membership, ...page, rev: page.rev ?? 0 });
        } finally {
          if (!arrived) this.leave(key, actor.key);
        }
        return;
      }
      // Meanwhile something was said, or somebody was removed or a room deleted: perhaps this one.
      this.feed.close(key);
      epoch = this.#rosterEpoch;
      membership = await this.rooms.enter(actor, roomId);
      if (membership.room.key !== key) throw roomNotFound();
    }
  }

  /** Follows the room, and reads what a newcomer is sent; `rev` is undefined when that can't be read. */
  async #follow(
    { key, rev }: Room,
    { since, blindly }: Door,
  ): Promise<Omit<Page, "rev"> & { rev: number | undefined; resumed: boolean }> {
    try {
      await this.feed.open(key);
      if (since !== undefined && since <= rev)
        return { ...(await this.history.after(key, since, firstPage)), resumed: true };
      return { ...(await this.history.last(key)), resumed: false };
    } catch (error) {
      if (!blindly) {
        this.feed.close(key);
        throw error;
      }
      this.historyFailed(error);
      return { messages: [], rev: undefined, resumed: false };
    }
  }

  /** A connection that had arrived is gone. */
  leave(room: RoomKey, user: UserKey): void {
    this.feed.close(room);
    this.presence.leave(room, user);
  }
}
