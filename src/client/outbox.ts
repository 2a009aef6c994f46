import type { AckFrame, ErrorFrame } from "../protocol/frames.ts";
import type { Command } from "../protocol/schemas.ts";
import type { Connection } from "./connection.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { Clock, Random } from "./options.ts";
import { backoff, Timer } from "./timer.ts";

/** Where a command was stored: `seq` of the message and `rev` of the room. */
export type Ack = Pick<AckFrame, "seq" | "rev">;

/** The types of the commands that the server acknowledges and a room sends. */
export type CommandType = "send" | "edit" | "delete" | "react" | "read";

/** A command that waits for an ack. */
export type AckedCommand = Extract<Command, { type: CommandType }>;

/** A command without its `id`, which the outbox assigns. */
export type CommandBody = AckedCommand extends infer C
  ? C extends AckedCommand
    ? Omit<C, "id">
    : never
  : never;

interface Entry extends Deferred<Ack> {
  command: AckedCommand;
}

export interface OutboxOptions {
  clock: Clock;
  random: Random;
  /** Sends the commands. It is probed when a command has had no answer for `ACK_TIMEOUT_MS`. */
  connection: Pick<Connection, "send" | "probe">;
  onStored: (command: AckedCommand, ack: Ack) => void;
  /** Called when a command was refused or dropped. */
  onFailed: (command: AckedCommand, error: ParleyError) => void;
}

/** Maximum number of commands in the outbox, including the one in flight. */
const MAX_QUEUED_COMMANDS = 1_000;
const ACK_TIMEOUT_MS = 15_000;
/** Number of failures that the jitter assumes when the server says how long to wait: up to 2 s of jitter. */
const RETRY_JITTER_FAILURES = 2;
/** Refusals after which the same command may succeed. */
const RETRYABLE_CODES: ReadonlySet<string> = new Set<ErrorFrame["code"]>([
  "rate_limited",
  "too_many_connections",
  "storage_unavailable",
  "keys_unavailable",
  "restarting",
]);

/**
 * A queue of commands, sent in order. Only one is in flight at a time, so that none overtakes a command that has to be
 * repeated. A command without an answer when the connection ends is sent again on the next connection.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #queue: Entry[] = [];
  #lastId = 0;
  /** Retryable refusals of the first command. */
  #refusals = 0;
  #isOpen = false;
  /** Whether the first command has been sent and not answered. */
  #inFlight = false;
  /** Runs while the first command is in flight, or until it is sent again. */
  readonly #timer: Timer;
  #closedWith: ParleyError | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock);
  }

  /** Queues a command. Resolves when it is stored; rejects with a `ParleyError` when it is refused or dropped. */
  add(body: CommandBody): Promise<Ack> {
    const command = { id: String(++this.#lastId), ...body };
    if (command.type === "read") {
      // Only the furthest of the waiting read marks matters. The first entry may be in flight.
      for (const { command: waiting, promise } of this.#queue.slice(1)) {
        if (waiting.type !== "read") continue;
        waiting.seq = Math.max(waiting.seq, command.seq);
        return promise;
      }
    }
    const entry: Entry = { command, ...deferred<Ack>() };
    if (this.#closedWith || this.#queue.length >= MAX_QUEUED_COMMANDS) {
      // Without `onFailed`: a listener that sends again would do so without end.
      entry.reject(this.#closedWith ?? new ParleyError("too_many_pending", "Too many commands are pending."));
    } else {
      this.#queue.push(entry);
      this.#sendNext();
    }
    return entry.promise;
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
    this.#isOpen = this.#inFlight = false;
  }

  onAnswer(frame: AckFrame | ErrorFrame): void {
    const [entry] = this.#queue;
    if (!entry || !this.#inFlight || frame.id !== entry.command.id) return;
    const { random, onStored } = this.#options;
    if (frame.type === "ack") {
      this.#shift();
      const ack = { seq: frame.seq, rev: frame.rev };
      entry.resolve(ack);
      onStored(entry.command, ack);
      this.#sendNext();
    } else if (RETRYABLE_CODES.has(frame.code)) {
      this.#inFlight = false;
      // The jitter spreads the retries of a user's rooms, which may have been told the same time.
      const { retry_after_ms: retryAfterMs } = frame;
      const failures = retryAfterMs === undefined ? this.#refusals++ : RETRY_JITTER_FAILURES;
      this.#timer.set((retryAfterMs ?? 0) + backoff(failures, random), () => this.#sendNext());
    } else {
      this.fail(new ParleyError(frame.code, frame.message));
    }
  }

  /** Fails the command in flight, if any. */
  fail(error: ParleyError): void {
    if (!this.#inFlight) return;
    const entry = this.#shift();
    if (entry) this.#failEntry(entry, error);
    this.#sendNext();
  }

  /** Fails the queued commands, except those of one type. */
  drop(error: ParleyError, except?: CommandType): void {
    const dropped = this.#queue.filter(({ command }) => command.type !== except);
    this.#queue = this.#queue.filter(({ command }) => command.type === except);
    for (const entry of dropped) this.#failEntry(entry, error);
  }

  /** Fails all queued commands, and all that are added later. */
  close(error: ParleyError): void {
    this.#closedWith = error;
    this.pause();
    this.#timer.clear();
    this.drop(error);
  }

  #failEntry({ command, reject }: Entry, error: ParleyError): void {
    reject(error);
    this.#options.onFailed(command, error);
  }

  #shift(): Entry | undefined {
    this.#inFlight = false;
    this.#refusals = 0;
    this.#timer.clear();
    return this.#queue.shift();
  }

  #sendNext(): void {
    const [entry] = this.#queue;
    if (!entry || !this.#isOpen || this.#timer.isSet) return;
    this.#inFlight = true;
    this.#startAckTimer();
    this.#options.connection.send(entry.command);
  }

  #startAckTimer(): void {
    this.#timer.set(ACK_TIMEOUT_MS, () => {
      this.#startAckTimer();
      this.#options.connection.probe();
    });
  }
}
