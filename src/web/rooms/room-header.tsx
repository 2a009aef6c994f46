import { useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { useMembers, useStore } from "../ui/hooks.ts";
import { IconButton } from "../ui/icons.tsx";
import { count, isOnline, titleOf } from "../ui/names.ts";
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
  const title = useStore(room, titleOf);
  const direct = useStore(room, (current) => current.direct);
  const isOtherOnline = useStore(room, (current) => isOnline(current.direct, current.online));
  const role = useStore(room, (current) => current.role);
  const status = useStore(room, (current) => current.status);
  const isConnected = useStore(chat, (current) => current.status === "open");
  const online = useStore(room, (current) => current.online.length);
  const members = useMembers(room);
  const [isChanging, setIsChanging] = useState(false);
  let detail = members.length === 0 ? "" : `${count(members.length, "member")}, ${online} online`;
  if (direct) detail = isOtherOnline ? "Online" : direct.id === null ? "Has not signed in yet" : "";
  if (status === "connecting" && isConnected) detail = room.position ? "Catching up …" : "Loading …";
  if (!isConnected) detail = "Not connected";
  return (
    <header class="room-head">
      <BackLink />
      {direct && <Avatar user={direct} online={isOtherOnline} />}
      <div class="room-head-text">
        <RoomTitle>{title}</RoomTitle>
        <p class="hint" role="status">
          {detail}
        </p>
      </div>
      <IconButton name="search" label="Search" keys="Control+K" onClick={onSearch} />
      {!direct && <IconButton name="people" label="Members" pressed={isPanelOpen} onClick={onPanel} />}
      {(role === "owner" || role === null) && (
        <IconButton name="settings" label="Room settings" onClick={() => setIsChanging(true)} />
      )}
      {isChanging && <RoomSettings room={room} onClose={() => setIsChanging(false)} />}
    </header>
  );
}
