import {
  type Ack,
  CommandQueue,
  type CommandQueueOptions,
  type QueuedCommand,
  type RoomCommand,
} from "./command-queue.ts";
import { deferred } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { FailedEvent } from "./events.ts";
import type { Message, PendingMessage, Sender } from "./messages.ts";
import { withCommand } from "./optimistic.ts";

export interface RoomOutboxOptions extends Omit<CommandQueueOptions, "onSettled"> {
  /** Id of the room. */
  room: string;
  me: () => Sender | undefined;
  /** The `rev` up to which the room is known, if it is open. */
  cursor: () => number | undefined;
  /** `created_at` of the room, if it is known. */
  createdAt: () => string | undefined;
  emit: (event: FailedEvent | { type: "pending" | "messages" }) => void;
  /** The commands that wait have changed. */
  onChange: () => void;
}

/** A command whose effect is not in the room's history yet. */
interface Item {
  entry: QueuedCommand;
  /** What a `send` sends. */
  message?: PendingMessage;
  /** The room's `rev` at which it was stored. */
  rev?: number;
}

/** Failed messages that are kept; the oldest are dropped first. */
const MAX_FAILED_MESSAGES = 100;

/** What this user does in a room: a queue of commands, and what they will have changed. */
export class RoomOutbox {
  readonly queue: CommandQueue;
  readonly #options: RoomOutboxOptions;
  #items: readonly Item[] = [];
  #pending: readonly PendingMessage[] = [];
  /** Those that change messages. */
  #changes: readonly Item[] = [];
  #lastView: { messages: readonly Message[]; changes: readonly Item[]; view: readonly Message[] } | undefined;

  constructor(options: RoomOutboxOptions) {
    this.#options = options;
    this.queue = new CommandQueue({
      ...options,
      onSettled: (entry, result) => this.#onSettled(entry, result),
    });
  }

  /** Messages that are not among the room's messages, in the order in which they were sent. */
  get pending(): readonly PendingMessage[] {
    return this.#pending;
  }

  /** The room's messages as they will be when all commands are stored. The same array until something in it changes. */
  view(messages: readonly Message[]): readonly Message[] {
    const changes = this.#changes;
    if (changes.length === 0) return messages;
    if (this.#lastView?.messages !== messages || this.#lastView.changes !== changes) {
      const me = this.#options.me()?.id ?? "";
      const withChange = (message: Message, { entry, rev = Infinity }: Item) =>
        message.rev < rev ? withCommand(message, entry.command, me, entry.at) : message;
      const view = messages.map((message) => changes.reduce(withChange, message));
      this.#lastView = { messages, changes, view };
    }
    return this.#lastView.view;
  }

