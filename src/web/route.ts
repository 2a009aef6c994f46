import { useEffect, useState } from "preact/hooks";

import { serverUrl } from "./sign-in/config.ts";

/** The path of the page, with a slash at the end. */
const root = serverUrl.pathname;

/** What the address of the page names: nothing, a room, or a message of a room. */
export interface Route {
  room?: string | undefined;
  seq?: number | undefined;
}

export function routeOf(path: string): Route {
  if (!path.startsWith(root)) return {};
  const [, room, seq] = /^r\/([^/]+)(?:\/(\d{1,15}))?\/?$/.exec(path.slice(root.length)) ?? [];
  if (room === undefined) return {};
  try {
    return { room: decodeURIComponent(room), seq: seq === undefined ? undefined : Number(seq) };
  } catch {
    return {};
  }
}

export function pathOf({ room, seq }: Route): string {
  if (room === undefined) return root;
  return `${root}r/${encodeURIComponent(room)}${seq === undefined ? "" : `/${seq}`}`;
}

/** Told when the page goes to another address by itself, for which browsers have no event. */
const navigated = new EventTarget();

/** Goes to a room or a message. With `replace` the way back leads past the present address. */
export function navigate(route: Route, { replace = false } = {}): void {
  const path = pathOf(route);
  history[replace ? "replaceState" : "pushState"](null, "", path);
  navigated.dispatchEvent(new Event("navigate"));
}

/** What the address names. A new object after each navigation, also to the same address. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.pathname));
  useEffect(() => {
    const update = () => setRoute(routeOf(location.pathname));
    addEventListener("popstate", update);
    navigated.addEventListener("navigate", update);
    return () => {
      removeEventListener("popstate", update);
      navigated.removeEventListener("navigate", update);
    };
  }, []);
  return route;
}

/** A handler for links within the page. Clicks that open another tab or window are left to the browser. */
export function followLink(route: Route): (event: MouseEvent) => void {
  return (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(route);
  };
}
