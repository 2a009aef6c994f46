import type { ChangeFrame, ChangesFrame, OpenedFrame, RoomBody } from "../protocol/frames.ts";
import { asMessages, type Message } from "./messages.ts";

/**
 * A position in a room's history: every change up to `rev` and every message up to `seq` has been seen. `created_at`
 * distinguishes the room from a later one with the same id. A `RoomBody` is a valid position too: the room's end.
 */
export type RoomPosition = Pick<RoomBody, "seq" | "rev" | "created_at">;

/** What is kept of a room while it is not open. */
export interface SavedRoom {
  room: RoomBody;
  /** The room is known up to here. */
  position: RoomPosition;
  /** The newest messages as of `position`, oldest first. */
  messages: readonly Message[];
}

/** Something that happened to a message, in the window or older. */
export interface Change {
  type: "change";
  /** What happened. If several things happened while the client was away: the last one, as far as it can be told. */
  kind: ChangeFrame["kind"];
  /** The message as it is now. */
  message: Message;
  /** The `since` for a later `open` that continues after this change. */
  position: RoomPosition;
}

/**
 * What a client knows of a room's messages: a window without gaps that ends with the newest message. A change is applied
 * by storing its message under its `seq`; the state with the higher `rev` wins.
 *
 * A resume sends the messages that changed since the cursor in order of `rev`. A message that was changed again since it
 * was created comes late, so newer messages may be received before it.
 */
export class History {
  /** Every change up to this `rev` has been applied. Undefined before the room is first open. */
  cursor: number | undefined;
  /** The message at index `i` has the `seq` `#first + i`. */
  #window: Message[] = [];
  #first = 1;
  /** Messages received before the one that precedes them, by `seq`. They wait to be appended to the window. */
  readonly #outOfOrder = new Map<number, Message>();
  /** Every message up to this `seq` has been reported. */
  #reportedSeq = 0;
  /** Messages after `#reportedSeq` that have been reported, by `seq`. */
  readonly #reportedOutOfOrder = new Set<number>();
  /** Everything up to here has been reported. */
  #position: RoomPosition = { seq: 0, rev: 0, created_at: "" };
  /** Messages older than the window that changed while a page of them is being loaded, by `seq`. */
  #changedWhileLoading: Map<number, Message> | undefined;
  #snapshot: readonly Message[] | undefined;

  /** `keep` is the maximum number of messages in the window; the oldest are dropped first. */
  constructor(
    readonly keep: number,
    since?: RoomPosition | SavedRoom,
  ) {
    if (!since) return;
    const { position, messages } = "messages" in since ? since : { position: since, messages: [] };
    const { seq, rev, created_at } = position;
    this.cursor = rev;
    this.#position = { seq, rev, created_at };
    this.#reportedSeq = seq;
    this.#window = [...messages];
    this.#first = seq + 1 - messages.length;
    this.#trim();
  }

