import { useState } from "preact/hooks";

import type { RoomSummary } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { excerpt } from "../messages/excerpt.ts";
import { Avatar } from "../ui/avatar.tsx";
import { useStore } from "../ui/hooks.ts";
import { IconButton } from "../ui/icons.tsx";
import { isOnline, nameOf, titleOf } from "../ui/names.ts";
import { RoomLink } from "../ui/room-link.tsx";
import { exactTime, shortTime } from "../ui/times.ts";
import { useOnline } from "./use-online.ts";

/** A list with more rooms than this has a filter. */
const MANY_ROOMS = 12;

/** Rooms as they are listed: direct conversations after the others. */
export const inListOrder = (rooms: readonly RoomSummary[]) =>
  rooms.toSorted((a, b) => Number(a.direct !== undefined) - Number(b.direct !== undefined));

interface Props {
  selected: string | undefined;
  onNewMessage: () => void;
}

/** This user's rooms and direct conversations, with what is new in them. */
export function RoomList({ selected, onNewMessage }: Props) {
  const { chat } = useServices();
  const rooms = useStore(chat, (current) => current.rooms);
  const online = useOnline(selected);
  const isComplete = useStore(chat, (current) => current.complete);
  const [filter, setFilter] = useState("");
  const wanted = filter.toLowerCase().trim();
  const shown = inListOrder(rooms).filter((room) => titleOf(room).toLowerCase().includes(wanted));
  const unread = rooms.reduce((sum, room) => sum + (room.direct ? room.unread : 0), 0);
  const items = (isDirect: boolean) =>
    shown
      .filter(({ direct }) => (direct !== undefined) === isDirect)
      .map((room) => (
        <RoomItem
          key={room.id}
          room={room}
          isSelected={room.id === selected}
          isOnline={isOnline(room.direct, online)}
        />
      ));
  return (
    <nav class="room-list" aria-label="Rooms">
      {rooms.length > MANY_ROOMS && (
        <input
          type="search"
          class="search-box"
          aria-label="Filter rooms"
          placeholder="Filter rooms"
          value={filter}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
      )}
      <ul>{items(false)}</ul>
      {rooms.length === 0 && (
        <p class="hint room-list-note">
          {isComplete ? "You are in no room yet. Create one, or join an open one." : "Loading rooms …"}
        </p>
      )}
      <div class="list-head">
        <h3 id="direct-messages">Direct messages</h3>
        {unread > 0 && (
          <span class="badge mention-badge">
            {unread}
            <span class="visually-hidden"> unread</span>
          </span>
        )}
        <IconButton name="plus" label="New message" onClick={onNewMessage} />
      </div>
      <ul aria-labelledby="direct-messages">{items(true)}</ul>
      {rooms.length > 0 && shown.length === 0 && <p class="hint room-list-note">No room has this name.</p>}
    </nav>
  );
}

function RoomItem(props: { room: RoomSummary; isSelected: boolean; isOnline: boolean }) {
  const { room, isSelected, isOnline: isOtherOnline } = props;
  const { chat } = useServices();
  const { id, direct, unread, mentions, last_message: last } = room;
  const isOwn = last?.sender.id === chat.me?.id;
  // In a conversation of two, it goes without saying who the other one is.
  const sender = isOwn ? "You: " : last && !direct ? `${nameOf(last.sender)}: ` : "";
  const classes = ["room-item", unread > 0 && "unread", direct && "direct"].filter(Boolean);
  return (
    <li>
      <RoomLink to={{ room: id }} class={classes.join(" ")} aria-current={isSelected ? "page" : undefined}>
        {direct && <Avatar user={direct} online={isOtherOnline} />}
        <span class="room-name" dir="auto">
          {titleOf(room)}
          {isOtherOnline && <span class="visually-hidden"> (online)</span>}
        </span>
        {last && (
          <time dateTime={last.sent_at} title={exactTime(last.sent_at)}>
            {shortTime(last.sent_at)}
          </time>
        )}
        <span class="room-last" dir="auto">
          {last ? sender + excerpt(last.text) : "No messages yet"}
        </span>
        {unread > 0 && (
          <span class="badges">
            {mentions > 0 && (
              <span class="badge mention-badge">
                <span aria-hidden="true">@</span>
                <span class="visually-hidden">{mentions} mentions</span>
              </span>
            )}
            <span class={direct ? "badge mention-badge" : "badge"}>
              {unread > 999 ? "999+" : unread}
              <span class="visually-hidden"> unread</span>
            </span>
          </span>
        )}
      </RoomLink>
    </li>
  );
}
