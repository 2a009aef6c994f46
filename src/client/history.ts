import type { ChangeFrame, Changes, Hello, MessageBody, RoomBody } from "../protocol/frames.ts";

/**
 * How far a room was read: every change up to `rev`, every message up to `seq`. `created_at` tells the room from a later
 * one with the same id. A `RoomBody` is one too, and stands for now.
 */
export type RoomPosition = Pick<RoomBody, "seq" | "rev" | "created_at">;

/** Something that happened to a message, whether it is in the window or older. */
export interface Change {
  type: "change";
  /** What happened. Of all that happened while the client was away, the last, as far as it can be told. */
  kind: ChangeFrame["kind"];
  /** The message as it is now. */
  message: MessageBody;
  /** Where to go on from, once this was dealt with: the `since` of a later `connect`. */
  position: RoomPosition;
}

/** Of two states of one message, the later one. */
function later(a: MessageBody | undefined, b: MessageBody): MessageBody {
  return a && a.rev > b.rev ? a : b;
}

/**
 * What a client knows of a room's messages: one window without gaps, which ends with the newest. Changes go in as they
 * come; one upsert each, in which the higher `rev` wins.
 */
export class History {
  /** Every change up to this `rev` is in. Undefined before the first `hello`. */
  cursor: number | undefined;
  #createdAt: string | undefined;
  /** The window: the message at `index` has the `seq` `#first + index`. */
  #items: MessageBody[] = [];
  #first = 1;
  /** Messages that a resume brought before an earlier one, which was changed later. */
  readonly #ahead = new Map<number, MessageBody>();
  /** Up to this `seq` every message was told. */
  #known = 0;
  /** Later ones that were told before an earlier one, which was changed later. */
  readonly #early = new Set<number>();
  /** Where a later client may go on from: nothing up to there is still to come. */
  #safe: Pick<RoomPosition, "seq" | "rev"> = { seq: 0, rev: 0 };
  /** Older messages that changed while a page of such is under way. */
  #below: Map<number, MessageBody> | undefined;
  #copy: readonly MessageBody[] | undefined;

  /** `keep`: how many messages the window holds at most; the oldest go first. */
  constructor(
    readonly keep: number,
    since?: RoomPosition,
  ) {
    if (!since) return;
    this.cursor = since.rev;
    this.#createdAt = since.created_at;
    this.#safe = since;
    this.#known = since.seq;
    this.#first = since.seq + 1;
  }

