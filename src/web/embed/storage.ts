import type { Services } from "../context.ts";
import { serverUrl } from "../server-url.ts";

// The storage belongs to the page. It may be forbidden there: then nothing survives a reload.

/** For what waits to be sent. The client's keys have the URL of the server in them. */
export function outboxStorage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

const keyOf = (key: string) => `${serverUrl.href} ${key}`;

/** For drafts. Rooms of other servers, and the page itself, have other keys. */
export const storage: Services["storage"] = {
  getItem: (key) => localStorage.getItem(keyOf(key)),
  setItem: (key, value) => localStorage.setItem(keyOf(key), value),
  removeItem: (key) => localStorage.removeItem(keyOf(key)),
};
