import { useState } from "preact/hooks";

import type { Chat } from "../client/index.ts";
import { Announcer, useTitle } from "./announcer.tsx";
import { Banner } from "./banner.tsx";
import { type Services, useServices } from "./context.ts";
import { NewMessage } from "./members/new-message.tsx";
import type { Notifications } from "./notifications/notifications.ts";
import { useNotifications } from "./notifications/use-notifications.ts";
import { CreateRoom } from "./rooms/create-room.tsx";
import { useLastRoom } from "./rooms/last-room.ts";
import { OpenRooms } from "./rooms/open-rooms.tsx";
import { inListOrder, RoomList } from "./rooms/room-list.tsx";
import { RoomView } from "./rooms/room-view.tsx";
import { type DialogName, Sidebar } from "./rooms/sidebar.tsx";
import { PageNavigation } from "./route.ts";
import { Search } from "./search.tsx";
import { ServicesProvider } from "./services.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import { useKeys, useStore } from "./ui/hooks.ts";

interface Props {
  chat: Chat;
  notifications: Notifications;
  /** Whether the user has to sign in again. */
  isSignedOut: boolean;
  /** Called when the user is signed out, and wants to sign in again. */
  onSignIn: () => void;
  onSignOut: () => void;
}

/** A chat: the rooms, and one of them. */
export function ChatPage({ chat, ...props }: Props) {
  const [navigation] = useState(() => new PageNavigation());
  return (
    <ServicesProvider chat={chat} navigation={navigation} storage={localStorage} isEmbedded={false}>
      <Page {...props} />
    </ServicesProvider>
  );
}

function Page({ notifications, isSignedOut, onSignIn, onSignOut }: Omit<Props, "chat">) {
  const services = useServices();
  const { chat, navigation, composer } = services;
  const { room } = useStore(navigation, (current) => current.route);
  const [dialog, setDialog] = useState<DialogName>();
  const hasRooms = useStore(chat, ({ rooms }) => rooms.length > 0);
  const close = () => setDialog(undefined);
  useTitle(room);
  useLastRoom(room);
  useNotifications(notifications, room);
  useKeys((event) => {
    const { key, target, altKey, shiftKey } = event;
    const isWriting = target instanceof HTMLElement && target.matches("input, textarea, select");
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "k") setDialog("search");
    else if (altKey && step !== undefined) goToNeighbour(services, room, step, shiftKey);
    else if (key === "?" && !isWriting) setDialog("shortcuts");
    else if (key === "Escape" && !event.defaultPrevented) composer.current?.focus();
    else return;
    event.preventDefault();
  });
  return (
    <div class={room === undefined ? "page no-selection" : "page"}>
      <Banner isSignedOut={isSignedOut} onSignIn={onSignIn} />
      <Sidebar notifications={notifications} onDialog={setDialog} onSignOut={onSignOut}>
        <RoomList selected={room} onNewMessage={() => setDialog("message")} />
      </Sidebar>
      {room === undefined ? (
        <main class="room empty-room">
          <div class="empty-text">
            <h1>Parley</h1>
            {hasRooms ? <p>Choose a room.</p> : <FirstSteps onDialog={setDialog} />}
          </div>
        </main>
      ) : (
        <RoomView id={room} onSearch={() => setDialog("search")} />
      )}
      <Announcer selected={room} />
      {dialog === "create" && <CreateRoom onClose={close} />}
      {dialog === "join" && <OpenRooms onClose={close} />}
      {dialog === "message" && <NewMessage onClose={close} />}
      {dialog === "search" && <Search room={room} onClose={close} />}
      {dialog === "shortcuts" && <Shortcuts onClose={close} />}
    </div>
  );
}

/** What a user without rooms can do. */
function FirstSteps({ onDialog }: { onDialog: (name: DialogName) => void }) {
  return (
    <>
      <p>You are in no room yet.</p>
      <div class="dialog-buttons">
        <button type="button" class="button primary" onClick={() => onDialog("create")}>
          Create a room
        </button>
        <button type="button" class="button" onClick={() => onDialog("join")}>
          Join an open room
        </button>
      </div>
    </>
  );
}

/** Goes to the room above or below the selected one in the list; with `onlyUnread`, to the next one with unread messages. */
function goToNeighbour(
  { chat, navigation }: Services,
  selected: string | undefined,
  step: number,
  onlyUnread: boolean,
): void {
  const rooms = inListOrder(chat.rooms);
  const start = rooms.findIndex(({ id }) => id === selected);
  for (let index = start + step; index >= 0 && index < rooms.length; index += step) {
    const room = rooms[index];
    if (!room || (onlyUnread && room.unread === 0)) continue;
    return navigation.navigate({ room: room.id });
  }
}
