/** The types of the events of the page and the browser that the client listens to, and the number of listeners of each. */
export interface BrowserListeners extends Disposable {
  readonly count: Record<string, number>;
  document: { visibilityState: string };
  /** The browser reports something. */
  report(type: string): void;
}

/** Stands in for the `window` and the `document` of a page, which is visible, until it is disposed. */
export function browserListeners(): BrowserListeners {
  const names = ["addEventListener", "document"] as const;
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  const count: Record<string, number> = {};
  const target = new EventTarget();
  const addEventListener = (type: string, listener: () => void, { signal }: { signal: AbortSignal }) => {
    count[type] = (count[type] ?? 0) + 1;
    signal.addEventListener("abort", () => (count[type] = (count[type] ?? 0) - 1));
    target.addEventListener(type, listener, { signal });
  };
  const document = { addEventListener, visibilityState: "visible" };
  for (const [name, value] of Object.entries({ addEventListener, document }))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return {
    count,
    document,
    report: (type) => void target.dispatchEvent(new Event(type)),
    [Symbol.dispose]() {
      for (const [name, descriptor] of before) {
        if (descriptor) Object.defineProperty(globalThis, name, descriptor);
        else Reflect.deleteProperty(globalThis, name);
      }
    },
  };
}
