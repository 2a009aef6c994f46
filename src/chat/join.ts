import { refusalError, StoreError } from "./errors.ts";
import type { HistoryReader } from "./history.ts";
import {
  type Actor,
  HISTORY_LENGTH,
  type Membership,
  type Message,
  type Position,
  type Role,
  type RoomKey,
} from "./model.ts";
import type { Participant, Participants } from "./participants.ts";
import { can } from "./permissions.ts";
import type { RoomSync } from "./room-sync.ts";
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
  messages: readonly Message[];
  /** How far the connection knows the room after these messages. Undefined when the history could not be read. */
  position: Position | undefined;
  /** Whether `messages` is what changed after `since`, by `rev`; otherwise it is the last messages, by `seq`. */
  resumed: boolean;
}

/**
 * Joins participants to rooms. The participant is registered first, so that a removal finds it from then on, and the
 * membership is read again after that. The caller sends the result, then reads `changesSince` until the connection has
 * reached the room's position, and subscribes in that same turn of the event loop. So nothing is lost or repeated between
 * history and live changes.
 */
export class Joiner {
  constructor(
    private readonly store: Pick<Store, "head" | "role">,
    private readonly participants: Participants,
    private readonly sync: RoomSync,
    private readonly history: HistoryReader,
    /** Called when a participant gets an empty history. Their membership may not have been read again either. */
    private readonly historyFailed: (room: RoomKey, error: unknown) => void,
  ) {}

  /** Rejects with `removed` or `room_deleted`, and with `StoreError`; then the participant is not in the room. */
  async join(participant: Participant, membership: Membership, options: JoinOptions): Promise<JoinResult> {
    const { room } = membership;
    this.participants.add(room, participant);
    try {
      return await this.#read(participant, membership, options);
    } catch (error) {
      if (options.historyOptional && error instanceof StoreError) {
        this.historyFailed(room.key, error);
        return { ...membership, messages: [], position: undefined, resumed: false };
      }
      this.participants.remove(room.key, participant);
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
    await this.sync.ready(key);
    const membership = { ...entered, role: await this.#currentRole(user, key) };
    const published = this.sync.position(key) ?? { seq: room.seq, rev: room.rev };
    if (since !== undefined && since <= Math.max(room.rev, published.rev)) {
      const { messages, rev } = await this.history.changesSince(key, since, RESUME_PAGE_SIZE);
      return { ...membership, messages, position: { seq: published.seq, rev }, resumed: true };
    }
    const { messages, seq, rev } = await this.history.last(key, historyLength);
    return { ...membership, messages, position: { seq, rev }, resumed: false };
  }

  async #currentRole(user: Actor, room: RoomKey): Promise<Role | null> {
    const role = await this.store.role(room, user.key);
    if (role !== undefined) return role;
    if (!(await this.store.head(room))) throw refusalError({ refused: "room_deleted" });
    if (!can(user, role, "participate")) throw refusalError({ refused: "removed" });
    return null;
  }
}
