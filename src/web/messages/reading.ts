import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useStore } from "../ui/hooks.ts";

/** Whether the user can see an element: it is on the screen, and the page is not hidden. */
function useVisible(element: RefObject<Element | null>): boolean {
  const [isVisible, setIsVisible] = useState(false);
  useEffect(() => {
    let isOnScreen = false;
    const update = () => setIsVisible(isOnScreen && document.visibilityState === "visible");
    const observer = new IntersectionObserver((entries) => {
      isOnScreen = entries.at(-1)?.isIntersecting ?? false;
      update();
    });
    if (element.current) observer.observe(element.current);
    document.addEventListener("visibilitychange", update);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", update);
    };
  }, []);
  return isVisible;
}

/**
 * Marks a room as read while its newest message is looked at. `firstUnread` is the first message that was unread when the
 * user came, or that has arrived while they looked at something else; it stays so that they find it.
 */
export function useReading(
  room: Room,
  /** What is below the newest message that is shown. */
  end: RefObject<Element | null>,
  isAtEnd: boolean,
): { firstUnread: number | undefined; unread: number } {
  const { chat } = useServices();
  const unread = useStore(room, (current) => current.unread);
  const isReading = useVisible(end) && isAtEnd;
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
