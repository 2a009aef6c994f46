import { type Mute, muteOf } from "./decide-posting.ts";
import { StoreError } from "./errors.ts";
import type { HistoryReader } from "./history.ts";
import { HISTORY_LENGTH, type Membership, type Message, type Position, type RoomKey } from "./model.ts";
import type { Participant, Participants } from "./participants.ts";
import type { RoomSync } from "./room-sync.ts";
import { readStanding } from "./standing.ts";
import type { Store } from "./store.ts";

/** Messages read for the first frame of a connection that resumes. */
const RESUME_PAGE_SIZE = 128;

export interface JoinOptions {
  /** The `rev` from which to resume. Without it, or beyond the room's end, the last messages are read. */
  since?: number | undefined;
  /** Join with an empty history when it cannot be read, instead of failing. */
  historyOptional: boolean;
  /** Messages to read, where it does not resume. Default: `HISTORY_LENGTH`. */
  historyLength?: number | undefined;
}

/** What a connection starts with. */
export interface JoinResult extends Membership {
  /** The user's mute, if they are muted. */
  mute: Mute | undefined;
  messages: readonly Message[];
  /** How far the connection knows the room after these messages. Undefined when the history could not be read. */
  position: Position | undefined;
  /** Whether `messages` is what changed after `since`, by `rev`; otherwise it is the last messages, by `seq`. */
  resumed: boolean;
}

export interface JoinerOptions {
  store: Pick<Store, "standing">;
  participants: Participants;
  sync: RoomSync;
  history: HistoryReader;
  /** Called when a participant gets an empty history. Their membership may not have been read again either. */
  historyFailed: (room: RoomKey, error: unknown) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/**
 * Joins participants to rooms. The participant is registered first, so that a removal finds it from then on, and the
 * membership is read again after that. The caller sends the result, then reads `changesSince` until the connection has
 * reached the room's position, and subscribes in that same turn of the event loop. So nothing is lost or repeated between
 * history and live changes.
 */
export class Joiner {
  constructor(private readonly options: JoinerOptions) {}

  /** Rejects with `removed` or `room_deleted`, and with `StoreError`; then the participant is not in the room. */
  async join(participant: Participant, membership: Membership, options: JoinOptions): Promise<JoinResult> {
    const { room } = membership;
    const { participants, historyFailed } = this.options;
    participants.add(room, participant);
    try {
      return await this.#read(participant, membership, options);
    } catch (error) {
      if (options.historyOptional && error instanceof StoreError) {
        historyFailed(room.key, error);
        return { ...membership, mute: undefined, messages: [], position: undefined, resumed: false };
      }
      participants.remove(room.key, participant);
      throw error;
    }
  }

  async #read(
    { user }: Participant,
    entered: Membership,
    { since, historyLength = HISTORY_LENGTH }: JoinOptions,
  ): Promise<JoinResult> {
    const { room } = entered;
    const { key } = room;
    const { store, sync, history, now } = this.options;
    await sync.ready(key);
    const standing = await readStanding(store, user, key);
    const membership = { ...entered, role: standing.role ?? null, mute: muteOf(user, standing, now()) };
    const published = sync.position(key) ?? { seq: room.seq, rev: room.rev };
    if (since !== undefined && since <= Math.max(room.rev, published.rev)) {
      const { messages, rev } = await history.changesSince(key, since, RESUME_PAGE_SIZE);
      return { ...membership, messages, position: { seq: published.seq, rev }, resumed: true };
    }
    const { messages, seq, rev } = await history.last(key, historyLength);
    return { ...membership, messages, position: { seq, rev }, resumed: false };
  }
}
