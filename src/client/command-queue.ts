import type { AckFrame, ErrorFrame } from "../protocol/frames.ts";
import type { Command } from "../protocol/schemas.ts";
import type { Answer, Connection } from "./connection.ts";
import type { Deferred } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { Clock, Random } from "./options.ts";
import { backoff, Timer } from "./timer.ts";

/** Where a command was stored: `seq` of the message and `rev` of the room. */
export type Ack = Required<Pick<AckFrame, "seq" | "rev">>;

/** The types of the commands of a room that the server acknowledges. */
export type CommandType = "send" | "edit" | "delete" | "react" | "read";

type InRoom<C> = C extends { type: CommandType } ? Omit<C, "id" | "room"> & { room: string } : never;
/** A command of a room, without its `id`. */
export type RoomCommand = InRoom<Command>;

/** A command that waits for an ack. */
export interface QueuedCommand extends Deferred<Ack> {
  readonly command: RoomCommand;
  /** When it was queued: RFC 3339, in UTC. */
  readonly at: string;
  /** `created_at` of the room for which it was meant, if it was known. */
  readonly room_created_at?: string | undefined;
}

export interface CommandQueueOptions {
  clock: Clock;
  random: Random;
  /** Sends the commands. It is probed when a command has had no answer for `ACK_TIMEOUT_MS`. */
  connection: Pick<Connection, "send" | "probe">;
  /** Called when a command was stored, or when it was refused or dropped. */
  onSettled: (entry: QueuedCommand, result: Ack | ParleyError) => void;
}

const ACK_TIMEOUT_MS = 15_000;
/** Number of failures that the jitter assumes when the server says how long to wait: up to 2 s of jitter. */
const RETRY_JITTER_FAILURES = 2;

/** Whether the same command may succeed after this refusal. */
export function isRetryable(code: ErrorFrame["code"]): boolean {
  return /^(rate_limited|too_many_connections|\w+_unavailable|restarting)$/.test(code);
}

/** Milliseconds to wait after a retryable refusal. The jitter spreads the retries of a user's rooms. */
export function retryDelay({ retry_after_ms }: ErrorFrame, refusals: number, random: Random): number {
  const failures = retry_after_ms === undefined ? refusals : RETRY_JITTER_FAILURES;
  return (retry_after_ms ?? 0) + backoff(failures, random);
}

/**
 * A queue of the commands of one room, sent in order. Only one is in flight at a time, so that none overtakes a command
 * that has to be repeated. A command without an answer when the connection ends is sent again on the next connection.
 */
export class CommandQueue {
  entries: readonly QueuedCommand[] = [];
  readonly #options: CommandQueueOptions;
  /** Retryable refusals of the first command. */
  #refusals = 0;
  #isOpen = false;
  #inFlight: QueuedCommand | undefined;
  /** Runs while the first command is in flight, or until it is sent again. */
  readonly #timer: Timer;

  constructor(options: CommandQueueOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock);
  }

  /** The command that was sent and not answered. */
  get inFlight(): QueuedCommand | undefined {
    return this.#inFlight;
  }

  add(entry: QueuedCommand): void {
    this.entries = [...this.entries, entry];
    this.#sendNext();
  }

  /** Puts commands before those that wait. */
  prepend(entries: readonly QueuedCommand[]): void {
    const sent = this.#inFlight ? 1 : 0;
    this.entries = [...this.entries.slice(0, sent), ...entries, ...this.entries.slice(sent)];
    this.#sendNext();
  }

  /** A connection has been established: starts sending. */
  open(): void {
    this.#isOpen = true;
    this.#sendNext();
  }

  /** The connection has been lost: stops sending until `open`. */
  pause(): void {
    // A delay that the server asked for still applies on the next connection.
    if (this.#inFlight) this.#timer.clear();
    this.#isOpen = false;
    this.#inFlight = undefined;
  }

  /** Fails the command in flight, if any. */
  fail(error: ParleyError): void {
    if (this.#inFlight) this.#settle(this.#inFlight, error);
  }

  /** Fails the commands for which `isDropped` returns true. */
  drop(error: ParleyError, isDropped: (command: RoomCommand) => boolean = () => true): void {
    const dropped = this.entries.filter(({ command }) => isDropped(command));
    // All at once, so that none of them is sent when another one fails.
    this.entries = this.entries.filter((entry) => !dropped.includes(entry));
    for (const entry of dropped) this.#settle(entry, error);
  }

  /** Fails all commands, and stops. */
  close(error: ParleyError): void {
    this.pause();
    this.#timer.clear();
    this.drop(error);
  }

  #onAnswer(entry: QueuedCommand, answer: Answer): void {
    // It may have been dropped.
    if (entry !== this.#inFlight || answer.type === "opened") return;
    if (answer.type === "ack") {
      this.#settle(entry, { seq: answer.seq ?? 0, rev: answer.rev ?? 0 });
    } else if (isRetryable(answer.code)) {
      this.#inFlight = undefined;
      const delay = retryDelay(answer, this.#refusals++, this.#options.random);
      this.#timer.set(delay, () => this.#sendNext());
    } else {
      this.#settle(entry, new ParleyError(answer.code, answer.message));
    }
  }

  #settle(entry: QueuedCommand, result: Ack | ParleyError): void {
    if (entry === this.#inFlight) {
      this.#inFlight = undefined;
      this.#refusals = 0;
      this.#timer.clear();
    }
    this.entries = this.entries.filter((each) => each !== entry);
    if (result instanceof ParleyError) entry.reject(result);
    else entry.resolve(result);
    this.#options.onSettled(entry, result);
    this.#sendNext();
  }

  #sendNext(): void {
    const [entry] = this.entries;
    if (!entry || !this.#isOpen || this.#inFlight || this.#timer.isSet) return;
    this.#inFlight = entry;
    this.#startAckTimer();
    this.#options.connection.send(entry.command, (answer) => this.#onAnswer(entry, answer));
  }

  #startAckTimer(): void {
    this.#timer.set(ACK_TIMEOUT_MS, () => {
      this.#startAckTimer();
      this.#options.connection.probe();
    });
  }
}
