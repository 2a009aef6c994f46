import { useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useMembers, useStore } from "../ui/hooks.ts";
import { IconButton } from "../ui/icons.tsx";
import { count } from "../ui/names.ts";
import { BackLink, RoomTitle } from "./room-frame.tsx";
import { RoomSettings } from "./room-settings.tsx";

interface Props {
  room: Room;
  isPanelOpen: boolean;
  onPanel: () => void;
  onSearch: () => void;
}

/** The name of a room, and what can be done with it. */
export function RoomHeader({ room, isPanelOpen, onPanel, onSearch }: Props) {
  const { chat } = useServices();
  const name = useStore(room, (current) => current.name);
  const role = useStore(room, (current) => current.role);
  const status = useStore(room, (current) => current.status);
  const isConnected = useStore(chat, (current) => current.status === "open");
  const online = useStore(room, (current) => current.online.length);
  const members = useMembers(room);
  const [isChanging, setIsChanging] = useState(false);
  let detail = `${count(members.length, "member")}, ${online} online`;
  if (members.length === 0) detail = "";
  if (status === "connecting" && isConnected) detail = room.position ? "Catching up …" : "Loading …";
  if (!isConnected) detail = "Not connected";
  return (
    <header class="room-head">
      <BackLink />
      <div class="room-head-text">
        <RoomTitle>{name ?? room.id}</RoomTitle>
        <p class="hint" role="status">
          {detail}
        </p>
      </div>
      <IconButton name="search" label="Search" keys="Control+K" onClick={onSearch} />
      <IconButton name="people" label="Members" pressed={isPanelOpen} onClick={onPanel} />
      {(role === "owner" || role === null) && (
        <IconButton name="settings" label="Room settings" onClick={() => setIsChanging(true)} />
      )}
      {isChanging && <RoomSettings room={room} onClose={() => setIsChanging(false)} />}
    </header>
  );
}
