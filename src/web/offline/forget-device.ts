import type { Notifications } from "../notifications/notifications.ts";
import { forgetLastRoom } from "../rooms/last-room.ts";
import { forgetUser } from "../sign-in/sign-in.ts";
import { deleteSnapshot } from "./snapshot.ts";

/** Set and removed at once: other tabs are told of it. */
const SIGNAL_KEY = "parley.signed-out";

/** Removes what a user has seen from this device, here and in other tabs. What they have written stays. */
export async function forgetDevice(notifications: Notifications): Promise<void> {
  forgetUser();
  forgetLastRoom();
  localStorage.setItem(SIGNAL_KEY, "");
  localStorage.removeItem(SIGNAL_KEY);
  // This needs the user's token.
  await notifications.turnOff();
  await deleteSnapshot();
}

/** Calls `listener` when the user signs out in another tab. */
export function onForgotten(listener: () => void, signal: AbortSignal): void {
  const onStorage = ({ key, newValue }: StorageEvent) => {
    if (key === SIGNAL_KEY && newValue !== null) listener();
  };
  addEventListener("storage", onStorage, { signal });
}
