import type { BusEvent } from "./bus.ts";
import { HeldNotifications } from "./held-notifications.ts";
import type { RoomKey, UserKey } from "./model.ts";
import type {
  Push,
  PushMessage,
  PushReader,
  PushRoom,
  PushStore,
  PushTarget,
  ReadersPage,
} from "./push-store.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { EVERYONE } from "./room-mentions.ts";

/** A user who reads a message or connects within this time is not notified. Messages of one room are gathered for as long. */
export const PUSH_DELAY_MS = 3000;
/** A page presents its subscription when it is loaded. One that has not been presented for this long is no longer used. */
const MAX_SUBSCRIPTION_AGE_MS = 30 * 24 * 3_600_000;
/** Rooms whose messages wait, and messages of each of them: the newest ones. */
const MAX_WAITING_ROOMS = 10_000;
const MAX_WAITING_MESSAGES = 500;
/** Rooms of which it is remembered whether they are direct conversations. */
const MAX_KNOWN_ROOMS = 100_000;
/** Members who are looked at in one turn, when everyone is mentioned. */
const PAGE_SIZE = 500;
/** Notifications that one user may get at once, and then per second. More would be of no use to them. */
const USER_BURST = 20;
const USER_RATE = 1 / 3;

export interface PushNotifierOptions {
  store: Pick<PushStore, "pushMessages" | "readers" | "readersAmong" | "targetOf">;
  /** Whether the user sees messages without a push. */
  isConnected: (user: UserKey) => boolean;
  send: (push: Push) => void;
  /** A notification was dropped: there were too many. */
  dropped: () => void;
  /** Some notifications were not sent, because the storage failed. */
  failed: (error: unknown) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
  /** Default: `PUSH_DELAY_MS`. */
  delayMs?: number | undefined;
}

/**
 * Decides who is notified of a message by a push: members whom it mentions, and the other member of a direct conversation,
 * unless they wrote it, are connected, or have read it. It looks some time after the message, and once for all messages
 * that a room had in this time, so each user gets one push at most: for the newest one. Messages that mention nobody cost
 * nothing but the first one of a room.
 */
