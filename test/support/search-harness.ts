import { createLocalBus } from "../../src/bus/local.ts";
import type { Actor } from "../../src/chat/model.ts";
import { Rooms } from "../../src/chat/rooms.ts";
import type { SearchIndex } from "../../src/chat/search-index.ts";
import { Search, type SearchPage, type SearchRequest } from "../../src/chat/search.ts";
import type { Store } from "../../src/chat/store.ts";
import { StoreHarness } from "../contract/store-harness.ts";

/** A store whose messages can be searched. */
export interface SearchableStore {
  store: Store & { search: SearchIndex };
}

/** Makes users, rooms and messages, and searches them. */
export class SearchHarness extends StoreHarness {
  readonly index: SearchIndex;
  readonly #search: Search;

  constructor(
    private readonly searchable: SearchableStore,
    // Time stands still, so that no search runs out of it on a busy machine.
    monotonic = () => 0,
  ) {
    super(searchable.store);
    this.index = searchable.store.search;
    const bus = createLocalBus({ dataVersion: () => 0, failed: () => undefined });
    bus.close();
    const limits = { textBytes: 0, messageRate: 0, messageBurst: 0, roomsPerUser: 0, membersPerRoom: 0 };
    const rooms = new Rooms({
      store: searchable.store,
      bus,
      limits,
      now: Date.now,
      writeFailed: () => undefined,
    });
    this.#search = new Search({ rooms, index: this.index, monotonic });
  }

  /** The same with another clock, in milliseconds. */
  withClock(monotonic: () => number): SearchHarness {
    return new SearchHarness(this.searchable, monotonic);
  }

  /** How many milliseconds each search was charged for. */
  readonly spent: number[] = [];

  /** Indexes everything that is stored. */
  async indexAll(): Promise<void> {
    this.index.anythingChanged();
    while (await this.index.update());
  }

  page(user: Actor, query: string, options: Partial<SearchRequest> = {}): Promise<SearchPage> {
    return this.#search.search(user, { query, limit: 50, ...options }, (ms) => void this.spent.push(ms));
  }

  /** All results, page by page, each as `room/seq`. */
  async results(user: Actor, query: string, options: Partial<SearchRequest> = {}): Promise<string[]> {
    const found: string[] = [];
    for (let cursor: string | null | undefined = options.cursor; cursor !== null;) {
      const { results, next } = await this.page(user, query, { ...options, cursor });
      found.push(...results.map(({ room, message }) => `${room}/${message.seq}`));
      cursor = next;
    }
    return found;
  }

  /** The texts of all results. */
  async found(user: Actor, query: string, options: Partial<SearchRequest> = {}): Promise<(string | null)[]> {
    const { results } = await this.page(user, query, options);
    return results.map(({ message }) => message.text);
  }
}
