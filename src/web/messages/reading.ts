import { useEffect, useRef, useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useStore } from "../ui/hooks.ts";

/** Whether the user can see the page. */
function useVisible(): boolean {
  const [isVisible, setIsVisible] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const update = () => setIsVisible(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", update);
    return () => document.removeEventListener("visibilitychange", update);
  }, []);
  return isVisible;
}

/**
 * Marks a room as read while its newest message is looked at. `firstUnread` is the first message that was unread when the
 * user came, or that has arrived while they looked at something else; it stays so that they find it.
 */
export function useReading(
  room: Room,
  isAtEnd: boolean,
  isLoaded: boolean,
): { firstUnread: number | undefined; unread: number } {
  const { chat } = useServices();
  const unread = useStore(room, (current) => current.unread);
  const isVisible = useVisible();
  const isReading = isVisible && isAtEnd && isLoaded;
  const firstUnread = useRef<{ room: Room; seq: number | undefined }>(undefined);
  const markOf = () => {
    const mark = chat.room(room.id)?.read;
    return unread > 0 && mark !== undefined ? mark + 1 : undefined;
  };
  if (firstUnread.current?.room !== room) firstUnread.current = { room, seq: markOf() };
  const wasUnread = useRef(unread);
  if (wasUnread.current === 0 && unread > 0 && !isReading) firstUnread.current = { room, seq: markOf() };
  wasUnread.current = unread;
  useEffect(() => {
    if (isReading && unread > 0) room.read().catch(() => undefined);
  }, [room, isReading, unread]);
  return { firstUnread: firstUnread.current.seq, unread };
}
