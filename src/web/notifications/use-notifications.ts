import { useEffect } from "preact/hooks";

import { useServices } from "../context.ts";
import { onNewMessage } from "../new-messages.ts";
import { serverUrl } from "../server-url.ts";
import { nameOfShownRoom, type NotifyMessage, type OpenMessage } from "../service-worker/payload.ts";
import { usePageVisible } from "../ui/hooks.ts";
import { type About, canNotify, type Notifications } from "./notifications.ts";

/** Notifies the user while the page is in the background, and removes the notifications of what they have read. */
export function useNotifications(notifications: Notifications, shownRoom: string | undefined): void {
  const { chat, navigation } = useServices();
  useEffect(() => {
    if (!canNotify) return undefined;
    const { serviceWorker } = navigator;
    const onMessage = ({ data: { room, seq } }: MessageEvent<OpenMessage>) =>
      navigation.navigate({ room, seq });
    serviceWorker.addEventListener("message", onMessage);
    return () => serviceWorker.removeEventListener("message", onMessage);
  }, [navigation]);

  useEffect(() => {
    const notify = async (message: NotifyMessage) =>
      (await navigator.serviceWorker.ready).active?.postMessage(message);
    return onNewMessage(chat, ({ room, last, isMention }) => {
      const isWanted = isMention || room.direct !== undefined;
      if (!notifications.isOn || !isWanted || document.visibilityState === "visible") return;
      const { seq, sender, text } = last;
      const direct = room.direct !== undefined;
      const payload = { room: room.id, room_name: room.name, direct, seq, sender, text };
      void notify({ type: "notify", payload });
    });
  }, [chat, notifications]);

  useEffect(() => {
    let unread = Infinity;
    const update = () => {
      const isLess = chat.unread < unread;
      ({ unread } = chat);
      if (!notifications.isOn || !isLess || !chat.complete) return;
      const isRead = ({ room, seq }: About) => seq <= (chat.room(room)?.read ?? Infinity);
      notifications.close(isRead).catch(() => undefined);
    };
    return chat.on("rooms", update);
  }, [chat, notifications]);

  useEffect(() => {
    // Once for each load of the page.
    let isRegistered = false;
    const register = async () => {
      if (isRegistered || chat.status !== "open") return;
      isRegistered = await notifications.registerPush().catch(() => false);
    };
    void register();
    return chat.on("status", () => void register());
  }, [chat, notifications]);

  const isVisible = usePageVisible();
  useEffect(() => {
    if (!isVisible || shownRoom === undefined || !canNotify) return undefined;
    const { promise: hidden, resolve: release } = Promise.withResolvers<void>();
    const name = nameOfShownRoom(serverUrl.pathname, shownRoom);
    void navigator.locks.request(name, { mode: "shared" }, () => hidden);
    return release;
  }, [isVisible, shownRoom]);
}
