import type { Chat } from "../../client/index.ts";
import { saveSnapshot } from "./snapshot.ts";

const SAVE_INTERVAL_MS = 5_000;

/** Keeps on this device what the user has seen, until `signal` is aborted. */
export function keepSnapshot(chat: Chat, user: string, signal: AbortSignal): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    const snapshot = chat.snapshot();
    if (snapshot && !signal.aborted) void saveSnapshot(user, snapshot);
  };
  const removeListener = chat.subscribe(() => {
    timer ??= setTimeout(save, SAVE_INTERVAL_MS);
  });
  // The browser may discard a hidden page at any time.
  const onHide = () => {
    if (document.visibilityState === "hidden") save();
  };
  document.addEventListener("visibilitychange", onHide, { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    removeListener();
  });
}
