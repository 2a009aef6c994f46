import { startTransition } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";

import { type Chat, connect, type ConnectOptions, type Room } from "../../../src/client/index.ts";
import { App, current, ErrorBoundary, Homeless, renders, torn, type View } from "./react-app.tsx";

// The page of an application, as the tests drive it.

declare global {
  var app: typeof page;
}

/** The part of the DOM that is used here: the tests are checked without its types. */
declare const document: {
  body: { appendChild(element: Element): Element };
  querySelector(selector: string): Element | null;
  createElement(name: string): Element;
};

export interface Start extends Partial<Omit<View, "provider">> {
  url: string;
  token: string;
  /** Whether the page connects the chat, in place of the provider. */
  own?: boolean;
  /** Whether the page has the HTML of the server. */
  hydrate?: boolean;
}

let root: Root;
let view: View;
let listeners = 0;
let tokens = 0;

/** Counts the listeners of a chat or a room. */
function countListeners<T extends Chat | Room>(store: T): T {
  const subscribe: (listener: () => void) => () => void = store.subscribe;
  if (Object.hasOwn(subscribe, "isCounted")) return store;
  const counted = (listener: () => void) => {
    listeners++;
    const remove = subscribe(listener);
    return () => {
      listeners--;
      remove();
    };
  };
  return Object.assign(store, { subscribe: Object.assign(counted, { isCounted: true }) });
}

function connectCounted(options: ConnectOptions): Chat {
  const chat = countListeners(connect(options));
  const open = chat.open.bind(chat);
  return Object.assign(chat, { open: (id: string) => countListeners(open(id)) });
}

const page = {
  renders,
  torn,
  chat: undefined as Chat | undefined,
  errors: [] as string[],
  get room(): Room | undefined {
    return current.room;
  },
  get listeners(): number {
    return listeners;
  },
  get tokens(): number {
    return tokens;
  },
  start({ url, token, own = false, hydrate = false, rooms = [], ...rest }: Start): void {
    const options = { url, token: () => (tokens++, token) };
    if (own) page.chat = connectCounted(options);
    view = { provider: own ? { chat: page.chat } : options, rooms, ...rest };
    const element = document.body.appendChild(
      document.querySelector("main") ?? document.createElement("main"),
    );
    if (hydrate) {
      root = hydrateRoot(element, <App {...view} />, {
        onRecoverableError: (error) => void page.errors.push(String(error)),
      });
    } else {
      root = createRoot(element);
      page.show({});
    }
  },
  /** Renders the provider with another function for the token, which returns the same one and counts anew. */
  replaceToken(token: string): void {
    tokens = 0;
    page.show({ provider: { ...view.provider, token: () => (tokens++, token) } });
  },
  show(change: Partial<View>): void {
    view = { ...view, ...change };
    root.render(<App {...view} />);
  },
  /** Shows a view in a transition, which React renders in several turns. */
  showLater(change: Partial<View>): void {
    startTransition(() => page.show(change));
  },
  showHomeless(): void {
    root.render(
      <ErrorBoundary>
        <Homeless />
      </ErrorBoundary>,
    );
  },
  unmount(): void {
    root.unmount();
  },
};
globalThis.app = page;
