import { browser, type Locks } from "./browser.ts";
import type { ChatContext } from "./chat-context.ts";
import type { RoomCommand } from "./command.ts";
import type { OutboxStorage } from "./options.ts";

/** A command that waits, as it is stored. */
export interface StoredCommand {
  /** Id of its user. Absent while it is not known. */
  user?: string | undefined;
  at: string;
  room_created_at?: string | undefined;
  command: RoomCommand;
}

export interface CommandStoreOptions {
  chat: ChatContext;
  storage: OutboxStorage;
  /** Beginning of the keys. */
  prefix: string;
}

/** Pages that can use a storage at the same time. */
const SLOTS = 16;
const MAX_STORED_COMMANDS = 1_000;

/**
 * Keeps the commands that wait in a storage that may be shared by several pages.
 *
 * The storage has `SLOTS` slots. A page reads and writes a slot only while it holds the lock of that name (Web Locks API),
 * and keeps the lock of its own slot until it ends, when the browser releases it. Whatever is in a slot that can be locked
 * was therefore left by a page that has ended: it is moved to the page's own slot first, and deleted then.
 *
 * Where there are no locks, a page uses a random slot, and takes what the others hold without being able to tell whether
 * their pages have ended. Nothing is lost, and a command that two pages send is stored once.
 */
export class CommandStore {
  readonly #options: CommandStoreOptions;
  readonly #locks: Locks | undefined;
  /** Key of this page's slot. */
  #key: string | undefined;
  #unlock: (() => void) | undefined;
  /** What was found and not taken. */
  #found: StoredCommand[] = [];
  #isWriting = false;
  /** Whether there may be commands that are not written. */
  #isDirty = true;
  #hasReported = false;

  constructor(options: CommandStoreOptions) {
    this.#options = options;
    // Each page has a `sessionStorage` of its own.
    this.#locks = isSessionStorage(options.storage) ? undefined : browser.navigator?.locks;
    // Lets other pages have this page's slot. What is in the storage stays there.
    options.chat.signal.addEventListener("abort", () => this.#unlock?.());
  }

  /** Finds the commands that were left by pages that have ended. */
  async load(): Promise<void> {
    const { storage, prefix, chat } = this.#options;
    if (this.#key && !this.#locks) return;
    const first = this.#locks ? 0 : Math.floor(chat.random() * SLOTS) % SLOTS;
    const emptied: string[] = [];
    const unlocks: (() => void)[] = [];
    try {
      for (let n = 0; n < SLOTS && !this.#isClosed; n++) {
        const key = `${prefix}${(first + n) % SLOTS}`;
        const unlock = key === this.#key ? undefined : await this.#lock(key);
        if (!unlock) continue;
        const isOwn = this.#key === undefined;
        if (isOwn) this.#unlock = unlock;
        else unlocks.push(unlock);
        const text = await storage.getItem(key);
        if (text !== null) this.#found.push(...parse(text));
        if (isOwn) this.#key = key;
        else if (text !== null) emptied.push(key);
      }
      this.#found = this.#found.slice(-MAX_STORED_COMMANDS);
      if (emptied.length > 0) await this.#write();
      for (const key of emptied) await storage.removeItem(key);
      if (this.#key === undefined) throw new Error("The storage is used by too many pages.");
    } catch (error) {
      this.#report(error);
    } finally {
      for (const unlock of unlocks) unlock();
      if (this.#isClosed) this.#unlock?.();
    }
    void this.#flush();
  }

  /** Removes and returns the commands of this user that were found, by room. Those of other users stay in the storage. */
  takeOwn(): Map<string, StoredCommand[]> {
    const { me } = this.#options.chat;
    const rooms = new Map<string, StoredCommand[]>();
    if (!me || this.#isClosed) return rooms;
    for (const stored of this.#found) {
      const { room } = stored.command;
      if (stored.user === me.id) rooms.set(room, [...(rooms.get(room) ?? []), stored]);
    }
    // A command without a user was queued before there was a token. It might be anybody's.
    this.#found = this.#found.filter(({ user }) => user !== me.id && user !== undefined);
    return rooms;
  }

  /** The commands that wait have changed. They are written a moment later. */
  save(): void {
    this.#isDirty = true;
    void this.#flush();
  }

  get #isClosed(): boolean {
    return this.#options.chat.signal.aborted;
  }

  async #flush(): Promise<void> {
    if (this.#isWriting || this.#key === undefined) return;
    this.#isWriting = true;
    // Several commands of one turn are written at once.
    await Promise.resolve();
    while (this.#isDirty && !this.#isClosed) {
      this.#isDirty = false;
      await this.#write().catch((error: unknown) => this.#report(error));
    }
    this.#isWriting = false;
  }

  async #write(): Promise<void> {
    const { storage, chat } = this.#options;
    if (this.#key === undefined) return;
    const user = chat.me?.id ?? subjectOf(chat.connection.token);
    const waiting = chat.outbox.waiting
      .filter(({ command }) => command.type !== "read")
      .map(({ command, at, room_created_at }): StoredCommand => ({ user, at, room_created_at, command }));
    const all = [...this.#found, ...waiting];
    if (all.length === 0) await storage.removeItem(this.#key);
    else await storage.setItem(this.#key, JSON.stringify(all));
  }

  /** Resolves with a function that releases the lock, or with undefined if another page holds it. */
  #lock(key: string): Promise<(() => void) | undefined> {
    const locks = this.#locks;
    if (!locks) return Promise.resolve(() => undefined);
    return new Promise((resolve, reject) => {
      locks
        .request(key, { ifAvailable: true }, (lock) =>
          lock ? new Promise<void>((release) => resolve(release)) : resolve(undefined),
        )
        .catch(reject);
    });
  }

  /** A full storage fails again and again; it is reported once. */
  #report(error: unknown): void {
    if (this.#hasReported || this.#isClosed) return;
    this.#hasReported = true;
    this.#options.chat.onError(error);
  }
}

function isSessionStorage(storage: OutboxStorage): boolean {
  try {
    return storage === browser.sessionStorage;
  } catch {
    // A page without access to its own storage uses another one.
    return false;
  }
}

/** The user for whom a JWT was issued: its `sub`. Undefined if it is not a JWT. The server verifies it, not this client. */
function subjectOf(token = ""): string | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return (JSON.parse(new TextDecoder().decode(bytes)) as { sub?: string }).sub;
  } catch {
    return undefined;
  }
}

/** Ignores what is not a list of commands. */
function parse(text: string): StoredCommand[] {
  try {
    const stored = JSON.parse(text) as StoredCommand[];
    return stored.filter(({ command }) => typeof command.room === "string");
  } catch {
    return [];
  }
}
