import { Component, type ReactNode, StrictMode, useLayoutEffect } from "react";

import type { Room } from "../../../src/client/index.ts";
import {
  ChatProvider,
  type ChatProviderProps,
  useChat,
  useMembers,
  useMessages,
  useOnline,
  useReads,
  useRoom,
  useRooms,
  useRoomState,
  useSeenBy,
  useStatus,
  useTyping,
  useUnread,
} from "../../../src/client/react.ts";

/** The part of the DOM that is used here: the tests are checked without its types. */
declare const document: { querySelectorAll(selector: string): Iterable<{ textContent: string | null }> };

/** What the application shows. */
export interface View {
  strict?: boolean;
  provider: ChatProviderProps;
  /** A room for each view of one: several may have the same, and null is a view without a room. */
  rooms: (string | null)[];
  /**
   * In place of everything else, this many components that show the first room and take a while to render, so that React
   * renders them in several turns. Nothing but them changes when a message arrives: React would begin again.
   */
  slow?: number;
}

/** How often each component has been rendered. */
export const renders: Record<string, number> = {};
/** The room of the last view that was rendered. */
export const current: { room: Room | undefined } = { room: undefined };
/** What slow components showed that were committed together and differed. */
export const torn: string[][] = [];

const count = (name: string) => void (renders[name] = (renders[name] ?? 0) + 1);

export function App({ strict = false, provider, rooms, slow }: View): ReactNode {
  const views =
    slow !== undefined ? (
      <SlowRoom count={slow} id={rooms[0] ?? null} />
    ) : (
      <>
        <Status />
        <Rooms />
        <Unread />
        {rooms.map((id, index) => (
          <RoomView key={index} id={id} />
        ))}
      </>
    );
  const app = <ChatProvider {...provider}>{views}</ChatProvider>;
  return strict ? <StrictMode>{app}</StrictMode> : app;
}

function Status() {
  count("status");
  return <p className="status">{useStatus()}</p>;
}

function Rooms() {
  count("rooms");
  const { rooms, unread, complete } = useRooms();
  const names = rooms.map((room) => `${room.name} ${room.unread}`);
  return <p className="rooms">{[...names, `total ${unread}`, complete ? "all" : "more"].join(", ")}</p>;
}

function Unread() {
  count("unread");
  return <p className="unread">{useUnread()}</p>;
}

function RoomView({ id }: { id: string | null }) {
  const room = useRoom(id);
  current.room = room;
  return (
    <section>
      <Name room={room} />
      <Messages room={room} />
      <Typing room={room} />
      <Online room={room} />
      <Members room={room} />
      <Seen room={room} />
    </section>
  );
}

interface Props {
  room: Room | undefined;
}

function Name({ room }: Props) {
  count("name");
  const name = useRoomState(room, (open) => open.name, undefined);
  const status = useRoomState(room, (open) => open.status, undefined);
  return <p className="name">{[name, status].join(" ")}</p>;
}

function Messages({ room }: Props) {
  count("messages");
  const { messages, complete } = useMessages(room);
  const texts = messages.map((message) =>
    "status" in message ? `${message.text} (${message.status})` : message.text,
  );
  return <p className="messages">{[...texts, complete ? "all" : "more"].join(", ")}</p>;
}

const names = (users: readonly { email: string | null }[]) =>
  users
    .map(({ email }) => email?.split("@")[0])
    .toSorted((a = "", b = "") => (a < b ? -1 : 1))
    .join(", ");

function Typing({ room }: Props) {
  count("typing");
  return <p className="typing">{names(useTyping(room))}</p>;
}

function Online({ room }: Props) {
  count("online");
  return <p className="online">{names(useOnline(room))}</p>;
}

function Members({ room }: Props) {
  count("members");
  return <p className="members">{names(useMembers(room))}</p>;
}

/** Shows who has read the first message. */
function Seen({ room }: Props) {
  count("seen");
  const marks = [...useReads(room).values()].toSorted((a, b) => a - b).join(" ");
  return <p className="seen">{`${names(useSeenBy(room, 1))}: ${marks}`}</p>;
}

function SlowRoom({ count: size, id }: { count: number; id: string | null }) {
  const room = useRoom(id);
  current.room = room;
  useLayoutEffect(() => {
    const shown = [...document.querySelectorAll(".slow")].map(({ textContent }) => textContent ?? "");
    if (new Set(shown).size > 1) torn.push(shown);
  });
  return Array.from({ length: size }, (_, index) => <SlowView key={index} room={room} />);
}

function SlowView({ room }: Props) {
  const { messages } = useMessages(room);
  const end = performance.now() + 4;
  while (performance.now() < end);
  return <p className="slow">{messages.at(-1)?.text ?? ""}</p>;
}

/** Shows the error of a component inside. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    return this.state.error ? <p className="error">{this.state.error.message}</p> : this.props.children;
  }
}

/** A component that uses the chat. */
export function Homeless(): ReactNode {
  useChat();
  return null;
}
