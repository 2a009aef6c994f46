import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import { ParleyError } from "../../client/index.ts";
import type { Token } from "../../client/options.ts";
import { Announcer } from "../announcer.tsx";
import { Banner } from "../banner.tsx";
import { useServices } from "../context.ts";
import { RoomView } from "../rooms/room-view.tsx";
import { Search } from "../search.tsx";
import { ServicesProvider } from "../services.tsx";
import { explain } from "../ui/explain.ts";
import { useRoom, useStore } from "../ui/hooks.ts";
import { RoomNavigation } from "./room-navigation.ts";
import { useSharedChat } from "./shared-chats.ts";
import { storage } from "./storage.ts";

/** A page may set the room and the token a moment after the element is there. */
const INCOMPLETE_DELAY_MS = 1_000;

interface Props {
  /** Empty while it is not known. */
  room: string;
  token: Token | undefined;
  /** Tells the page that something has happened. */
  emit: (name: "parley-error" | "parley-unread", detail: unknown) => void;
}

/** What is in `<parley-room>`. */
export function EmbeddedRoom({ room, token, emit }: Props) {
  const chat = useSharedChat(token);
  const navigation = useMemo(() => new RoomNavigation(room), [room]);
  if (room === "")
    return <Incomplete key="room">It needs the id of a room, in its attribute “room”.</Incomplete>;
  if (!token)
    return (
      <Incomplete key="token">It needs a function that returns a token, in its property “token”.</Incomplete>
    );
  return (
    chat && (
      <ServicesProvider chat={chat} navigation={navigation} storage={storage} isEmbedded>
        <OneRoom id={room} emit={emit} />
      </ServicesProvider>
    )
  );
}

/** Tells the author of the page what is missing. */
function Incomplete({ children }: { children: ComponentChildren }) {
  const [isLate, setIsLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLate(true), INCOMPLETE_DELAY_MS);
    return () => clearTimeout(timer);
  }, []);
  return isLate ? <p class="incomplete">This chat cannot be shown yet. {children}</p> : null;
}

function OneRoom({ id, emit }: { id: string; emit: Props["emit"] }) {
  const { composer } = useServices();
  const [isSearching, setIsSearching] = useState(false);
  useEvents(id, emit);
  return (
    <div
      class="page"
      onKeyDown={(event) => {
        if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") setIsSearching(true);
        else if (event.key === "Escape" && !event.defaultPrevented && event.target !== composer.current)
          composer.current?.focus();
        else return;
        event.preventDefault();
      }}
    >
      <Banner />
      <RoomView id={id} onSearch={() => setIsSearching(true)} />
      <Announcer selected={id} />
      {isSearching && <Search room={id} onClose={() => setIsSearching(false)} />}
    </div>
  );
}

/** Tells the page what is unread, and what fails. */
function useEvents(id: string, emit: Props["emit"]): void {
  const { chat } = useServices();
  const unread = useStore(chat, (current) => current.room(id)?.unread);
  const mentions = useStore(chat, (current) => current.room(id)?.mentions);
  const { closed } = useRoom(chat, id);
  const refuse = (code: ParleyError["code"]) => {
    const error = new ParleyError(code, "");
    emit("parley-error", new ParleyError(code, explain(error)));
  };
  useEffect(() => {
    if (unread !== undefined) emit("parley-unread", { unread, mentions });
  }, [id, unread, mentions]);
  useEffect(() => {
    // Closing the chat closes its rooms.
    if (closed !== undefined && chat.status !== "closed") refuse(closed);
  }, [chat, closed]);
  useEffect(
    () =>
      chat.subscribe((event) => {
        if (event.type === "error") emit("parley-error", event.error);
        if (event.type === "closed" && event.reason !== "closed") refuse(event.reason);
      }),
    [chat],
  );
}
