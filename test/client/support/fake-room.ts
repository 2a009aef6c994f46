import type { ChangeFrame, Changes, Hello, MessageBody, ServerFrame } from "../../../src/protocol/frames.ts";
import { hello, message } from "./fake-server.ts";

/** A room as the server has it, and one connection to it; frames wait until they are delivered. */
export class ModelRoom {
  messages: MessageBody[] = [];
  rev = 0;
  createdAt = 0;
  /** What it held at each `rev`. */
  readonly #past: MessageBody[][] = [];
  readonly frames: ServerFrame[] = [];
  /** How far the connection has been told; undefined while there is none. */
  #told: number | undefined;
  /** Whether it gets changes as they happen. */
  #live = false;

  /** `page`: how many messages one frame of a resume has at most. */
  constructor(readonly page: number) {}

  change(kind: ChangeFrame["kind"], pick: number): void {
    this.#past[this.rev] = [...this.messages];
    const rev = ++this.rev;
    let changed: MessageBody;
    const made = kind === "created" || this.messages.length === 0;
    if (made) {
      changed = message(this.messages.length + 1, rev);
      this.messages.push(changed);
    } else {
      const index = pick % this.messages.length;
      changed = { ...(this.messages[index] as MessageBody), rev };
      if (kind === "edited") Object.assign(changed, { text: `edit ${rev}`, edited_at: String(rev) });
      if (kind === "deleted") Object.assign(changed, { text: "", deleted_at: String(rev) });
      if (kind === "reacted") changed.reactions = [{ emoji: "+", by: [String(rev)] }];
      this.messages[index] = changed;
    }
    if (this.#live) this.frames.push({ type: "change", kind: made ? "created" : kind, message: changed });
  }

  connect(since: number | undefined): void {
    this.frames.length = 0;
    const resumed = since !== undefined && since <= this.rev;
    const first = resumed ? this.#next(since) : { rev: this.rev, messages: this.messages.slice(-50) };
    const room = {
      ...hello(0, []).room,
      seq: this.messages.length,
      rev: this.rev,
      created_at: String(this.createdAt),
    };
    this.#went({ ...hello(first.rev, first.messages), resumed, room });
  }

  /** Goes on with a resume that is not level yet. */
  resume(): void {
    if (this.#told !== undefined && !this.#live) this.#went({ type: "changes", ...this.#next(this.#told) });
  }

  /** Goes back to a backup that lacks the last change. */
  restore(): void {
    this.messages = [...(this.#past[this.rev - 1] ?? [])];
    this.rev = Math.max(0, this.rev - 1);
  }

  /** A live change gets lost. What a connection begins with can't be: it goes to this one alone. */
  lose(): void {
    if (this.frames[0]?.type === "change") this.frames.shift();
  }

  get level(): boolean {
    return this.#live && this.frames.length === 0;
  }

  older(before: number, limit: number): MessageBody[] {
    return this.messages.slice(0, before - 1).slice(-limit);
  }

  #next(since: number): Pick<Changes, "rev" | "messages"> {
    const all = this.messages.filter(({ rev }) => rev > since).toSorted((a, b) => a.rev - b.rev);
    const messages = all.slice(0, this.page);
    return { rev: all.length > this.page ? (messages.at(-1)?.rev ?? since) : this.rev, messages };
  }

  #went(frame: Hello | Changes): void {
    this.frames.push(frame);
    this.#told = frame.rev;
    this.#live = frame.rev === this.rev;
  }
}
