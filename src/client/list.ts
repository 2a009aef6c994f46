/** One page of a list. */
export interface Page<T> {
  items: T[];
  /** For `List.page`: where the next page begins. Null at the end. */
  next: string | null;
}

/**
 * A list that the server sends in pages. Nothing is requested until it is read:
 * - `for await (const item of list)` requests one page after the other, as they are needed
 * - `list.page()` requests one page
 * - `list.all()` requests all of them
 *
 * Something that changes its place in the list meanwhile may be missed, or come twice.
 */
export class List<T> implements AsyncIterable<T> {
  readonly #read: (cursor: string | undefined) => Promise<Page<T>>;
  readonly #isBackward: boolean;

  /** With `isBackward`, each page has its items in the reverse of the list's order. */
  constructor(read: (cursor: string | undefined) => Promise<Page<T>>, isBackward = false) {
    this.#read = read;
    this.#isBackward = isBackward;
  }

  /** The first page, or the one that begins at the `next` of another page. */
  page(cursor?: string): Promise<Page<T>> {
    return this.#read(cursor);
  }

  /** All items, in the order of the list. */
  async all(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    let cursor: string | undefined;
    do {
      const { items, next } = await this.#read(cursor);
      yield* this.#isBackward ? items.toReversed() : items;
      cursor = next ?? undefined;
    } while (cursor !== undefined);
  }
}
