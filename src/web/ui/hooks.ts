import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

import type { Chat, ErrorCode, Member, Room, User } from "../../client/index.ts";

interface Store {
  subscribe(listener: () => void): () => void;
}

/**
 * A value of a chat or a room, such as `useStore(chat, (chat) => chat.status)`. The component is rendered again when the
 * value is another one. `read` must return the same value until something has changed, as the properties of both do.
 */
export function useStore<S extends Store, T>(store: S, read: (store: S) => T): T {
  const [, update] = useReducer<number, undefined>((count) => count + 1, 0);
  const value = read(store);
  const latest = useRef({ read, value });
  latest.current = { read, value };
  useLayoutEffect(() => {
    const check = () => {
      const { current } = latest;
      if (!Object.is(current.read(store), current.value)) update(undefined);
    };
    // Something may have changed between the rendering and this effect.
    check();
    return store.subscribe(check);
  }, [store]);
  return value;
}

/** A room that is open while the component is mounted. `closed` tells why the server has closed it. */
export interface OpenRoom {
  room: Room | undefined;
  closed: ErrorCode | undefined;
}

/** Opens a room. If the server closes it, it is opened again when the user becomes a member, and after each reconnection. */
export function useRoom(chat: Chat, id: string): OpenRoom {
  const [state, setState] = useState<OpenRoom & { id: string }>();
  useLayoutEffect(() => {
    let room: Room;
    const open = () => {
      const opened = (room = chat.open(id));
      setState({ id, room: opened, closed: undefined });
      opened.ready.catch(() => undefined);
      // The room that was shown before is closed a moment later.
      opened.on("closed", ({ reason }) =>
        setState((now) => (now?.room === opened ? { ...now, closed: reason } : now)),
      );
    };
    open();
    const removeListener = chat.subscribe((event) => {
      const isBack =
        event.type === "joined" ? event.room.id === id : event.type === "status" && event.status === "open";
      if (room.status !== "closed" || !isBack) return;
      room.close();
      open();
    });
    return () => {
      removeListener();
      room.close();
    };
  }, [chat, id]);
  return state?.id === id ? state : { room: undefined, closed: undefined };
}

/** The members of a room. It loads them; if that fails, it tries again after each reconnection. */
export function useMembers(room: Room): readonly Member[] {
  const isOpen = useStore(room, (current) => current.status === "open");
  useEffect(() => {
    if (isOpen) room.loadMembers().catch(() => undefined);
  }, [room, isOpen]);
  return useStore(room, (current) => current.members);
}

/** The users who have read a message, without its sender and this user. */
export function useSeenBy(room: Room, seq: number): readonly User[] {
  const reads = useStore(room, (current) => current.reads);
  const cache = useRef<{ key: unknown; seq: number; users: readonly User[] }>(undefined);
  if (cache.current?.key !== reads || cache.current.seq !== seq)
    cache.current = { key: reads, seq, users: room.seenBy(seq) };
  return cache.current.users;
}

/** Whether the page is in the foreground. */
export function usePageVisible(): boolean {
  const [isVisible, setIsVisible] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const update = () => setIsVisible(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", update);
    return () => document.removeEventListener("visibilitychange", update);
  }, []);
  return isVisible;
}

/** Calls `onKey` for key presses anywhere on the page. */
export function useKeys(onKey: (event: KeyboardEvent) => void): void {
  const latest = useRef(onKey);
  latest.current = onKey;
  useEffect(() => {
    const listener = (event: KeyboardEvent) => latest.current(event);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
}

/** The current time in milliseconds, updated every `everyMs`. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
