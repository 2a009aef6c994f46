import { asChatError, ChatError, isRefused, refusalError } from "./errors.ts";
import type { Ack, Change, Draft, MarkMove, RoomKey } from "./model.ts";
import type { Outcome, Store } from "./store.ts";
import { MAX_META_BYTES } from "./validation.ts";

/** Drafts that may wait for the disk, and UTF-16 units of text in them. Beyond that, new drafts are refused. */
const MAX_QUEUED_DRAFTS = 65_536;
const MAX_QUEUED_TEXT_LENGTH = 1 << 25;

/**
 * UTF-16 units of text in one batch. It is published at once and has to fit into every reader's send buffer, where a unit
 * takes up to six bytes: JSON escapes control characters.
 */
const MAX_BATCH_TEXT_LENGTH = 1 << 17;
/** Text that mentions count for: users' ids of `MAX_MENTIONS_LENGTH`, in which no unit takes more than three bytes. */
const MENTIONS_TEXT_LENGTH = 2048;
/** Text that a reaction counts for: its whole message is published again. */
const REACTION_TEXT_LENGTH = 1 << 14;

/** After a batch of this size or more, the next one waits for as many drafts: its senders are about to send again. */
const GATHER_BATCH_SIZE = 8;
/** Longest time that a batch waits for more drafts. */
const MAX_GATHER_MS = 1;

interface Pending {
  draft: Draft;
  resolve: (ack: Ack) => void;
  reject: (error: ChatError) => void;
}

export interface CommitQueueOptions {
  store: Pick<Store, "append">;
  /** Called once per room and batch, after the commit, with changes in order of `rev`. */
  publish: (room: RoomKey, changes: readonly Change[]) => void;
  /** Called for each draft that moved its actor's read mark, before the batch's changes are published. */
  readMarkMoved: (draft: Draft, mark: MarkMove) => void;
  /** Called for every batch: with undefined when it was stored, otherwise with the error. */
  settled: (error: unknown) => void;
}

/**
 * Group commit. The drafts of one turn of the event loop become one transaction, then one publish, then the acks. One batch
 * is in flight at a time, and drafts that arrive meanwhile form the next one. So a slow disk makes batches larger, not queues
 * longer.
 */
export class CommitQueue {
  #waiting: Pending[] = [];
  #waitingTextLength = 0;
  #running = false;
  #lastBatchSize = 0;
  /** Runs while a batch waits for more drafts. */
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  #idleListeners: (() => void)[] = [];

  constructor(private readonly options: CommitQueueOptions) {}

  /** Resolves when the draft is on disk and published. Rejects with a `ChatError`; then nothing was stored. */
  add(draft: Draft): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MAX_QUEUED_DRAFTS || this.#waitingTextLength >= MAX_QUEUED_TEXT_LENGTH) {
        reject(new ChatError("storage_unavailable", "Too many messages are waiting to be stored."));
        return;
      }
      this.#waiting.push({ draft, resolve, reject });
      this.#waitingTextLength += textLength(draft);
      if (!this.#running) {
        this.#running = true;
        this.#schedule();
      } else if (this.#gatherTimer !== undefined && this.#waiting.length >= this.#lastBatchSize) {
        clearTimeout(this.#gatherTimer);
        this.#runAtEndOfTurn();
      }
    });
  }

  /** Resolves when no draft is waiting or in flight. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idleListeners.push(resolve)) : Promise.resolve();
  }

  #schedule(): void {
    const gather = this.#lastBatchSize >= GATHER_BATCH_SIZE && this.#waiting.length < this.#lastBatchSize;
    if (gather) this.#gatherTimer = setTimeout(() => void this.#run(), MAX_GATHER_MS);
    else this.#runAtEndOfTurn();
  }

  /** At the end of the turn, so that frames of every socket that is readable now join the batch. */
  #runAtEndOfTurn(): void {
    this.#gatherTimer = undefined;
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    this.#gatherTimer = undefined;
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

  /** Usually takes everything that is waiting. After a stall of the disk that may be more than one batch holds. */
  #takeBatch(): Pending[] {
    let text = 0;
    const end = this.#waiting.findIndex(({ draft }, index) => {
      text += publishedLength(draft);
      return text > MAX_BATCH_TEXT_LENGTH && index > 0;
    });
    const batch = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    this.#waitingTextLength -= batch.reduce((sum, { draft }) => sum + textLength(draft), 0);
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
    this.#announceMarks(batch, outcomes);
    this.#publish(batch, outcomes);
    this.#answer(batch, outcomes);
  }

  #announceMarks(batch: readonly Pending[], outcomes: readonly Outcome[]): void {
    for (const [index, { draft }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome && !isRefused(outcome) && outcome.mark) this.options.readMarkMoved(draft, outcome.mark);
    }
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
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) {
        reject(new ChatError("internal", "The store did not answer this command."));
      } else if (isRefused(outcome)) {
        reject(refusalError(outcome));
      } else {
        resolve(outcome.ack);
      }
    }
  }
}

/** UTF-16 units of text and metadata that a draft publishes. */
function publishedLength(draft: Draft): number {
  const { type } = draft.action;
  if (type === "react") return REACTION_TEXT_LENGTH;
  // An edit publishes the metadata again, which may be this large, and the mentions before and after it.
  const again = type === "edit" ? MAX_META_BYTES + 2 * MENTIONS_TEXT_LENGTH : 0;
  const mayMention = type === "delete" || (type === "send" && draft.action.text.includes("@"));
  return textLength(draft) + (mayMention ? MENTIONS_TEXT_LENGTH : again);
}

/** UTF-16 units of text and metadata in a draft. */
function textLength({ action }: Draft): number {
  if (action.type === "send") return action.text.length + (action.meta?.length ?? 0);
  return action.type === "edit" ? action.text.length : 0;
}
