import type {
  ChangeFrame,
  ChangesFrame,
  HelloFrame,
  MessageBody,
  ServerFrame,
} from "../../../src/protocol/frames.ts";
import { hello, message } from "./fake-server.ts";

/** A model of a room on the server and of one connection to it. Its frames wait until a test delivers them. */
export class FakeRoom {
  messages: MessageBody[] = [];
  rev = 0;
  createdAt = 0;
  /** Frames sent to the connection and not delivered yet. */
  readonly frames: ServerFrame[] = [];
  /** The room's messages at each `rev`. */
  readonly #past: MessageBody[][] = [];
  /** The `rev` up to which the connection has been sent the room. Undefined before the first connection. */
  #sentRev: number | undefined;
  /** Whether the connection gets changes as they happen. */
  #isLive = false;

  /** `pageSize` is the maximum number of messages in one frame of a resume. */
  constructor(readonly pageSize: number) {}

  /** Whether everything has been sent to the connection and delivered. */
  get isDelivered(): boolean {
    return this.#isLive && this.frames.length === 0;
  }

  /** Creates a message, or changes the one at `index`, modulo the number of messages. */
  change(kind: ChangeFrame["kind"], index = 0): void {
    this.#past[this.rev] = [...this.messages];
    const rev = ++this.rev;
    let changed: MessageBody;
    const isNew = kind === "created" || this.messages.length === 0;
    if (isNew) {
      changed = message(this.messages.length + 1, rev);
      this.messages.push(changed);
    } else {
      const at = index % this.messages.length;
      changed = { ...(this.messages[at] as MessageBody), rev };
      if (kind === "edited") Object.assign(changed, { text: `edit ${rev}`, edited_at: String(rev) });
      if (kind === "deleted") Object.assign(changed, { text: "", deleted_at: String(rev) });
      if (kind === "reacted") changed.reactions = [{ emoji: "+", by: [String(rev)] }];
      this.messages[at] = changed;
    }
    if (this.#isLive) this.frames.push({ type: "change", kind: isNew ? "created" : kind, message: changed });
  }

  /** Replaces the connection by a new one, and sends its `hello`. */
  connect(since: number | undefined): void {
    this.frames.length = 0;
    const resumed = since !== undefined && since <= this.rev;
    const first = resumed ? this.#nextPage(since) : { rev: this.rev, messages: this.messages.slice(-50) };
    const room = {
      ...hello(0, []).room,
      seq: this.messages.length,
      rev: this.rev,
      created_at: String(this.createdAt),
    };
    this.#send({ ...hello(first.rev, first.messages), resumed, room });
  }

  /** Sends the next page of a resume, if it is not complete. */
  continueResume(): void {
    if (this.#sentRev !== undefined && !this.#isLive)
      this.#send({ type: "changes", ...this.#nextPage(this.#sentRev) });
  }

  /** Restores the room from a backup that lacks the last change. */
  restore(): void {
    this.messages = [...(this.#past[this.rev - 1] ?? [])];
    this.rev = Math.max(0, this.rev - 1);
  }

  /** Replaces the room by a new one with the same id. */
  recreate(): void {
    this.messages = [];
    this.rev = 0;
    this.createdAt++;
    this.frames.length = 0;
  }

  /** Loses the next frame if it is a live change. The frames of a resume cannot be lost. */
  loseChange(): void {
    if (this.frames[0]?.type === "change") this.frames.shift();
  }

  /** The page of messages before a `seq`, as the HTTP API returns it. */
  pageBefore(before: number, limit: number): MessageBody[] {
    return this.messages.slice(0, before - 1).slice(-limit);
  }

  #nextPage(since: number): Pick<ChangesFrame, "rev" | "messages"> {
    const all = this.messages.filter(({ rev }) => rev > since).toSorted((a, b) => a.rev - b.rev);
    const messages = all.slice(0, this.pageSize);
    return { rev: all.length > this.pageSize ? (messages.at(-1)?.rev ?? since) : this.rev, messages };
  }

  #send(frame: HelloFrame | ChangesFrame): void {
    this.frames.push(frame);
    this.#sentRev = frame.rev;
    this.#isLive = frame.rev === this.rev;
  }
}
