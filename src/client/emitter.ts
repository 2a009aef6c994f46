/** Maximum number of events that wait for one reader. */
const MAX_BUFFERED_EVENTS = 1_000;

interface Reader<E> {
  buffer: E[];
  /** Resolves the promises of `next` that wait for an event. */
  waiting: ((result: IteratorResult<E, undefined>) => void)[];
}

const done = { value: undefined, done: true } as const;

/** Passes events to listeners, and to readers that iterate over them. */
export class EventEmitter<E extends { type: string }> {
  /**
   * `type` is undefined for a listener to all events. Replaced, not changed, so that a listener that is added during an
   * event starts with the next one.
   */
  #listeners: readonly { type: string | undefined; listener: (event: never) => void }[] = [];
  /** Buffers events for the first reader from the start, since programs usually await `ready` before they iterate. */
  #firstReader: Reader<E> | undefined = { buffer: [], waiting: [] };
  readonly #readers = new Set([this.#firstReader as Reader<E>]);
  #hasEnded = false;

  /** `overflow` takes the place of the events of a reader that is too far behind. */
  constructor(readonly overflow: E) {}

  readonly #add = (type: string | undefined, listener: (event: never) => void) => {
    const entry = { type, listener };
    this.#listeners = [...this.#listeners, entry];
    return (): void => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  };

  readonly on: <T extends E["type"]>(
    type: T,
    listener: (event: Extract<E, { type: T }>) => void,
  ) => () => void = this.#add;

  readonly subscribe = (listener: (event: E) => void) => this.#add(undefined, listener);

  /** Whether somebody listens for one of these types or iterates. */
  hasListener(...types: E["type"][]): boolean {
    return (
      this.#readers.size > (this.#firstReader ? 1 : 0) ||
      this.#listeners.some(({ type }) => types.includes(type as E["type"]))
    );
  }

  emit(event: E): void {
    // Before the listeners, which may cause further events.
    for (const reader of this.#readers) {
      const resolve = reader.waiting.shift();
      if (resolve) resolve({ value: event, done: false });
      else if (reader.buffer.push(event) > MAX_BUFFERED_EVENTS) reader.buffer = [this.overflow];
    }
    for (const { type = event.type, listener } of this.#listeners) {
      if (type !== event.type) continue;
      try {
        listener(event as never);
      } catch (error) {
        // Reported as an uncaught error, without stopping the client.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Ends all readers after the events they have buffered. If it is final, removes all listeners. */
  end(isFinal: boolean): void {
    this.#hasEnded = isFinal;
    if (isFinal) this.#listeners = [];
    for (const reader of this.#readers) this.#remove(reader);
  }

  /** The first iterator starts with the events that were emitted before it. */
  readonly iterate = (): AsyncIterableIterator<E, undefined> => {
    const reader: Reader<E> = this.#firstReader ?? { buffer: [], waiting: [] };
    if (!this.#firstReader && !this.#hasEnded) this.#readers.add(reader);
    this.#firstReader = undefined;
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () =>
        new Promise((resolve) => {
          const value = reader.buffer.shift();
          if (value) resolve({ value, done: false });
          else if (this.#readers.has(reader)) reader.waiting.push(resolve);
          else resolve(done);
        }),
      return: async () => {
        reader.buffer = [];
        this.#remove(reader);
        return done;
      },
    };
  };

  #remove(reader: Reader<E>): void {
    this.#readers.delete(reader);
    for (const resolve of reader.waiting.splice(0)) resolve(done);
  }
}
