import type { ChatContext } from "./chat-context.ts";
import { isRetryable } from "./command.ts";
import { errorOf } from "./error.ts";
import { Timer } from "./timer.ts";

/** Few, since what exceeds the rate limit is refused, and the server closes a connection after many refusals. */
const MAX_IN_FLIGHT = 10;

/** Opens and closes rooms on the server, and repeats what was refused for the moment. */
export class Opener {
  readonly #chat: ChatContext;
  /** The rooms that are to be opened, or closed if they are not among the chat's. */
  readonly #rooms = new Set<string>();
  #inFlight = 0;
  /** Runs while the server wants no more. */
  readonly #timer: Timer;

  constructor(chat: ChatContext) {
    this.#chat = chat;
    this.#timer = new Timer(chat);
  }

  /** Opens a room on the server, again if need be, or closes it there if it is not among the chat's. */
  add(room: string): void {
    if (!this.#chat.connection.isOpen) return;
    this.#rooms.add(room);
    this.#next();
  }

  /** The connection has been lost, and with it the rooms that were open. */
  reset(): void {
    this.#rooms.clear();
    this.#inFlight = this.#timer.failures = 0;
    this.#timer.clear();
  }

  #next(): void {
    const { connection, list, replicas } = this.#chat;
    for (const room of this.#rooms) {
      if (this.#inFlight >= MAX_IN_FLIGHT || this.#timer.isSet) return;
      this.#rooms.delete(room);
      this.#inFlight++;
      const replica = replicas.get(room);
      connection.send(replica?.startOpening() ?? { type: "close", room }, (answer) => {
        this.#inFlight--;
        // Does nothing if the room has been closed meanwhile.
        if (answer.type === "opened") {
          this.#timer.failures = 0;
          replica?.applyOpened(answer);
          list.applyMessages(room, answer.messages, answer.rev);
        } else if (answer.type === "error") {
          const error = errorOf(answer);
          if (isRetryable(answer.code) || answer.code === "internal") {
            this.#rooms.add(room);
            this.#timer.retry(() => this.#next(), answer.retry_after_ms);
            replica?.events.emit({ type: "error", error });
          } else {
            replica?.end(error);
          }
        }
        this.#next();
      });
    }
  }
}
