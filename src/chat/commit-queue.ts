import { ChatError, refused } from "./errors.ts";
import type { Ack, Change, Draft, RoomKey } from "./model.ts";
import type { Outcome, Store } from "./store.ts";

interface Pending {
  draft: Draft;
  resolve(ack: Ack): void;
  reject(error: ChatError): void;
}

/** More drafts than this waiting for the disk are refused … */
const queueLimit = 65_536;
/** … and so are more texts than this together, in UTF-16 units. */
const queueTextLimit = 1 << 25;

/** Texts of one batch together, in the same units: what is published at once has to fit before every reader. */
const batchTextLimit = 1 << 18;

/** After a batch of this many, others are sending at the same moment: the next one waits a millisecond for theirs. */
const crowd = 8;

/**
 * Group commit. What arrives in one turn of the event loop is one transaction, then one publish, then the acks. One
 * batch is in flight; what arrives meanwhile is the next one, so that a slow disk makes batches larger, not queues longer.
 */
export class Commit {
  #waiting: Pending[] = [];
  #waitingText = 0;
  #running = false;
  /** How many the last batch had. */
  #last = 0;
  #idle: (() => void)[] = [];

  constructor(
    private readonly store: Pick<Store, "append">,
    /** Called once per room and batch, after the commit, with changes in the order of their `rev`. */
    private readonly publish: (room: RoomKey, changes: readonly Change[]) => void,
    /** Called for each draft that moved its actor's read mark, after what it may have read was published. */
    private readonly marked: (draft: Draft, seq: number) => void,
    /** Hears of every batch: undefined when it was stored, else why it was not. */
    private readonly settled: (error: unknown) => void,
  ) {}

  /** Resolves when the draft is on disk and published. Rejects with a `ChatError`; then nothing was stored. */
  add(draft: Draft): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= queueLimit || this.#waitingText >= queueTextLimit) {
        reject(new ChatError("storage_unavailable", "Too much is waiting to be stored."));
        return;
      }
      this.#waiting.push({ draft, resolve, reject });
      this.#waitingText += textOf(draft);
      if (this.#running) return;
      this.#running = true;
      this.#schedule();
    });
  }

  /** Resolves when nothing waits any more. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  /** At the end of this turn, so that every socket that is readable by now joins the batch. */
  #schedule(): void {
    const run = () => void this.#run();
    if (this.#last >= crowd) setTimeout(run, 0);
    else setImmediate(run);
  }

  async #run(): Promise<void> {
    const batch = this.#take();
    this.#last = batch.length;
    await this.#store(batch);
    if (this.#waiting.length > 0) {
      this.#schedule();
      return;
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** All that waits, as a rule. After a disk that stood still what waits may be more than a batch takes. */
  #take(): Pending[] {
    let text = 0;
    const rest = this.#waiting.findIndex(
      ({ draft }, index) => (text += textOf(draft)) > batchTextLimit && index > 0,
    );
    const batch = this.#waiting.splice(0, rest < 0 ? this.#waiting.length : rest);
    this.#waitingText -= batch.reduce((sum, { draft }) => sum + textOf(draft), 0);
    return batch;
  }

  async #store(batch: readonly Pending[]): Promise<void> {
    let outcomes: Outcome[];
    try {
      outcomes = await this.store.append(batch.map((pending) => pending.draft));
    } catch (cause) {
      this.settled(cause);
      const error = new ChatError("storage_unavailable", "It could not be stored.", { cause });
      for (const pending of batch) pending.reject(error);
      return;
    }
    this.settled(undefined);
    this.#tell(batch, outcomes);
  }

  #tell(batch: readonly Pending[], outcomes: readonly Outcome[]): void {
    const changes = new Map<RoomKey, Change[]>();
    for (const [index, { draft }] of batch.entries()) {
      const outcome = outcomes[index];
      if (!outcome || "refused" in outcome) continue;
      const { change } = outcome;
      if (!change) continue;
      const list = changes.get(draft.room);
      if (list) list.push(change);
      else changes.set(draft.room, [change]);
    }
    for (const [room, list] of changes) this.publish(room, list);
    for (const [index, pending] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) {
        pending.reject(new ChatError("internal", "The store gave no answer."));
      } else if ("refused" in outcome) {
        pending.reject(refused(outcome.refused));
      } else {
        if (outcome.marked) this.marked(pending.draft, outcome.ack.seq);
        pending.resolve(outcome.ack);
      }
    }
  }
}

function textOf({ action }: Draft): number {
  return "text" in action ? action.text.length : 0;
}
