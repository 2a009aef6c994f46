import type { MessageBody, UserBody } from "../protocol/frames.ts";
import type { ParleyError } from "./error.ts";
import type { EventEmitter, PendingMessage } from "./events.ts";
import type { History } from "./history.ts";
import type { SendOptions } from "./options.ts";
import { type Ack, type AckedCommand, type CommandBody, Outbox, type OutboxOptions } from "./outbox.ts";

export interface SenderOptions extends Pick<OutboxOptions, "clock" | "random" | "connection"> {
  history: Pick<History, "cursor">;
  events: Pick<EventEmitter, "emit">;
}

const TYPING_INTERVAL_MS = 3_000;

/** Sends commands through an outbox, and keeps the list of pending messages. */
export class Sender {
  readonly outbox: Outbox;
  /** In the order in which they were sent. Replaced by a new array whenever something in it changes. */
  pending: readonly PendingMessage[] = [];
  /** The room's `rev` with each message that is stored. */
  readonly #storedRevs = new WeakMap<PendingMessage, number>();
  readonly #options: SenderOptions;
  #lastTypingAt = -Infinity;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.outbox = new Outbox({
      ...options,
      onStored: (command, ack) => this.#onStored(command, ack),
      onFailed: (command, error) => this.#onFailed(command, error),
    });
  }

  sendMessage(
    text: string,
    {
      replyTo,
      // Not `crypto.randomUUID`, which pages served over plain http do not have.
      clientId = crypto.getRandomValues(new Uint32Array(4)).join("-"),
    }: SendOptions,
  ): Promise<Ack> {
    const { clock, events } = this.#options;
    const message: PendingMessage = { clientId, text, sentAt: clock.now(), status: "waiting" };
    const command: CommandBody = { type: "send", text, client_id: clientId };
    if (replyTo !== undefined) message.replyTo = command.reply_to = replyTo;
    this.pending = [...this.pending, message];
    const ack = this.outbox.add(command);
    // A command that the outbox did not accept is not reported to `onFailed`.
    ack.catch(() => this.#keep((pending) => pending !== message));
    events.emit({ type: "pending" });
    return ack;
  }

  /** Sends `typing`, unless it was sent within `TYPING_INTERVAL_MS`. */
  sendTyping(): void {
    const { clock, connection } = this.#options;
    const now = clock.now();
    // The absolute difference, so that a clock that was set back does not suppress it.
    if (Math.abs(now - this.#lastTypingAt) < TYPING_INTERVAL_MS) return;
    this.#lastTypingAt = now;
    connection.send({ type: "typing" });
  }

  /** Removes messages from `pending` that have been received, or were stored at or before the cursor. */
  onReceived(
    me: UserBody | undefined,
    received: readonly MessageBody[],
    cursor = this.#options.history.cursor ?? 0,
  ): void {
    const ownIds = new Set(
      received.map(({ sender, client_id }) => (sender.id === me?.id ? client_id : undefined)),
    );
    // A comparison with NaN is false: a message that is not stored yet stays.
    this.#keep(
      (message) => !ownIds.has(message.clientId) && !((this.#storedRevs.get(message) ?? NaN) <= cursor),
    );
  }

  #onStored(command: AckedCommand, { rev }: Ack): void {
    const { history, events } = this.#options;
    const message = this.#waitingMessage(command);
    if (!message) return;
    // Stored at or before the cursor: its message has been received.
    if (rev <= (history.cursor ?? 0)) return this.#keep((pending) => pending !== message);
    const stored: PendingMessage = { ...message, status: "stored" };
    this.#storedRevs.set(stored, rev);
    this.pending = this.pending.map((pending) => (pending === message ? stored : pending));
    events.emit({ type: "pending" });
  }

  #onFailed(command: AckedCommand, error: ParleyError): void {
    const { events } = this.#options;
    const message = this.#waitingMessage(command);
    if (message) this.pending = this.pending.filter((pending) => pending !== message);
    events.emit({ type: "failed", command: command.type, error, ...(message && { message }) });
    if (message) events.emit({ type: "pending" });
  }

  /** The pending message that a command is to send. */
  #waitingMessage(command: AckedCommand): PendingMessage | undefined {
    if (command.type !== "send") return undefined;
    return this.pending.find(
      ({ clientId, status }) => clientId === command.client_id && status === "waiting",
    );
  }

  /** Removes the pending messages for which the predicate does not hold. */
  #keep(predicate: (message: PendingMessage) => boolean): void {
    const kept = this.pending.filter(predicate);
    if (kept.length === this.pending.length) return;
    this.pending = kept;
    this.#options.events.emit({ type: "pending" });
  }
}
