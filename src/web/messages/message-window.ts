import type { Api } from "../../client/api.ts";
import type { Message, Room } from "../../client/index.ts";

const PAGE_SIZE = 100;
/** A message this close to those that are there is reached by loading all in between. */
const NEAR = 300;

/**
 * The messages of a room that are shown: its newest ones, as `Room.messages`, or those around an older one. Both are
 * joined when the messages in between have been loaded.
 */
export class MessageWindow {
  /** Why the last request for messages has failed. */
  problem: unknown;
  /** Older messages than those of `Room.messages`: without gaps, but perhaps with a gap after them. */
  #past: readonly Message[] | undefined;
  #shown: { past: unknown; live: unknown; messages: readonly Message[] } | undefined;
  #isLoading = false;
  readonly #room: Room;
  readonly #api: Api;
  readonly #listeners = new Set<() => void>();
  readonly #removeListener: () => void;

  constructor(room: Room, api: Api) {
    this.#room = room;
    this.#api = api;
    this.#removeListener = room.subscribe((event) => {
      if (event.type === "change") this.#apply(event.message);
      if (event.type === "reset") this.#past = this.problem = undefined;
      this.#emit();
    });
  }

  /** Oldest first. The same array until something in it changes. */
  get messages(): readonly Message[] {
    const { messages: live } = this.#room;
    const past = this.#past;
    if (this.#shown?.past !== past || this.#shown?.live !== live) {
      const messages =
        past && this.isAtEnd ? [...past.filter(({ seq }) => seq < firstOf(live)), ...live] : (past ?? live);
      this.#shown = { past, live, messages };
    }
    return this.#shown?.messages ?? live;
  }

  /** Whether `messages` starts with the room's first message. */
  get isAtStart(): boolean {
    return this.#past ? firstOf(this.#past) <= 1 : this.#room.complete;
  }

  /** Whether `messages` ends with the room's newest message. */
  get isAtEnd(): boolean {
    return !this.#past || (this.#past.at(-1)?.seq ?? 0) >= firstOf(this.#room.messages) - 1;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Loads messages before the first one. A failure is in `problem`, and nothing more is loaded until `retry`. */
  loadOlder(): Promise<void> {
    return this.#load(!this.isAtStart, async () => {
      if (!this.#past) await this.#room.older(PAGE_SIZE);
      else this.#past = [...(await this.#page({ before: firstOf(this.#past) })), ...this.#past];
    });
  }

  /** Loads messages after the last one, if there is a gap before the room's newest. */
  loadNewer(): Promise<void> {
    return this.#load(!this.isAtEnd, async () => {
      const past = this.#past ?? [];
      this.#past = [...past, ...(await this.#page({ after: past.at(-1)?.seq ?? 0 }))];
    });
  }

  retry(): void {
    this.problem = undefined;
    this.#emit();
  }

  /** Makes a message one of `messages`. Resolves with false if there is no such message, or it cannot be loaded. */
  async show(seq: number): Promise<boolean> {
    const isShown = () => this.messages.some((message) => message.seq === seq);
    if (isShown()) return true;
    this.problem = undefined;
    const { messages: live } = this.#room;
    if (seq > (live.at(-1)?.seq ?? 0)) return false;
    try {
      if (firstOf(live) - seq <= NEAR) {
        this.#past = undefined;
        while (!isShown() && (await this.#room.older(PAGE_SIZE)).length > 0);
      } else {
        this.#past = await this.#page({ around: seq });
      }
    } catch (error) {
      this.problem = error;
    }
    this.#emit();
    return isShown();
  }

  /** Goes back to the room's newest messages. */
  showNewest(): void {
    if (this.isAtEnd) return;
    this.#past = this.problem = undefined;
    this.#emit();
  }

  close(): void {
    this.#removeListener();
  }

  #page(range: { before?: number; after?: number; around?: number }): Promise<Message[]> {
    return this.#api.messages(this.#room.id, { ...range, limit: PAGE_SIZE });
  }

  async #load(isNeeded: boolean, load: () => Promise<void>): Promise<void> {
    if (!isNeeded || this.#isLoading || this.problem !== undefined) return;
    this.#isLoading = true;
    const past = this.#past;
    try {
      await load();
    } catch (error) {
      // Nobody waits for messages around a place that was left.
      if (past === this.#past) this.problem = error;
    } finally {
      this.#isLoading = false;
    }
    this.#emit();
  }

  /** Applies a change of a message that may be among the older ones, which `room.messages` does not have. */
  #apply(message: Message): void {
    const index = message.seq - firstOf(this.#past ?? []);
    const known = this.#past?.[index];
    if (known?.seq === message.seq && known.rev < message.rev) this.#past = this.#past?.with(index, message);
  }

  #emit(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The `seq` of the first of some messages. Without any it is 1: the room's first. */
const firstOf = (messages: readonly Message[]) => messages[0]?.seq ?? 1;
