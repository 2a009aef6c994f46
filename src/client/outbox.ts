import type { AckFrame, Command, ErrorFrame } from "../protocol/frames.ts";
import { backoff, type Clock, type Random, Timer } from "./options.ts";
import { ParleyError } from "./error.ts";

/** Where a command was stored: the message's number, and the room's `rev` with it. */
export type Ack = Pick<AckFrame, "seq" | "rev">;

/** A command that waits for an ack. `typing` and `auth` do not go this way. */
export type Stored = Exclude<Command, { type: "typing" | "auth" }>;

/** A command without its `id`, which the outbox gives. */
export type Unnamed = Stored extends infer C ? (C extends Stored ? Omit<C, "id"> : never) : never;

interface Entry {
  command: Stored;
  promise: Promise<Ack>;
  resolve(ack: Ack): void;
  reject(error: ParleyError): void;
}

export interface OutboxOptions {
  clock: Clock;
  random: Random;
  send: (command: Command) => void;
  /** A command has had no answer for long. */
  stuck: () => void;
  /** A command was stored, or is given up. */
  stored: (command: Stored, ack: Ack) => void;
  failed: (command: Stored, error: ParleyError) => void;
}

/** Commands that wait, the one under way included. */
const capacity = 1_000;
/** Milliseconds after which the server is asked for a word when a command had no answer. */
const patience = 15_000;
/** Refusals after which the same command may well be taken. */
const transient: ReadonlySet<string> = new Set<ErrorFrame["code"]>([
  "rate_limited",
  "too_many_connections",
  "storage_unavailable",
  "keys_unavailable",
  "restarting",
]);

/**
 * Commands on their way, in order: one at a time, since a second one could overtake a first that has to be repeated.
 * What had no answer when a connection ended is sent again on the next one.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #queue: Entry[] = [];
  #made = 0;
  #refusals = 0;
  #open = false;
  #ended: ParleyError | undefined;
  /** Runs while the first command is under way, or has to wait before it is repeated. */
  readonly #timer: Timer;
  #underWay = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock);
  }

  add(unnamed: Unnamed): Promise<Ack> {
    const command = { id: String(++this.#made), ...unnamed };
    if (command.type === "read") {
      // Of read marks that wait only the furthest matters. The first in line may be under way.
      const waiting = this.#queue.slice(1).find((entry) => entry.command.type === "read");
      if (waiting?.command.type === "read") {
        waiting.command.seq = Math.max(waiting.command.seq, command.seq);
        return waiting.promise;
      }
    }
    let resolve!: Entry["resolve"];
    let reject!: Entry["reject"];
    const promise = new Promise<Ack>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    // Whoever does not care for the outcome must not be ended by it.
    promise.catch(() => undefined);
    const full = this.#queue.length >= capacity;
    const error =
      this.#ended ?? (full && new ParleyError("too_many_pending", `${capacity} commands wait already.`));
    if (error) {
      // Its promise says so, and no event: whoever is told may send again, without an end.
      reject(error);
    } else {
      this.#queue.push({ command, promise, resolve, reject });
      this.#next();
    }
    return promise;
  }

  /** There is a connection. */
  opened(): void {
    this.#open = true;
    this.#next();
  }

  /** There is none any more. */
  lost(): void {
    // What the server wants to be spared for a while, it is spared over the next connection, too.
    if (this.#underWay) this.#timer.set();
    this.#open = this.#underWay = false;
  }

  answered(frame: AckFrame | ErrorFrame): void {
    const [entry] = this.#queue;
    if (!entry || !this.#underWay || frame.id !== entry.command.id) return;
    const { random, stored } = this.#options;
    if (frame.type === "ack") {
      this.#take();
      const { seq, rev } = frame;
      entry.resolve({ seq, rev });
      stored(entry.command, { seq, rev });
      this.#next();
    } else if (transient.has(frame.code)) {
      this.#underWay = false;
      // Not all of a user's rooms at the same instant; no longer than need be, where the server says when.
      const { retry_after_ms: least } = frame;
      const steps = least === undefined ? this.#refusals++ : 2;
      this.#timer.set((least ?? 0) + backoff(steps, random), () => this.#next());
    } else {
      this.refuse(new ParleyError(frame.code, frame.message));
    }
  }

  /** Gives up the command that is under way. */
  refuse(error: ParleyError): void {
    if (!this.#underWay) return;
    const entry = this.#take();
    entry?.reject(error);
    if (entry) this.#options.failed(entry.command, error);
    this.#next();
  }

  /** Gives up all that waits, and all that is still to come. */
  close(error: ParleyError): void {
    this.#ended = error;
    this.lost();
    this.#timer.set();
    this.drop(error);
  }

  /** Gives up what waits, or some of it. */
  drop(error: ParleyError, which: (command: Stored) => boolean = () => true): void {
    const dropped = this.#queue.filter(({ command }) => which(command));
    this.#queue = this.#queue.filter((entry) => !dropped.includes(entry));
    for (const entry of dropped) {
      entry.reject(error);
      this.#options.failed(entry.command, error);
    }
  }

  #take(): Entry | undefined {
    this.#underWay = false;
    this.#refusals = 0;
    this.#timer.set();
    return this.#queue.shift();
  }

  #next(): void {
    const [entry] = this.#queue;
    if (!entry || !this.#open || this.#timer.runs) return;
    this.#underWay = true;
    this.#wait();
    this.#options.send(entry.command);
  }

  #wait(): void {
    this.#timer.set(patience, () => {
      this.#wait();
      this.#options.stuck();
    });
  }
}
