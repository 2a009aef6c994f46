import type { OpenedFrame } from "../protocol/frames.ts";
import { isRetryable, retryDelay } from "./command-queue.ts";
import type { Answer, Connection } from "./connection.ts";
import { ParleyError } from "./error.ts";
import type { Clock, Random } from "./options.ts";
import type { RoomReplica } from "./room-replica.ts";
import { Timer } from "./timer.ts";

export interface OpenerOptions {
  clock: Clock;
  random: Random;
  connection: Pick<Connection, "send" | "isOpen">;
  /** Called after each `opened`, even for a room that has been closed meanwhile. */
  onOpened: (frame: OpenedFrame) => void;
}

/** Few, since what exceeds the rate limit is refused, and the server closes a connection after many refusals. */
const MAX_IN_FLIGHT = 10;

/** Opens and closes rooms on the server, and repeats what was refused for the moment. */
export class Opener {
  readonly #options: OpenerOptions;
  /** What is to be done, by room: to open it for a replica, or to close it. */
  readonly #tasks = new Map<string, RoomReplica | undefined>();
  #inFlight = 0;
  #refusals = 0;
  /** Runs while the server wants no more. */
  readonly #timer: Timer;

  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock);
  }

  open(replica: RoomReplica): void {
    this.#add(replica.id, replica);
  }

  close(room: string): void {
    this.#add(room, undefined);
  }

  /** The connection has been lost, and with it the rooms that were open. */
  reset(): void {
    this.#tasks.clear();
    this.#inFlight = this.#refusals = 0;
    this.#timer.clear();
  }

  #add(room: string, replica: RoomReplica | undefined): void {
    if (!this.#options.connection.isOpen) return;
    // A later task of the same room takes the place of one that waits.
    this.#tasks.set(room, replica);
    this.#next();
  }

  #next(): void {
    for (const [room, replica] of this.#tasks) {
      if (this.#inFlight >= MAX_IN_FLIGHT || this.#timer.isSet) return;
      this.#tasks.delete(room);
      this.#inFlight++;
      const since = replica?.history.cursor;
      const body = { room, ...(since !== undefined && { since }) };
      const request = replica?.startOpening();
      this.#options.connection.send({ type: replica ? "open" : "close", ...body }, (answer) => {
        this.#inFlight--;
        this.#onAnswer(room, replica, answer, request);
        if (answer.type === "opened") this.#options.onOpened(answer);
        this.#next();
      });
    }
  }

  #onAnswer(
    room: string,
    replica: RoomReplica | undefined,
    answer: Answer,
    request: object | undefined,
  ): void {
    // The room has been closed or opened again meanwhile.
    if (replica && !replica.isOpening(request)) return;
    if (answer.type === "opened") {
      this.#refusals = 0;
      replica?.applyOpened(answer);
    } else if (answer.type === "error") {
      const error = new ParleyError(answer.code, answer.message, { retryAfterMs: answer.retry_after_ms });
      if (isRetryable(answer.code) || answer.code === "internal") {
        if (!this.#tasks.has(room)) this.#tasks.set(room, replica);
        this.#timer.set(retryDelay(answer, this.#refusals++, this.#options.random), () => this.#next());
        replica?.events.emit({ type: "error", error });
      } else {
        replica?.end(error);
      }
    }
  }
}
