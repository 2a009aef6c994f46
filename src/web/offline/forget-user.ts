import type { Notifications } from "../notifications/notifications.ts";
import { remember } from "../remember.ts";
import { forgetLastRoom } from "../rooms/last-room.ts";
import { forgetUser } from "../sign-in/sign-in.ts";

/** Set and removed at once: other tabs get a `storage` event. */
const SIGNAL_KEY = "parley.signed-out";

/** Forgets who is signed in on this device, in other tabs too, and removes notifications. What they have written stays. */
export async function forgetUserHere(notifications: Notifications): Promise<void> {
  forgetUser();
  forgetLastRoom();
  remember(SIGNAL_KEY, "");
  localStorage.removeItem(SIGNAL_KEY);
  await notifications.turnOff();
}

/** Calls `listener` when the user signs out in another tab. */
export function onForgotten(listener: () => void, signal: AbortSignal): void {
  const onStorage = ({ key, newValue }: StorageEvent) => {
    if (key === SIGNAL_KEY && newValue !== null) listener();
  };
  addEventListener("storage", onStorage, { signal });
}
