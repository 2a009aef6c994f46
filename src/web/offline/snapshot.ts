import type { Snapshot } from "../../client/index.ts";
import { serverUrl } from "../server-url.ts";

// What the user has last seen, kept on this device until they sign out. It is shown before the user is signed in again.

interface Stored {
  /** The user, as they are named to the issuer (`login_hint`). */
  user: string;
  /** URL of the script that wrote it. Another version can't read it. */
  script: string;
  snapshot: Snapshot;
}

const CACHE = `parley.seen:${serverUrl.pathname}`;
const KEY = new URL("seen.json", serverUrl).href;

/** Writes happen one after the other. */
let last: Promise<unknown> = Promise.resolve();

/** Does nothing where there is no Cache API: over plain http, except on the same machine. */
function inTurn<T>(use: (storage: CacheStorage) => Promise<T>): Promise<T | undefined> {
  const { caches } = globalThis as Partial<typeof globalThis>;
  // The storage may be full or forbidden. The user need not know.
  const next = last.then(() => caches && use(caches)).catch(() => undefined);
  last = next;
  return next;
}

/** What this user has last seen on this device. */
export function loadSnapshot(user: string): Promise<Snapshot | undefined> {
  return inTurn(async (storage) => {
    const response = await storage.match(KEY, { cacheName: CACHE });
    const stored = response && ((await response.json()) as Stored);
    return stored?.user === user && stored.script === import.meta.url ? stored.snapshot : undefined;
  });
}

/** Replaces what was stored, also for another user. */
export function saveSnapshot(user: string, snapshot: Snapshot): Promise<void> {
  return inTurn(async (storage) => {
    const stored: Stored = { user, script: import.meta.url, snapshot };
    await (await storage.open(CACHE)).put(KEY, Response.json(stored));
  });
}

export async function deleteSnapshot(): Promise<void> {
  await inTurn((storage) => storage.delete(CACHE));
}
