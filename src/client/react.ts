import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";

import {
  type Chat,
  type ChatStatus,
  connect,
  type ConnectOptions,
  type Member,
  type Message,
  type PendingMessage,
  type Room,
  type RoomSummary,
  type User,
} from "./index.ts";

// React hooks for a chat. Each one renders its component again only when what it returns has changed. On the server, and in
// the browser before the chat is there, they return the empty state.

/** Props of `ChatProvider`: a chat, or the options of `connect`. */
export type ChatProviderProps = { children?: ReactNode } & (
  | {
      /** A chat that the application connects and closes. Undefined while there is none. */
      chat: Chat | undefined;
    }
  | ConnectOptions
);

/** Null outside of a provider, undefined before the chat is connected. */
const ChatContext = createContext<Chat | null | undefined>(null);

/**
 * Makes a chat available to the components inside.
 *
 * Given options, it connects when it is mounted and closes the chat when it is unmounted. It connects anew if `url` is
 * another one; the other options are those of the first render, except `token`, which is always the latest. Give it the
 * user's id as `key`, so that it connects anew for another user.
 */
export function ChatProvider(props: ChatProviderProps): ReactElement {
  const options = "chat" in props ? undefined : props;
  const connected = useConnection(options);
  const value = "chat" in props ? props.chat : connected;
  return createElement(ChatContext.Provider, { value }, props.children);
}

function useConnection(options: ConnectOptions | undefined): Chat | undefined {
  const [chat, setChat] = useState<Chat>();
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => {
    if (!options) return undefined;
    const token: ConnectOptions["token"] = (request) => (latest.current ?? options).token(request);
    const connected = connect({ ...options, token });
    setChat(connected);
    // In strict mode, React mounts, unmounts and mounts again in one turn. A chat that is closed in the turn in which it was
    // made requests no token and opens no connection.
    return () => connected.close();
  }, [options?.url]);
  return options && chat;
}

const subscribeToNothing = () => () => undefined;

function useStore<S extends Chat | Room, T>(store: S | undefined, read: (store: S) => T, empty: T): T {
  return useSyncExternalStore<T>(
    store ? store.subscribe : subscribeToNothing,
    () => (store ? read(store) : empty),
    () => empty,
  );
}

/** The chat. Undefined on the server, and until the provider has connected. Throws outside of a `ChatProvider`. */
export function useChat(): Chat | undefined {
  const chat = useContext(ChatContext);
  if (chat === null) throw new Error("There is no <ChatProvider> around this component.");
  return chat;
}

/** The state of the connection. */
export function useStatus(): ChatStatus {
  return useStore<Chat, ChatStatus>(useChat(), (chat) => chat.status, "connecting");
}

const none: readonly never[] = [];
const noReads: ReadonlyMap<string, number> = new Map();

/** This user's rooms, most recent activity first; the unread messages in all of them; and whether these are all rooms. */
export function useRooms(): { rooms: readonly RoomSummary[]; unread: number; complete: boolean } {
  const chat = useChat();
  const rooms = useStore<Chat, readonly RoomSummary[]>(chat, (current) => current.rooms, none);
  const complete = useStore(chat, (current) => current.complete, false);
  const unread = useUnread();
  return useMemo(() => ({ rooms, unread, complete }), [rooms, unread, complete]);
}

/** Unread messages in all rooms. */
export function useUnread(): number {
  return useStore(useChat(), (chat) => chat.unread, 0);
}

/**
 * Opens a room while the component is mounted. All components get the same `Room`. Undefined on the server, in the first
 * render, and without an id. If the server closes the room, it is opened again when the user becomes a member again, and
 * after each reconnection.
 */
export function useRoom(id: string | null | undefined): Room | undefined {
  const chat = useChat();
  const store = useMemo(() => {
    let room: Room | undefined;
    const subscribe = (onChange: () => void) => {
      if (!chat || id == null) return () => undefined;
      room = chat.open(id);
      const removeListener = chat.subscribe((event) => {
        const isBack =
          event.type === "joined" ? event.room.id === id : event.type === "status" && event.status === "open";
        if (room?.status !== "closed" || !isBack) return;
        room.close();
        room = chat.open(id);
        onChange();
      });
      return () => {
        removeListener();
        room?.close();
        room = undefined;
      };
    };
    return { subscribe, read: () => room };
  }, [chat, id]);
  return useSyncExternalStore(store.subscribe, store.read, () => undefined);
}

/**
 * A value of a room, such as `useRoomState(room, (room) => room.name, "")`. `read` must return the same value until
 * something has changed, as the properties of `Room` do. `empty` is returned while there is no room.
 */
export function useRoomState<T>(room: Room | undefined, read: (room: Room) => T, empty: T): T {
  return useStore(room, read, empty);
}

/**
 * The newest messages of a room, oldest first, followed by those that are pending. `complete` tells whether they start
 * with the room's first message; `older` loads more, as `Room.older`.
 */
export function useMessages(room: Room | undefined): {
  messages: readonly (Message | PendingMessage)[];
  complete: boolean;
  older: (limit?: number) => Promise<Message[]>;
} {
  const messages = useStore<Room, readonly Message[]>(room, (current) => current.messages, none);
  const pending = useStore<Room, readonly PendingMessage[]>(room, (current) => current.pending, none);
  const complete = useStore(room, (current) => current.complete, false);
  return useMemo(
    () => ({
      messages: pending.length > 0 ? [...messages, ...pending] : messages,
      complete,
      older: async (limit) => room?.older(limit) ?? [],
    }),
    [room, messages, pending, complete],
  );
}

/** The other users who are typing in a room. */
export function useTyping(room: Room | undefined): readonly User[] {
  return useStore<Room, readonly User[]>(room, (current) => current.typingUsers, none);
}

/** The users who are connected to a room. */
export function useOnline(room: Room | undefined): readonly User[] {
  return useStore<Room, readonly User[]>(room, (current) => current.online, none);
}

/** The members of a room. It loads them; if that fails, it tries again after each reconnection. */
export function useMembers(room: Room | undefined): readonly Member[] {
  const isOpen = useStore(room, (current) => current.status === "open", false);
  useEffect(() => {
    if (isOpen) room?.loadMembers().catch(() => undefined);
  }, [room, isOpen]);
  return useStore<Room, readonly Member[]>(room, (current) => current.members, none);
}

/** The read marks of a room's other users, by user id. */
export function useReads(room: Room | undefined): ReadonlyMap<string, number> {
  return useStore(room, (current) => current.reads, noReads);
}

/** The users who have read a message, without its sender and this user. */
export function useSeenBy(room: Room | undefined, seq: number): readonly User[] {
  const read = useMemo(() => {
    let reads: Room["reads"] | undefined;
    let users: readonly User[] = none;
    return (current: Room) => {
      if (reads === current.reads) return users;
      ({ reads } = current);
      const now = current.seenBy(seq);
      if (now.length !== users.length || now.some(({ id }, index) => id !== users[index]?.id)) users = now;
      return users;
    };
  }, [seq]);
  return useStore(room, read, none);
}
