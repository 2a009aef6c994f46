import type { Answer, ChatContext } from "./chat-context.ts";
import { type Ack, isRetryable, type RoomCommand } from "./command.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { errorOf, ParleyError } from "./error.ts";
import type { RoomEvent } from "./events.ts";
import type { Message, PendingMessage } from "./messages.ts";
import { withCommand } from "./optimistic.ts";
import type { StoredCommand } from "./outbox-storage.ts";
import { Timer } from "./timer.ts";

/** A command that waits for an ack, or whose effect is not in the room's history yet. */
export interface Item extends Deferred<Ack>, Omit<StoredCommand, "user"> {
  isWaiting: boolean;
  /** What a `send` sends, until it is received. */
  message?: PendingMessage | undefined;
  /** The room's `rev` at which it was stored. */
  rev?: number;
}

/** Failed messages that are kept; the oldest are dropped first. */
const MAX_FAILED_MESSAGES = 100;

/**
 * What this user does in a room: commands, sent in order, and what they will have changed. Only one is in flight at a time,
 * so that none overtakes a command that has to be repeated. A command without an answer when the connection ends is sent
 * again on the next connection.
 */
export class RoomOutbox {
  /** Messages that are not among the room's messages, in the order in which they were sent. */
  pending: readonly PendingMessage[] = [];
  /** The command that was sent and not answered. */
  inFlight: Item | undefined;
  readonly #room: string;
  readonly #chat: ChatContext;
  #items: readonly Item[] = [];
  /** Those that change messages. */
  #changes: readonly Item[] = [];
  #view: readonly Message[] = [];
  /** The messages of which `#view` is, unless the changes are others now. */
  #viewOf: readonly Message[] | undefined;
  /** Runs until the first command is sent again. */
  readonly #timer: Timer;
  /** Runs until the first message is sent again that came too soon for the room's slow mode. The other commands do not wait. */
  readonly #slowTimer: Timer;

  constructor(room: string, chat: ChatContext) {
    this.#room = room;
    this.#chat = chat;
    this.#timer = new Timer(chat);
    this.#slowTimer = new Timer(chat);
  }

  /** The commands that were not answered. */
  get waiting(): Item[] {
    return this.#items.filter(({ isWaiting }) => isWaiting);
  }

