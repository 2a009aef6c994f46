import type { Command, MessageBody, UserBody } from "../protocol/frames.ts";
import type { Clock, Random } from "./options.ts";
import type { ParleyError } from "./error.ts";
import type { RoomEvent } from "./events.ts";
import { type Ack, Outbox, type Stored, type Unnamed } from "./outbox.ts";
import { Pending, type PendingMessage } from "./pending.ts";

export interface SendOptions {
  /** The `seq` of the message it answers. */
  replyTo?: number | undefined;
  /** The sender's own name for it, unique for ever in the room: the same one is stored once. Drawn at random unless given. */
  clientId?: string | undefined;
}

export interface SendingOptions {
  clock: Clock;
  random: Random;
  send: (command: Command) => void;
  /** A command has had no answer for too long. */
  stuck: () => void;
  /** The `rev` up to which the room is known. */
  cursor: () => number;
  emit: (event: RoomEvent) => void;
}

/** Commands on their way, and what is shown of them meanwhile. */
export class Sending {
  readonly outbox: Outbox;
  readonly #pending = new Pending();
  readonly #options: SendingOptions;

  constructor(options: SendingOptions) {
    const { clock, random, send, stuck } = options;
    this.#options = options;
    this.outbox = new Outbox({
      clock,
      random,
      send,
      stuck,
      stored: (command, ack) => this.#stored(command, ack),
      failed: (command, error) => this.#failed(command, error),
    });
  }

  get pending(): readonly PendingMessage[] {
    return this.#pending.list;
  }

  message(
    text: string,
    {
      replyTo,
      // `crypto.randomUUID` is missing in pages that came over plain http.
      clientId = crypto.getRandomValues(new Uint32Array(4)).join("-"),
    }: SendOptions,
  ): Promise<Ack> {
    const { clock, emit } = this.#options;
    const message: PendingMessage = { clientId, text, sentAt: clock.now(), status: "waiting" };
    const command: Unnamed = { type: "send", text, client_id: clientId };
    if (replyTo !== undefined) message.replyTo = command.reply_to = replyTo;
    this.#pending.add(message);
    const sent = this.outbox.add(command);
    // What was not even taken.
    sent.catch(() => this.#tell(() => this.#pending.failed(clientId)));
    emit({ type: "pending" });
    return sent;
  }

  /** Messages came, or may have by now: they are pending no more. */
  arrived(me: UserBody | undefined, messages: readonly MessageBody[], cursor = this.#options.cursor()): void {
    this.#tell(() => this.#pending.arrived(me, messages, cursor));
  }

  #stored(command: Stored, { rev }: Ack): void {
    if (command.type !== "send" || command.client_id === undefined) return;
    const { client_id: clientId } = command;
    this.#tell(() => {
      this.#pending.stored(clientId, rev);
      this.#pending.arrived(undefined, [], this.#options.cursor());
    });
  }

  #failed(command: Stored, error: ParleyError): void {
    const { emit } = this.#options;
    const message = command.type === "send" ? this.#pending.failed(command.client_id ?? "") : undefined;
    emit({ type: "failed", command: command.type, error, ...(message && { message }) });
    if (message) emit({ type: "pending" });
  }

  #tell(work: () => void): void {
    const before = this.pending;
    work();
    if (this.pending !== before) this.#options.emit({ type: "pending" });
  }
}
