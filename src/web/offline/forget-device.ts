import type { Notifications } from "../notifications/notifications.ts";
import { forgetLastRoom } from "../rooms/last-room.ts";
import { serverUrl } from "../server-url.ts";
import { forgetUser } from "../sign-in/sign-in.ts";
import { deleteSnapshot } from "./snapshot.ts";

const CHANNEL = `parley.signed-out:${serverUrl.pathname}`;

/** Removes what a user has seen from this device, here and in other tabs. What they have written stays. */
export async function forgetDevice(notifications: Notifications): Promise<void> {
  forgetUser();
  forgetLastRoom();
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("");
  channel.close();
  // This one needs the user's token.
  await notifications.turnOff();
  await deleteSnapshot();
}

/** Calls `listener` when the user signs out in another tab. */
export function onForgotten(listener: () => void, signal: AbortSignal): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", listener);
  signal.addEventListener("abort", () => channel.close());
}