  /** The room's messages as they will be when all commands are stored. The same array until something in it changes. */
  view(of: readonly Message[]): readonly Message[] {
    if (this.#changes.length === 0) return of;
    if (this.#viewOf !== of) {
      this.#viewOf = of;
      const me = this.#chat.me?.id ?? "";
      const withChange = (message: Message, { command, at, rev = Infinity }: Item) =>
        message.rev < rev ? withCommand(message, command, me, at) : message;
      this.#view = of.map((message) => this.#changes.reduce(withChange, message));
    }
    return this.#view;
  }

  /** Queues a command. */
  add(command: RoomCommand): Promise<Ack> {
    if (command.type === "read") {
      // Only the furthest of the waiting read marks matters.
      for (const { command: mark, promise } of this.waiting) {
        if (mark.type !== "read" || mark === this.inFlight?.command) continue;
        mark.seq = Math.max(mark.seq, command.seq);
        return promise;
      }
    }
    const at = new Date(this.#chat.clock.now()).toISOString();
    const item = this.#itemOf({ command, at, room_created_at: this.#createdAt });
    this.#update([...this.#items, item]);
    this.sendNext();
    return item.promise;
  }

  /** Queues commands of an earlier page before those that wait. */
  restore(stored: readonly StoredCommand[]): void {
    const created = this.#createdAt;
    this.#update([...stored.map((each) => this.#itemOf(each)), ...this.#items]);
    if (created !== undefined) this.dropNamed(({ room_created_at: at = created }) => at !== created);
    // A message may have been received, but not its ack.
    const history = this.#chat.replicas.get(this.#room)?.history;
    if (history) this.onReceived(history.messages, history.cursor ?? 0);
    this.sendNext();
  }

  /** Sends the first command that waits, if it may be sent now. */
  sendNext(): void {
    const item = this.waiting.find(({ command }) => command.type !== "send" || !this.#slowTimer.isSet);
    if (!item || this.inFlight || this.#timer.isSet || !this.#chat.outbox.isReady(this.#room)) return;
    this.inFlight = item;
    this.#chat.connection.send(item.command, (answer) => this.#onAnswer(item, answer));
  }

  /** The room's settings or the user's role have changed: slow mode may be over. */
  resume(): void {
    this.#slowTimer.clear();
    this.sendNext();
  }

  /**
   * The connection has been lost. A delay that the server asked for still applies on the next one, except for that of slow mode,
   * which may be over by then.
   */
  pause(): void {
    this.inFlight = undefined;
    this.#slowTimer.clear();
  }

  /** Fails the command in flight, if any. */
  fail(error: ParleyError): void {
    if (this.inFlight) this.#settle(this.inFlight, error);
  }

  /** Fails the commands for which `isDropped` returns true. */
  drop(error: ParleyError, isDropped: (item: Item) => boolean = () => true): void {
    const dropped = this.waiting.filter(isDropped);
    // All at once, so that none of them is sent when another one fails.
    for (const item of dropped) item.isWaiting = false;
    for (const item of dropped) this.#settle(item, error);
  }

  /**
   * The room is another one than before, or has lost changes: fails the commands that name a message, which would change a
   * different one.
   */
  dropNamed(isDropped: (item: Item) => boolean = () => true): void {
    this.drop(
      new ParleyError("conflict", "The room was recreated or restored."),
      (item) => item.command.type !== "send" && isDropped(item),
    );
  }

  /** Removes a failed message. Returns it, unless there is no such message. */
  discard({ client_id }: PendingMessage): PendingMessage | undefined {
    const item = this.#items.find(
      ({ message }) => message?.client_id === client_id && message.status === "failed",
    );
    this.#update(this.#items.filter((each) => each !== item));
    return item?.message;
  }

  /** Removes what is in the room's history now: messages that have been received, and what was stored up to `rev`. */
  onReceived(received: readonly Message[], rev: number): void {
    const own = received.filter(({ sender }) => sender.id === this.#chat.me?.id);
    const ids = new Set(own.map(({ client_id }) => client_id));
    for (const item of this.#items) if (ids.has(item.message?.client_id ?? "")) item.message = undefined;
    this.#update(
      // A comparison with NaN is false: what is not stored yet stays.
      this.#items.filter((item) => !((item.rev ?? NaN) <= rev)),
      false,
    );
  }

  /** This user is known now. */
  updateSender(): void {
    const { me: sender } = this.#chat;
    for (const item of this.#items)
      if (sender && item.message?.sender.id === "") item.message = { ...item.message, sender };
    this.#update(this.#items);
  }

  get #info() {
    const { replicas, list } = this.#chat;
    return replicas.get(this.#room)?.info ?? list.get(this.#room);
  }

  get #createdAt(): string | undefined {
    return this.#info?.created_at;
  }

  #itemOf(stored: StoredCommand): Item {
    const { command, at } = stored;
    const item: Item = { ...stored, ...deferred<Ack>(), isWaiting: true };
    if (command.type === "send") {
      const { text, client_id = "", reply_to, meta } = command;
      item.message = {
        seq: 0,
        rev: 0,
        sender: this.#chat.me ?? { id: "", email: null, name: null },
        text,
        sent_at: at,
        client_id,
        ...(reply_to !== undefined && { reply_to }),
        ...(meta && { meta }),
        reactions: [],
        status: "waiting",
      };
    }
    return item;
  }

  #onAnswer(item: Item, answer: Answer): void {
    // It may have been dropped.
    if (item !== this.inFlight || answer.type === "opened") return;
    if (answer.type === "ack") {
      this.#settle(item, { seq: answer.seq ?? 0, rev: answer.rev ?? 0 });
    } else if (isRetryable(answer.code)) {
      this.inFlight = undefined;
      this.#emit({ type: "error", error: errorOf(answer) });
      const isSlow = item.message && answer.code === "rate_limited" && this.#info?.slow_mode;
      (isSlow ? this.#slowTimer : this.#timer).retry(() => this.sendNext(), answer.retry_after_ms);
      this.sendNext();
    } else {
      this.#settle(item, errorOf(answer));
    }
  }

  #settle(item: Item, result: Ack | ParleyError): void {
    item.isWaiting = false;
    if (item === this.inFlight || this.waiting.length === 0) {
      this.inFlight = undefined;
      this.#timer.failures = 0;
      this.#timer.clear();
    }
    if (!this.waiting.some(({ message }) => message)) this.#slowTimer.clear();
    const { type } = item.command;
    const { message } = item;
    if (result instanceof ParleyError) {
      item.reject(result);
      if (message) item.message = { ...message, status: "failed", error: result };
      const event = { type: "failed", room: this.#room, command: type, error: result } as const;
      const failed = item.message ? { ...event, message: item.message } : event;
      this.#emit(failed);
      this.#chat.events.emit(failed);
    } else {
      item.resolve(result);
      item.rev = result.rev;
      if (message) item.message = { ...message, status: "stored" };
    }
    // What is stored at or before the cursor is in the history. If the room is not open, there is no history.
    const cursor = this.#chat.replicas.get(this.#room)?.history.cursor ?? Infinity;
    this.#update(
      this.#items.filter(
        (each) =>
          each !== item || (item.rev === undefined ? item.message : type !== "read" && item.rev > cursor),
      ),
    );
    this.sendNext();
  }

  #update(items: readonly Item[], emitsMessages = true): void {
    const failed = items.filter(({ message }) => message?.status === "failed");
    const excess = new Set(failed.slice(0, -MAX_FAILED_MESSAGES));
    this.#items = items.filter((item) => !excess.has(item));
    const pending = this.#items.flatMap(({ message }) => message ?? []);
    const changes = this.#items.filter(({ command: { type } }) => type !== "send" && type !== "read");
    if (!isSame(pending, this.pending)) {
      this.pending = pending;
      this.#emit({ type: "pending" });
    }
    if (!isSame(changes, this.#changes)) {
      this.#changes = changes;
      this.#viewOf = undefined;
      if (emitsMessages) this.#emit({ type: "messages" });
    }
    this.#chat.outbox.save();
  }

  #emit(event: RoomEvent): void {
    this.#chat.replicas.get(this.#room)?.events.emit(event);
  }
}

const isSame = (a: readonly unknown[], b: readonly unknown[]) =>
  a.length === b.length && a.every((each, index) => each === b[index]);
