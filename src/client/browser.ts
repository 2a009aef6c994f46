/** The part of the Web Locks API that this client uses. */
export interface Locks {
  request(
    name: string,
    options: { ifAvailable: true },
    callback: (lock: object | null) => Promise<void> | void,
  ): Promise<unknown>;
}

interface EventSource {
  addEventListener(type: string, listener: () => void, options: { signal: AbortSignal }): void;
}

/** What browsers have, and other runtimes may lack. */
export const browser = globalThis as Partial<EventSource> & {
  navigator?: { onLine?: boolean; locks?: Locks };
  document?: EventSource & { visibilityState: string };
  sessionStorage?: object;
};