export class PushNotifier {
  /** Messages to look at, by room. */
  readonly #waiting = new Map<RoomKey, number[]>();
  readonly #isDirect = new Map<RoomKey, boolean>();
  readonly #timers = new Map<object, () => void>();
  readonly #held: HeldNotifications;
  readonly #limiter: RateLimiter;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(private readonly options: PushNotifierOptions) {
    this.#held = new HeldNotifications(options.monotonic);
    this.#limiter = new RateLimiter(USER_RATE, USER_BURST, options.monotonic);
  }

  receive(event: BusEvent): void {
    if (event.kind !== "changes" || this.#isStopped) return;
    const { room, changes } = event;
    const isDirect = this.#isDirect.get(room);
    for (const { kind, message } of changes)
      if (kind === "created" && (message.mentions !== null || isDirect !== false))
        this.#wait(room, message.seq);
  }

  /** The user's last connection has ended. It may have been dead for some time without anybody noticing. */
  disconnected(user: UserKey): void {
    const held = this.#held.take(user);
    if (held.length === 0) return;
    this.#later(() => {
      for (const { room, seq } of held) this.#look(room, [seq], [user]);
    });
  }

  /** Where to send a push. Undefined when it is not wanted any more. Rejects with `StoreError`. */
  async targetOf(push: Push): Promise<PushTarget | undefined> {
    if (this.options.isConnected(push.user)) {
      this.#held.hold(push.user, push.room.key, push.message.seq);
      return undefined;
    }
    return this.options.store.targetOf(push);
  }

  /** Looks at everything that waits, without delay, and at nothing afterwards. Resolves when all pushes were passed on. */
  async stop(): Promise<void> {
    for (const run of Array.from(this.#timers.values())) run();
    this.#isStopped = true;
    await this.#looking;
  }

  #wait(room: RoomKey, seq: number): void {
    const seqs = this.#waiting.get(room);
    if (seqs) {
      seqs.push(seq);
      if (seqs.length > MAX_WAITING_MESSAGES) seqs.shift();
    } else if (this.#waiting.size < MAX_WAITING_ROOMS) {
      this.#waiting.set(room, [seq]);
      this.#later(() => {
        const waiting = this.#waiting.get(room) ?? [];
        this.#waiting.delete(room);
        this.#look(room, waiting);
      });
    } else {
      this.options.dropped();
    }
  }

  #later(work: () => void): void {
    if (this.#isStopped) return;
    const run = () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
      work();
    };
    const timer = setTimeout(run, this.options.delayMs ?? PUSH_DELAY_MS);
    timer.unref();
    this.#timers.set(timer, run);
  }

  /** Looks at messages of a room, for these users or for all members. One room at a time. */
  #look(room: RoomKey, seqs: readonly number[], users?: readonly UserKey[]): void {
    this.#looking = this.#looking.then(() => this.#notify(room, seqs, users)).catch(this.options.failed);
  }

  async #notify(key: RoomKey, seqs: readonly number[], users?: readonly UserKey[]): Promise<void> {
    const found = await this.options.store.pushMessages(key, seqs);
    if (!found) return;
    const { room, messages } = found;
    this.#remember(room);
    const mentioned = new Set(messages.flatMap((message) => [...message.mentioned]));
    for await (const readers of this.#readers(room, mentioned, users)) this.#send(room, messages, readers);
  }

  #remember({ key, isDirect }: PushRoom): void {
    const [oldest] = this.#isDirect.keys();
    if (oldest !== undefined && this.#isDirect.size >= MAX_KNOWN_ROOMS) this.#isDirect.delete(oldest);
    this.#isDirect.set(key, isDirect);
  }

  /** Members who may have to be notified, in pages: these users, or those who are mentioned. */
  async *#readers(
    { key, isDirect }: PushRoom,
    mentioned: ReadonlySet<UserKey>,
    users: readonly UserKey[] | undefined,
  ): AsyncIterable<readonly PushReader[]> {
    const { store, now } = this.options;
    const since = now() - MAX_SUBSCRIPTION_AGE_MS;
    if (users || !(isDirect || mentioned.has(EVERYONE))) {
      const among = users ?? [...mentioned];
      for (let index = 0; index < among.length; index += PAGE_SIZE) {
        yield await store.readersAmong(key, among.slice(index, index + PAGE_SIZE), since);
        await endOfTurn();
      }
      return;
    }
    let after: UserKey | undefined = 0;
    while (after !== undefined) {
      const { readers, next }: ReadersPage = await store.readers(key, { after, limit: PAGE_SIZE, since });
      yield readers;
      after = next;
      await endOfTurn();
    }
  }

  #send(room: PushRoom, messages: readonly PushMessage[], readers: readonly PushReader[]): void {
    const { isConnected, send, dropped } = this.options;
    const byUser = Map.groupBy(readers, ({ user }) => user);
    for (const [user, [first, ...others]] of byUser) {
      const message = first && newestFor(first, room, messages);
      if (!message) continue;
      if (isConnected(user)) this.#held.hold(user, room.key, message.seq);
      else if (this.#limiter.take(user) > 0) dropped();
      else
        for (const { subscription, endpoint } of [first, ...others])
          send({ room, message, user, subscription, endpoint });
    }
  }
}

/** Messages come first. */
const endOfTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** The newest message that a member is to be notified of. `messages` are in order of `seq`. */
function newestFor(
  { user, read }: PushReader,
  { isDirect }: PushRoom,
  messages: readonly PushMessage[],
): PushMessage | undefined {
  return messages.findLast(
    ({ seq, sender, mentioned }) =>
      seq > read && sender.key !== user && (isDirect || mentioned.has(EVERYONE) || mentioned.has(user)),
  );
}
