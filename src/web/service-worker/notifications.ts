import { isPage, root } from "./files.ts";
import { nameOfShownRoom, type NotificationPayload, type OpenMessage } from "./payload.ts";

declare const self: ServiceWorkerGlobalScope;

/** TypeScript's library lacks `renotify`. */
interface Options extends NotificationOptions {
  renotify: boolean;
}

/** Shows a notification, unless the user sees the room, or this message or a later one was shown already. */
export async function showNotification(payload: NotificationPayload): Promise<void> {
  const { room, room_name: roomName, direct, seq, sender, text } = payload;
  const { held = [] } = await navigator.locks.query();
  const lock = nameOfShownRoom(new URL(root).pathname, room);
  if (held.some(({ name }) => name === lock)) return;
  const shown = await self.registration.getNotifications({ tag: room });
  if (shown.some(({ data }: { data: OpenMessage }) => data.seq >= seq)) return;
  const from = sender.name ?? sender.email ?? sender.id ?? "Somebody";
  const options: Options = {
    body: text,
    // One notification for each room: a later one replaces it, and alerts the user again.
    tag: room,
    renotify: true,
    data: { type: "open", room, seq } satisfies OpenMessage,
    icon: `${root}icon-192.png`,
  };
  await self.registration.showNotification(direct ? from : `${from} in ${roomName}`, options);
}

/** Shows the message of a notification, in a tab that is open if there is one. */
export async function openNotification(notification: Notification): Promise<void> {
  notification.close();
  const message = notification.data as OpenMessage;
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const tab = await tabs
    .find(({ url }) => isPage(url))
    ?.focus()
    .catch(() => undefined);
  tab?.postMessage(message, []);
  if (!tab) await self.clients.openWindow(`${root}r/${encodeURIComponent(message.room)}/${message.seq}`);
}
