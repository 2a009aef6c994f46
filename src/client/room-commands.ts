import type { Ack, RoomCommand } from "./command-queue.ts";
import { rejected } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { History } from "./history.ts";
import type { PendingMessage } from "./messages.ts";
import type { SendOptions } from "./options.ts";
import type { RoomContext } from "./room-context.ts";

export interface RoomCommandsOptions {
  /** Id of the room. */
  room: string;
  context: RoomContext;
  history: Pick<History, "last">;
  /** Returns why the room has ended, if it has. */
  error: () => ParleyError | undefined;
}

const TYPING_INTERVAL_MS = 3_000;

/** The methods of a room that send something. */
export class RoomCommands {
  readonly #options: RoomCommandsOptions;
  #lastTypingAt = -Infinity;

  constructor(options: RoomCommandsOptions) {
    this.#options = options;
  }

  send(
    text: string,
    {
      replyTo,
      // Not `crypto.randomUUID`, which pages served over plain http do not have.
      clientId = crypto.getRandomValues(new Uint32Array(4)).join("-"),
    }: SendOptions = {},
  ): Promise<Ack> {
    const reply = replyTo !== undefined && { reply_to: replyTo };
    return this.#add({ type: "send", room: this.#options.room, text, client_id: clientId, ...reply });
  }

  resend(message: PendingMessage): Promise<Ack> {
    const failed = this.discard(message);
    if (!failed) return rejected(new ParleyError("message_not_found", "This message has not failed."));
    return this.send(failed.text, { clientId: failed.client_id, replyTo: failed.reply_to });
  }

  discard(message: PendingMessage): PendingMessage | undefined {
    const { context, room } = this.#options;
    return context.outbox.of(room).discard(message);
  }

  edit(seq: number, text: string): Promise<Ack> {
    return this.#add({ type: "edit", room: this.#options.room, seq, text });
  }

  remove(seq: number): Promise<Ack> {
    return this.#add({ type: "delete", room: this.#options.room, seq });
  }

  react(seq: number, emoji: string, on = true): Promise<Ack> {
    return this.#add({ type: "react", room: this.#options.room, seq, emoji, on });
  }

  read(seq = this.#options.history.last): Promise<Ack> {
    return this.#add({ type: "read", room: this.#options.room, seq });
  }

  /** Sends `typing`, unless it was sent within `TYPING_INTERVAL_MS`. */
  typing(): void {
    const { context, room } = this.#options;
    const now = context.clock.now();
    // The absolute difference, so that a clock that was set back does not suppress it.
    if (Math.abs(now - this.#lastTypingAt) < TYPING_INTERVAL_MS) return;
    this.#lastTypingAt = now;
    context.connection.send({ type: "typing", room });
  }

  #add(command: RoomCommand): Promise<Ack> {
    const { context, error } = this.#options;
    const ended = error();
    return ended ? rejected(ended) : context.outbox.add(command);
  }
}