  /** Queues a command. */
  add(command: RoomCommand): Promise<Ack> {
    if (command.type === "read") {
      // Only the furthest of the waiting read marks matters.
      const { entries, inFlight } = this.queue;
      const waiting = entries.find((entry) => entry !== inFlight && entry.command.type === "read");
      if (waiting?.command.type === "read") {
        waiting.command.seq = Math.max(waiting.command.seq, command.seq);
        return waiting.promise;
      }
    }
    const at = new Date(this.#options.clock.now()).toISOString();
    const entry = { command, at, room_created_at: this.#options.createdAt(), ...deferred<Ack>() };
    if (command.type !== "read") this.#setItems([...this.#items, this.#itemOf(entry)]);
    this.queue.add(entry);
    this.#options.onChange();
    return entry.promise;
  }

  /** Queues commands of an earlier page before those that wait. */
  restore(entries: readonly QueuedCommand[]): void {
    const created = this.#options.createdAt();
    const isValid = ({ command, room_created_at: at = created }: QueuedCommand) =>
      command.type === "send" || created === undefined || at === created;
    this.#setItems([...entries.map((entry) => this.#itemOf(entry)), ...this.#items]);
    this.queue.prepend(entries.filter(isValid));
    const dropped = entries.filter((entry) => !isValid(entry));
    for (const entry of dropped) this.#onSettled(entry, conflict());
  }

  /** The room is another one than before, or has lost changes. Commands that name a message would change a different one. */
  dropNamed(): void {
    this.queue.drop(conflict(), ({ type }) => type !== "send");
  }

  /** Removes a failed message. Returns it, unless there is no such message. */
  discard({ client_id }: PendingMessage): PendingMessage | undefined {
    const item = this.#items.find(
      ({ message }) => message?.client_id === client_id && message.status === "failed",
    );
    this.#setItems(this.#items.filter((each) => each !== item));
    return item?.message;
  }

  /** Removes what is in the room's history now: messages that have been received, and what was stored up to `rev`. */
  onReceived(received: readonly Message[], rev: number): void {
    const me = this.#options.me()?.id;
    const ownIds = new Set(
      received.filter(({ sender }) => sender.id === me).map(({ client_id }) => client_id),
    );
    this.#setItems(
      this.#items.filter(
        // A comparison with NaN is false: what is not stored yet stays.
        (item) => !ownIds.has(item.message?.client_id ?? "") && !((item.rev ?? NaN) <= rev),
      ),
      false,
    );
  }

  /** This user is known now. */
  updateSender(): void {
    const sender = this.#options.me();
    if (!sender) return;
    this.#setItems(
      this.#items.map((item) =>
        item.message && item.message.sender.id !== sender.id
          ? { ...item, message: { ...item.message, sender } }
          : item,
      ),
    );
  }

  #itemOf(entry: QueuedCommand): Item {
    const { command, at } = entry;
    if (command.type !== "send") return { entry };
    const { text, client_id = "", reply_to } = command;
    const message: PendingMessage = {
      seq: 0,
      rev: 0,
      sender: this.#options.me() ?? { id: "", email: null, name: null },
      text,
      sent_at: at,
      client_id,
      ...(reply_to !== undefined && { reply_to }),
      reactions: [],
      status: "waiting",
    };
    return { entry, message };
  }

  #onSettled(entry: QueuedCommand, result: Ack | ParleyError): void {
    const { room, emit, onChange, cursor } = this.#options;
    const item = this.#items.find((each) => each.entry === entry);
    const others = this.#items.filter((each) => each !== item);
    const replace = (by: Item) => this.#items.map((each) => (each === item ? by : each));
    if (result instanceof ParleyError) {
      const message = item?.message && ({ ...item.message, status: "failed", error: result } as const);
      emit({ type: "failed", room, command: entry.command.type, error: result, ...(message && { message }) });
      // A listener may have closed the chat.
      this.#setItems(item && message ? withoutOldest(replace({ entry, message })) : others);
    } else if (item) {
      const { rev } = result;
      // Stored at or before the cursor: it is in the history. If the room is not open, there is no history.
      if (rev <= (cursor() ?? Infinity)) this.#setItems(others);
      else if (item.message)
        this.#setItems(replace({ ...item, rev, message: { ...item.message, status: "stored" } }));
      else this.#setItems(replace({ ...item, rev }), false);
    }
    onChange();
  }

  #setItems(items: readonly Item[], emitsMessages = true): void {
    this.#items = items;
    const pending = items.flatMap(({ message }) => message ?? []);
    const changes = items.filter(({ message }) => !message);
    if (!isSame(pending, this.#pending)) {
      this.#pending = pending;
      this.#options.emit({ type: "pending" });
    }
    if (!isSame(changes, this.#changes)) {
      this.#changes = changes;
      if (emitsMessages) this.#options.emit({ type: "messages" });
    }
  }
}

const isSame = (a: readonly unknown[], b: readonly unknown[]) =>
  a.length === b.length && a.every((each, index) => each === b[index]);

const conflict = () => new ParleyError("conflict", "The room was recreated or restored.");

function withoutOldest(items: readonly Item[]): readonly Item[] {
  const failed = items.filter(({ message }) => message?.status === "failed");
  const excess = new Set(failed.slice(0, Math.max(0, failed.length - MAX_FAILED_MESSAGES)));
  return items.filter((item) => !excess.has(item));
}
