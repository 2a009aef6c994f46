import type { RoomKey } from "../chat/model.ts";
import type { Push } from "../chat/push-store.ts";
import type { Outcome } from "./push-sender.ts";

/** Pushes that wait, are being sent, or are to be sent again. Beyond that, new ones are dropped. */
const MAX_QUEUED = 20_000;
/** Those of them of one room. A large room, in which everyone is mentioned, must leave space for the others. */
const MAX_QUEUED_PER_ROOM = 10_000;
/** Pushes that are sent at a time, and those of them to one push service: a slow one must not hold up the others. */
const MAX_RUNNING = 16;
const MAX_RUNNING_PER_SERVICE = 8;
const MAX_ATTEMPTS = 4;
/** Delay before the second attempt. Each later one waits four times as long. */
const FIRST_RETRY_MS = 1000;
const RETRY_FACTOR = 4;
/** A push service that asks for a longer delay is tried again after this one. */
const MAX_RETRY_AFTER_MS = 300_000;

interface Job {
  push: Push;
  attempts: number;
}

/** What is to be sent to one push service. */
interface Lane {
  /** By room. They take turns: the one that was sent from last comes last. */
  jobs: Map<RoomKey, Job[]>;
  running: number;
  /** Whether the push service has asked for a delay. */
  isPaused: boolean;
}

export interface PushQueueOptions {
  /** Sends a push. Never rejects. */
  send: (push: Push) => Promise<Outcome>;
  /** What has become of a push. `failed`: it was tried again to the end. */
  settled: (outcome: "sent" | "gone" | "refused" | "unwanted" | "failed" | "dropped") => void;
  /** Default: `FIRST_RETRY_MS`. */
  retryMs?: number;
}

/** Sends pushes, a bounded number at a time, and those that failed again after a while. */
export class PushQueue {
  /** By the origin of the push service. The one that was sent to last comes last. */
  readonly #lanes = new Map<string, Lane>();
  /** The newest push of each room for each subscription. It replaces those that still wait. */
  readonly #newest = new Map<string, Push>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Pushes by room. */
  readonly #sizes = new Map<RoomKey, number>();
  #size = 0;
  #running = 0;
  #isStopped = false;
  #idle: () => void = () => undefined;

  constructor(private readonly options: PushQueueOptions) {}

  add(push: Push): void {
    const { key } = push.room;
    const size = this.#sizes.get(key) ?? 0;
    if (this.#isStopped || this.#size >= MAX_QUEUED || size >= MAX_QUEUED_PER_ROOM) {
      this.options.settled("dropped");
      return;
    }
    this.#size++;
    this.#sizes.set(key, size + 1);
    this.#newest.set(keyOf(push), push);
    this.#enqueue({ push, attempts: 0 });
  }

  /** Resolves when what waits has been sent, or after a time. Nothing is sent again. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const lane of this.#lanes.values()) if (lane.isPaused) lane.jobs.clear();
    if (this.#running === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    await Promise.race([promise, Bun.sleep(graceMs)]);
    for (const lane of this.#lanes.values()) lane.jobs.clear();
  }

  #enqueue(job: Job): void {
    const origin = new URL(job.push.endpoint).origin;
    let lane = this.#lanes.get(origin);
    if (!lane) this.#lanes.set(origin, (lane = { jobs: new Map(), running: 0, isPaused: false }));
    jobsOf(lane, job).push(job);
    this.#fill();
  }

  #fill(): void {
    while (this.#running < MAX_RUNNING) {
      const next = this.#lanes
        .entries()
        .find(
          ([, { jobs, running, isPaused }]) =>
            jobs.size > 0 && running < MAX_RUNNING_PER_SERVICE && !isPaused,
        );
      if (!next) break;
      const [origin, lane] = next;
      this.#lanes.delete(origin);
      this.#lanes.set(origin, lane);
      const job = takeJob(lane);
      if (!job) break;
      if (this.#newest.get(keyOf(job.push)) === job.push) {
        void this.#run(origin, lane, job);
      } else {
        this.#settle(job.push, "unwanted");
        this.#forgetIfIdle(origin, lane);
      }
    }
    if (this.#running === 0) this.#idle();
  }

  async #run(origin: string, lane: Lane, job: Job): Promise<void> {
    this.#running++;
    lane.running++;
    const outcome = await this.options.send(job.push);
    this.#running--;
    lane.running--;
    if (typeof outcome === "string") this.#settle(job.push, outcome);
    else this.#retry(lane, job, outcome.retryAfterMs);
    this.#forgetIfIdle(origin, lane);
    this.#fill();
  }

  #forgetIfIdle(origin: string, lane: Lane): void {
    if (lane.jobs.size === 0 && lane.running === 0 && !lane.isPaused && this.#lanes.get(origin) === lane)
      this.#lanes.delete(origin);
  }

  #retry(lane: Lane, job: Job, retryAfterMs: number | undefined): void {
    job.attempts++;
    if (this.#isStopped || job.attempts >= MAX_ATTEMPTS) {
      this.#settle(job.push, "failed");
      return;
    }
    const { retryMs = FIRST_RETRY_MS } = this.options;
    if (retryAfterMs !== undefined) {
      jobsOf(lane, job).unshift(job);
      this.#pause(lane, Math.min(Math.max(retryAfterMs, retryMs), MAX_RETRY_AFTER_MS));
      return;
    }
    this.#after(retryMs * RETRY_FACTOR ** (job.attempts - 1), () => this.#enqueue(job));
  }

  #pause(lane: Lane, ms: number): void {
    if (lane.isPaused) return;
    lane.isPaused = true;
    this.#after(ms, () => {
      lane.isPaused = false;
      this.#fill();
    });
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }

  #settle(push: Push, outcome: Parameters<PushQueueOptions["settled"]>[0]): void {
    this.#size--;
    const { key } = push.room;
    const size = (this.#sizes.get(key) ?? 0) - 1;
    if (size > 0) this.#sizes.set(key, size);
    else this.#sizes.delete(key);
    if (this.#newest.get(keyOf(push)) === push) this.#newest.delete(keyOf(push));
    this.options.settled(outcome);
  }
}

const keyOf = ({ subscription, room }: Push) => `${subscription} ${room.key}`;

/** The jobs of the room of this one. */
function jobsOf({ jobs }: Lane, { push }: Job): Job[] {
  const { key } = push.room;
  const known = jobs.get(key) ?? [];
  jobs.set(key, known);
  return known;
}

/** Takes the next job. Another room comes next. */
function takeJob({ jobs }: Lane): Job | undefined {
  const [first] = jobs;
  if (!first) return undefined;
  const [key, waiting] = first;
  const job = waiting.shift();
  jobs.delete(key);
  if (waiting.length > 0) jobs.set(key, waiting);
  return job;
}