  /** The window, oldest first. The same array until something in it changes. */
  get messages(): readonly MessageBody[] {
    return (this.#copy ??= [...this.#items]);
  }

  /** The `seq` of the window's oldest message; where there is none, of the next one to come. */
  get first(): number {
    return this.#first;
  }

  /** The `seq` of the newest message. */
  get last(): number {
    return this.#first + this.#items.length - 1;
  }

  get position(): RoomPosition | undefined {
    const { seq, rev } = this.#safe;
    return this.#createdAt === undefined ? undefined : { seq, rev, created_at: this.#createdAt };
  }

  /**
   * Takes a first frame in. Returns what was missed; "reset" when all is new; "foreign" when the server goes on with
   * another room, or another past, than this one's. Then nothing is known any more, and a new `hello` is needed.
   */
  hello(frame: Hello): Change[] | "reset" | "foreign" {
    const { room, rev, messages } = frame;
    if (frame.resumed && this.cursor !== undefined) {
      if (room.created_at === this.#createdAt && rev >= this.cursor) return this.changes(frame);
      this.#clear();
      return "foreign";
    }
    this.#clear();
    this.#createdAt = room.created_at;
    for (const message of messages) this.#ahead.set(message.seq, message);
    this.#level(rev);
    return "reset";
  }

  /** Takes in what was missed, and returns it. */
  changes({ rev, messages }: Pick<Changes, "rev" | "messages">): Change[] {
    const before = this.cursor ?? 0;
    const missed: Change[] = [];
    for (const message of messages) {
      if (message.rev <= before) continue;
      const { seq, edited_at, deleted_at } = message;
      const old = this.#items[seq - this.#first] ?? this.#ahead.get(seq);
      let kind: Change["kind"] =
        edited_at !== undefined && edited_at !== old?.edited_at ? "edited" : "reacted";
      if (seq > this.#known && !this.#early.has(seq)) kind = "created";
      if (deleted_at !== undefined) kind = "deleted";
      this.#put(message);
      this.#reach(message.rev);
      missed.push(this.#told(kind, message));
    }
    this.#reach(Math.max(before, rev));
    return missed;
  }

  /** Takes a live change in, and returns it; undefined when it is known. "gap": something was missed before it, so it is left out. */
  change({ kind, message }: ChangeFrame): Change | "gap" | undefined {
    const { cursor } = this;
    if (cursor === undefined || message.rev <= cursor) return undefined;
    if (message.rev !== cursor + 1) return "gap";
    this.#put(message);
    this.#level(message.rev);
    return this.#told(kind, message);
  }

  /** Reads a page of older messages with `read`, and puts it in front. Resolves with what was put there. */
  async older(
    limit: number,
    read: (before: number, limit: number) => Promise<MessageBody[]>,
  ): Promise<MessageBody[]> {
    const count = Math.min(limit, this.keep - this.#items.length);
    if (count <= 0 || this.#first <= 1) return [];
    // What changes from now on may be newer than the page; a `hello` that resets takes this map away.
    const below = (this.#below = new Map<number, MessageBody>());
    try {
      const page = new Map((await read(this.#first, count)).map((message) => [message.seq, message]));
      const added: MessageBody[] = [];
      if (this.#below !== below) return added;
      for (let seq = this.#first - 1; added.length < count; seq--) {
        const message = page.get(seq);
        if (!message) break;
        added.push(later(below.get(seq), message));
      }
      added.reverse();
      this.#items.unshift(...added);
      this.#first -= added.length;
      this.#trim();
      return added;
    } finally {
      if (this.#below === below) this.#below = undefined;
    }
  }

  #clear(): void {
    this.cursor = this.#createdAt = this.#below = this.#copy = undefined;
    this.#items = [];
    this.#ahead.clear();
    this.#known = 0;
    this.#early.clear();
    this.#first = 1;
  }

  #told(kind: Change["kind"], message: MessageBody): Change {
    const position = { ...this.#safe, created_at: this.#createdAt ?? "" };
    return { type: "change", kind, message, position };
  }

  /** Every change up to `rev` is in; messages may still be missing that were changed later. */
  #reach(rev: number): void {
    this.cursor = rev;
    if (this.#early.size === 0) this.#safe = { seq: this.#known, rev };
  }

  /** Every change up to `rev` is in, and nothing is missing. */
  #level(rev: number): void {
    if (this.#ahead.size > 0) this.#gather();
    this.#known = this.last;
    this.#early.clear();
    this.#reach(rev);
  }

  #put(message: MessageBody): void {
    const { seq } = message;
    const index = seq - this.#first;
    if (seq > this.#known) this.#early.add(seq);
    while (this.#early.delete(this.#known + 1)) this.#known++;
    if (index < 0) {
      this.#below?.set(seq, later(this.#below.get(seq), message));
      return;
    }
    if (index < this.#items.length) {
      this.#items[index] = later(this.#items[index], message);
    } else {
      this.#ahead.set(seq, later(this.#ahead.get(seq), message));
      for (;;) {
        const next = this.#ahead.get(this.last + 1);
        if (!next) break;
        this.#ahead.delete(next.seq);
        this.#items.push(next);
      }
      // Not to hold without a bound what waits for one message.
      if (this.#ahead.size > this.keep) this.#gather();
    }
    this.#trim();
  }

  /** Begins the window anew, with what lies ahead: as many as there are without a gap up to the newest. */
  #gather(): void {
    this.#items = [];
    let newest = 0;
    for (const seq of this.#ahead.keys()) newest = Math.max(newest, seq);
    for (let seq = newest; ; seq--) {
      const message = this.#ahead.get(seq);
      if (!message) break;
      this.#items.push(message);
    }
    this.#items.reverse();
    this.#first = newest - this.#items.length + 1;
    this.#ahead.clear();
    this.#trim();
  }

  #trim(): void {
    this.#copy = undefined;
    const excess = this.#items.length - this.keep;
    if (excess > 0) this.#first += this.#items.splice(0, excess).length;
  }
}
