import { asChatError, ChatError, isRefused, refusalError } from "./errors.ts";
import type { Ack, Change, Draft, RoomKey } from "./model.ts";
import type { Outcome, Store } from "./store.ts";

/** Drafts that may wait for the disk, and UTF-16 units of their texts together. Beyond that new drafts are refused. */
const MAX_QUEUED_DRAFTS = 65_536;
const MAX_QUEUED_TEXT = 1 << 25;

/**
 * UTF-16 units of text in one batch. It is published at once and has to fit into every reader's send buffer, where a unit
 * takes up to six bytes: JSON escapes control characters.
 */
const MAX_BATCH_TEXT = 1 << 17;
/** What a reaction counts for: its whole message is published again. */
const REACTION_TEXT = 1 << 14;

/** A batch of this size has many senders, who will send again in a moment: the next batch waits for as many. */
const GATHER_BATCH_SIZE = 8;
/** How long it waits at most. */
const MAX_GATHER_MS = 1;

interface Pending {
  draft: Draft;
  resolve: (ack: Ack) => void;
  reject: (error: ChatError) => void;
}

export interface CommitQueueOptions {
  store: Pick<Store, "append">;
  /** Called once per room and batch, after the commit, with changes in the order of their `rev`. */
  publish: (room: RoomKey, changes: readonly Change[]) => void;
  /** Called for each draft that moved its actor's read mark, after the changes were published. */
  readMarkMoved: (draft: Draft, seq: number) => void;
  /** Called for every batch: with undefined when it was stored, otherwise with the reason. */
  settled: (error: unknown) => void;
}

/**
 * Group commit. What arrives in one turn of the event loop becomes one transaction, then one publish, then the acks. One
 * batch is in flight at a time and what arrives meanwhile is the next one, so a slow disk makes batches larger, not queues
 * longer.
 */
export class CommitQueue {
  #waiting: Pending[] = [];
  #waitingText = 0;
  #running = false;
  #lastBatchSize = 0;
  /** Runs while a batch is being gathered. */
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #idleListeners: (() => void)[] = [];

  constructor(private readonly options: CommitQueueOptions) {}

  /** Resolves when the draft is on disk and published. Rejects with a `ChatError`; then nothing was stored. */
  add(draft: Draft): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MAX_QUEUED_DRAFTS || this.#waitingText >= MAX_QUEUED_TEXT) {
        reject(new ChatError("storage_unavailable", "Too many messages are waiting to be stored."));
        return;
      }
      this.#waiting.push({ draft, resolve, reject });
      this.#waitingText += textLength(draft);
      if (!this.#running) {
        this.#running = true;
        this.#schedule();
      } else if (this.#gathering !== undefined && this.#waiting.length >= this.#lastBatchSize) {
        clearTimeout(this.#gathering);
        this.#runAtEndOfTurn();
      }
    });
  }

  /** Resolves when nothing is waiting any more. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idleListeners.push(resolve)) : Promise.resolve();
  }

  #schedule(): void {
    const gather = this.#lastBatchSize >= GATHER_BATCH_SIZE && this.#waiting.length < this.#lastBatchSize;
    if (gather) this.#gathering = setTimeout(() => void this.#run(), MAX_GATHER_MS);
    else this.#runAtEndOfTurn();
  }

  /** Every socket that is readable by then joins the batch. */
  #runAtEndOfTurn(): void {
    this.#gathering = undefined;
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    this.#gathering = undefined;
    const batch = this.#takeBatch();
    this.#lastBatchSize = batch.length;
    await this.#commit(batch);
    if (this.#waiting.length > 0) {
      this.#schedule();
      return;
    }
    this.#running = false;
    for (const resolve of this.#idleListeners.splice(0)) resolve();
  }

  /** As a rule, everything that is waiting. After a disk that stood still it may be more than one batch takes. */
  #takeBatch(): Pending[] {
    let text = 0;
    const end = this.#waiting.findIndex(({ draft }, index) => {
      text += publishedLength(draft);
      return text > MAX_BATCH_TEXT && index > 0;
    });
    const batch = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    this.#waitingText -= batch.reduce((sum, { draft }) => sum + textLength(draft), 0);
    return batch;
  }

  async #commit(batch: readonly Pending[]): Promise<void> {
    const { store, settled } = this.options;
    let outcomes: Outcome[];
    try {
      outcomes = await store.append(batch.map(({ draft }) => draft));
    } catch (cause) {
      settled(cause);
      const error = asChatError(cause);
      for (const { reject } of batch) reject(error);
      return;
    }
    settled(undefined);
    this.#publish(batch, outcomes);
    this.#answer(batch, outcomes);
  }

  #publish(batch: readonly Pending[], outcomes: readonly Outcome[]): void {
    const byRoom = new Map<RoomKey, Change[]>();
    for (const [index, { draft }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined || isRefused(outcome) || !outcome.change) continue;
      const changes = byRoom.get(draft.room);
      if (changes) changes.push(outcome.change);
      else byRoom.set(draft.room, [outcome.change]);
    }
    for (const [room, changes] of byRoom) this.options.publish(room, changes);
  }

  #answer(batch: readonly Pending[], outcomes: readonly Outcome[]): void {
    for (const [index, { draft, resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) {
        reject(new ChatError("internal", "The store did not answer this command."));
      } else if (isRefused(outcome)) {
        reject(refusalError(outcome));
      } else {
        if (outcome.marked) this.options.readMarkMoved(draft, outcome.ack.seq);
        resolve(outcome.ack);
      }
    }
  }
}

/** UTF-16 units of text that a draft publishes. */
function publishedLength(draft: Draft): number {
  return draft.action.type === "react" ? REACTION_TEXT : textLength(draft);
}

function textLength({ action }: Draft): number {
  return "text" in action ? action.text.length : 0;
}
