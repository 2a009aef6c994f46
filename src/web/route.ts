import { serverUrl } from "./server-url.ts";

/** What the user looks at: nothing, a room, or a message of a room. */
export interface Route {
  room?: string | undefined;
  seq?: number | undefined;
}

/** The current route, and how to change it. */
export interface Navigation {
  /** A new object after each navigation, also to the same place. */
  readonly route: Route;
  /** Goes to a room or a message. With `replace`, it takes the place of the current entry in the browser's history. */
  readonly navigate: (route: Route, options?: { replace?: boolean }) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

/** The path of the page, with a slash at the end. */
const root = serverUrl.pathname;

function routeOf(path: string): Route {
  if (!path.startsWith(root)) return {};
  const [, room, seq] = /^r\/([^/]+)(?:\/(\d{1,15}))?\/?$/.exec(path.slice(root.length)) ?? [];
  if (room === undefined) return {};
  try {
    return { room: decodeURIComponent(room), seq: seq === undefined ? undefined : Number(seq) };
  } catch {
    return {};
  }
}

/** The URL of a room or a message on the server's page. */
export function urlOf({ room, seq }: Route): string {
  const path = room === undefined ? "" : `r/${encodeURIComponent(room)}${seq === undefined ? "" : `/${seq}`}`;
  return new URL(path, serverUrl).href;
}

/** Navigation of the server's page, by the address of the browser. */
export class PageNavigation implements Navigation {
  route = routeOf(location.pathname);
  readonly #listeners = new Set<() => void>();

  readonly navigate = (route: Route, { replace = false } = {}): void => {
    history[replace ? "replaceState" : "pushState"](null, "", urlOf(route));
    // Browsers have no event for it.
    this.#update();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) addEventListener("popstate", this.#update);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) removeEventListener("popstate", this.#update);
    };
  };

  readonly #update = () => {
    this.route = routeOf(location.pathname);
    for (const listener of this.#listeners) listener();
  };
}
