import type { Change, Message, Position } from "../../src/chat/model.ts";
import { type Page, type Range, StoreError } from "../../src/chat/store.ts";
import { message } from "./people.ts";

/**
 * The messages of one room in a store that answers each read when the test says so: with what it held when it was asked,
 * or else with what it holds by then.
 */
export class SlowRoom {
  readonly messages: Message[] = [];
  readonly members = new Set<number>();
  readonly #waiting: { name: string; answer(): void; fail(): void }[] = [];
  rev = 0;
  asOf: "asking" | "answering" = "asking";

  /** The reads that wait for an answer. */
  get waiting(): string[] {
    return this.#waiting.map(({ name }) => name);
  }

  get position(): Position {
    return { seq: this.messages.length, rev: this.rev };
  }

  /** Stores a message, as any node may. */
  add(): Change {
    const made = { ...message(this.messages.length + 1, ++this.rev), editedAt: null };
    this.messages.push(made);
    return { kind: "created", message: made };
  }

  edit(seq: number): Change {
    const edited = message(seq, ++this.rev, `edit ${this.rev}`);
    this.messages[seq - 1] = edited;
    return { kind: "edited", message: edited };
  }

  head = (): Promise<Position | undefined> => this.#read("head", () => this.position);

  changes = (_: unknown, rev: number, limit: number): Promise<Page> => {
    return this.#read(`changes ${rev}`, () => {
      // So many revs of it: of messages that were changed again later, a page may hold none.
      const upTo = Math.max(rev, Math.min(rev + limit, this.rev));
      const changed = this.messages.filter((each) => each.rev > rev && each.rev <= upTo);
      return { messages: changed.toSorted((a, b) => a.rev - b.rev), rev: upTo };
    });
  };

  range = (_: unknown, { after = 0, before = 2 ** 53, limit }: Range): Promise<Message[]> => {
    return this.#read(`messages ${after}-${before}`, () =>
      this.messages.filter(({ seq }) => seq > after && seq < before).slice(-limit),
    );
  };

  #read<T>(name: string, find: () => T): Promise<T> {
    const asked = find();
    return this.later(name, () => (this.asOf === "asking" ? asked : find()));
  }

  /** Answers when the test says so. */
  later<T>(name: string, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        name,
        answer: () => resolve(work()),
        fail: () => reject(new StoreError("broken")),
      });
    });
  }

  /** Answers a read that waits, the oldest unless told otherwise. */
  answer(index = 0): void {
    this.#waiting.splice(index, 1)[0]?.answer();
  }

  fail(index = 0): void {
    this.#waiting.splice(index, 1)[0]?.fail();
  }

  /** Answers whatever waits or comes to wait. */
  async answerAll(settled: () => Promise<void>): Promise<void> {
    for (await settled(); this.#waiting.length > 0; await settled()) this.answer();
  }
}
