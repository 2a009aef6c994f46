import type { OutboxStorage } from "../../../src/client/index.ts";

/** A storage that several pages of a test share. */
export class MemoryStorage implements OutboxStorage {
  readonly #items = new Map<string, string>();
  /** How often something was stored. */
  writes = 0;

  get entries(): [string, string][] {
    return [...this.#items];
  }

  get keys(): string[] {
    return [...this.#items.keys()];
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.writes++;
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }
}

/** Stands in for the Web Locks API of a browser, until it is disposed. */
export class FakeLocks implements Disposable {
  readonly #held = new Set<string>();

  constructor() {
    Object.defineProperty(navigator, "locks", { value: this, configurable: true });
  }

  get held(): string[] {
    return [...this.#held];
  }

  async request(
    name: string,
    _: { ifAvailable: true },
    callback: (lock: object | null) => Promise<void> | void,
  ): Promise<void> {
    if (this.#held.has(name)) return callback(null);
    this.#held.add(name);
    await callback({ name });
    this.#held.delete(name);
  }

  /** The page that holds a lock has ended: the browser releases it. */
  endPage(name: string): void {
    this.#held.delete(name);
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(navigator, "locks");
  }
}

/** A JWT of a user, which nobody has signed. */
export function tokenOf(user: string): string {
  const payload = Buffer.from(JSON.stringify({ sub: user, name: "Zoë" })).toString("base64url");
  return `eyJhbGciOiJub25lIn0.${payload}.`;
}
