import type { Message } from "../../../src/client/index.ts";
import { asMessages } from "../../../src/client/messages.ts";
import type { ChangeFrame, ChangesFrame, OpenedFrame } from "../../../src/protocol/frames.ts";
import { message, opened, type SentFrame } from "./fake-server.ts";

/** A model of a room on the server, and of one session that opens it. Its frames wait until a test delivers them. */
export class FakeRoom {
  messages: Message[] = [];
  rev = 0;
  createdAt = 0;
  /** Frames sent to the session and not delivered yet. */
  readonly frames: SentFrame[];
  /** The room's messages at each `rev`. */
  readonly #past: Message[][] = [];
  /** The `rev` up to which the session has been sent the room. Undefined before it is opened. */
  #sentRev: number | undefined;
  /** Whether the session gets changes as they happen. */
  #isLive = false;

  /** `pageSize` is the maximum number of messages in one frame of a resume. Rooms of one session share its `frames`. */
  constructor(
    readonly pageSize: number,
    readonly id = "lobby",
    frames: SentFrame[] = [],
  ) {
    this.frames = frames;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** Whether everything has been sent to the session and delivered. */
  get isDelivered(): boolean {
    return this.#isLive && this.frames.length === 0;
  }

  /** Creates a message, or changes the one at `index`, modulo the number of messages. Returns it. */
  change(kind: ChangeFrame["kind"], index = 0): Message {
    this.#past[this.rev] = [...this.messages];
    const rev = ++this.rev;
    let changed: Message;
    const isNew = kind === "created" || this.messages.length === 0;
    if (isNew) {
      changed = message(this.messages.length + 1, rev);
      this.messages.push(changed);
    } else {
      const at = index % this.messages.length;
      changed = { ...(this.messages[at] as Message), rev };
      if (kind === "edited") Object.assign(changed, { text: `edit ${rev}`, edited_at: String(rev) });
      if (kind === "deleted") Object.assign(changed, { text: "", deleted_at: String(rev) });
      if (kind === "reacted") changed.reactions = [{ emoji: "+", by: [String(rev)] }];
      this.messages[at] = changed;
    }
    if (this.#isLive)
      this.frames.push({ type: "change", room: this.id, kind: isNew ? "created" : kind, message: changed });
    return changed;
  }

  /** Replaces the connection by a new one, and opens the room. */
  connect(since: number | undefined): void {
    this.frames.length = 0;
    this.open("", since);
  }

  /** Answers an `open` with this id. */
  open(id: string, since: number | undefined): void {
    const resumed = since !== undefined && since <= this.rev;
    const first = resumed ? this.#nextPage(since) : { rev: this.rev, messages: this.messages.slice(-50) };
    const room = {
      ...opened(0, []).room,
      id: this.id,
      seq: this.messages.length,
      rev: this.rev,
      created_at: String(this.createdAt),
    };
    const { me: _, ...frame } = opened(first.rev, asMessages(first.messages), { id, resumed, room });
    this.#send(frame);
  }

  /** The room is no longer open. */
  close(): void {
    this.#isLive = false;
    this.#sentRev = undefined;
  }

  /** Sends the next page of a resume, if it is not complete. */
  continueResume(): void {
    if (this.#sentRev !== undefined && !this.#isLive)
      this.#send({ type: "changes", room: this.id, ...this.#nextPage(this.#sentRev) });
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
  pageBefore(before: number, limit: number): Message[] {
    return this.messages.slice(0, before - 1).slice(-limit);
  }

  #nextPage(since: number): Pick<ChangesFrame, "rev" | "messages"> {
    const all = this.messages.filter(({ rev }) => rev > since).toSorted((a, b) => a.rev - b.rev);
    const messages = all.slice(0, this.pageSize);
    return { rev: all.length > this.pageSize ? (messages.at(-1)?.rev ?? since) : this.rev, messages };
  }

  #send(frame: OpenedFrame | ChangesFrame): void {
    this.frames.push(frame);
    this.#sentRev = frame.rev;
    this.#isLive = frame.rev === this.rev;
  }
}