  /** The window, oldest message first. The same array until something in it changes. */
  get messages(): readonly Message[] {
    return (this.#snapshot ??= [...this.#window]);
  }

  /** `seq` of the oldest message in the window, or of the next message if the window is empty. */
  get first(): number {
    return this.#first;
  }

  /** Whether the window starts with the room's first message. */
  get isComplete(): boolean {
    return this.cursor !== undefined && this.#first === 1;
  }

  /** `seq` of the newest message. */
  get last(): number {
    return this.#first + this.#window.length - 1;
  }

  get position(): RoomPosition | undefined {
    return this.cursor === undefined ? undefined : this.#position;
  }

  /** Whether the window is as of the position: nothing that it has is newer, and nothing that it should have is missing. */
  get isLevel(): boolean {
    return this.#position.rev === this.cursor && this.#position.seq === this.last;
  }

  /**
   * Applies an `opened` frame. Returns the changes that were missed, or "reset" if the window was replaced, or "diverged" if the
   * server resumed a different room or a different past. After "diverged" the history is empty and needs to be opened again.
   */
  applyOpened(
    frame: Pick<OpenedFrame, "room" | "rev" | "resumed" | "messages">,
  ): Change[] | "reset" | "diverged" {
    const { room, rev, messages } = frame;
    if (frame.resumed && this.cursor !== undefined) {
      if (room.created_at === this.#position.created_at && rev >= this.cursor)
        return this.applyChanges(frame);
      this.#clear();
      return "diverged";
    }
    this.#clear();
    // Its `seq` and `rev` are set below.
    this.#position = room;
    for (const message of asMessages(messages)) this.#outOfOrder.set(message.seq, message);
    this.#completeUpTo(rev);
    return "reset";
  }

  /** Applies a batch of missed changes and returns those that are new. */
  applyChanges({ rev, messages }: Pick<ChangesFrame, "rev" | "messages">): Change[] {
    const before = this.cursor ?? 0;
    const missed: Change[] = [];
    for (const message of asMessages(messages)) {
      if (message.rev <= before) continue;
      const { seq, edited_at, deleted_at } = message;
      const known = this.#window[seq - this.#first] ?? this.#outOfOrder.get(seq);
      let kind: Change["kind"] =
        edited_at !== undefined && edited_at !== known?.edited_at ? "edited" : "reacted";
      if (seq > this.#reportedSeq && !this.#reportedOutOfOrder.has(seq)) kind = "created";
      if (deleted_at !== undefined) kind = "deleted";
      this.#store(message);
      this.#advanceCursor(message.rev);
      missed.push(this.#changeOf(kind, message));
    }
    this.#advanceCursor(Math.max(before, rev));
    return missed;
  }

  /**
   * Applies a live change and returns it. Returns undefined if it is known already, or "gap" if a change before it was
   * missed; then nothing is applied.
   */
  applyChange(frame: ChangeFrame): Change | "gap" | undefined {
    const { cursor } = this;
    const { kind } = frame;
    const message = frame.message as Message;
    if (cursor === undefined || message.rev <= cursor) return undefined;
    if (message.rev !== cursor + 1) return "gap";
    this.#store(message);
    this.#completeUpTo(message.rev);
    return this.#changeOf(kind, message);
  }

  /** Loads a page of older messages with `load` and prepends it to the window. Resolves with the messages added. */
  async loadOlder(
    limit: number,
    load: (before: number, limit: number) => Promise<Message[]>,
  ): Promise<Message[]> {
    const count = Math.min(limit, this.keep - this.#window.length);
    if (count <= 0 || this.#first <= 1) return [];
    // Changes received from now on may be newer than the page. An `opened` that resets the window removes this map.
    const changed = (this.#changedWhileLoading = new Map<number, Message>());
    try {
      const page = new Map((await load(this.#first, count)).map((message) => [message.seq, message]));
      const added: Message[] = [];
      if (this.#changedWhileLoading !== changed) return added;
      for (let seq = this.#first - 1; added.length < count; seq--) {
        const message = page.get(seq);
        if (!message) break;
        added.push(newerOf(changed.get(seq), message));
      }
      added.reverse();
      this.#window.unshift(...added);
      this.#first -= added.length;
      this.#trim();
      return added;
    } finally {
      if (this.#changedWhileLoading === changed) this.#changedWhileLoading = undefined;
    }
  }

  #clear(): void {
    this.cursor = this.#changedWhileLoading = this.#snapshot = undefined;
    this.#window = [];
    this.#outOfOrder.clear();
    this.#reportedSeq = 0;
    this.#reportedOutOfOrder.clear();
    this.#first = 1;
  }

  #changeOf(kind: Change["kind"], message: Message): Change {
    return { type: "change", kind, message, position: this.#position };
  }

  /** Every change up to `rev` has been applied. Messages that were changed later may still be missing. */
  #advanceCursor(rev: number): void {
    this.cursor = rev;
    const { created_at } = this.#position;
    if (this.#reportedOutOfOrder.size === 0) this.#position = { seq: this.#reportedSeq, rev, created_at };
  }

  /** Every change up to `rev` has been applied, and no message is missing. */
  #completeUpTo(rev: number): void {
    if (this.#outOfOrder.size > 0) this.#rebuildWindow();
    this.#reportedSeq = this.last;
    this.#reportedOutOfOrder.clear();
    this.#advanceCursor(rev);
  }

  #store(message: Message): void {
    const { seq } = message;
    const index = seq - this.#first;
    if (seq > this.#reportedSeq) this.#reportedOutOfOrder.add(seq);
    while (this.#reportedOutOfOrder.delete(this.#reportedSeq + 1)) this.#reportedSeq++;
    if (index < 0) {
      this.#changedWhileLoading?.set(seq, newerOf(this.#changedWhileLoading.get(seq), message));
      return;
    }
    if (index < this.#window.length) {
      this.#window[index] = newerOf(this.#window[index], message);
    } else {
      this.#outOfOrder.set(seq, message);
      for (;;) {
        const next = this.#outOfOrder.get(this.last + 1);
        if (!next) break;
        this.#outOfOrder.delete(next.seq);
        this.#window.push(next);
      }
      // Bounds the number of messages that wait for one that is missing.
      if (this.#outOfOrder.size > this.keep) this.#rebuildWindow();
    }
    this.#trim();
  }

  /** Replaces the window with the out-of-order messages: the newest and those before it, up to the first gap. */
  #rebuildWindow(): void {
    this.#window = [];
    let newest = 0;
    for (const seq of this.#outOfOrder.keys()) newest = Math.max(newest, seq);
    for (let seq = newest; ; seq--) {
      const message = this.#outOfOrder.get(seq);
      if (!message) break;
      this.#window.push(message);
    }
    this.#window.reverse();
    this.#first = newest - this.#window.length + 1;
    this.#outOfOrder.clear();
    this.#trim();
  }

  #trim(): void {
    this.#snapshot = undefined;
    const excess = this.#window.length - this.keep;
    if (excess > 0) this.#first += this.#window.splice(0, excess).length;
  }
}

/** The newer of two states of one message. */
function newerOf(a: Message | undefined, b: Message): Message {
  return a && a.rev > b.rev ? a : b;
}
