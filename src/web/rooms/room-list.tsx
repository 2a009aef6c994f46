import { useState } from "preact/hooks";

import type { RoomSummary } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { excerpt } from "../messages/quote.tsx";
import { useStore } from "../ui/hooks.ts";
import { nameOf } from "../ui/names.ts";
import { RoomLink } from "../ui/room-link.tsx";
import { exactTime, shortTime } from "../ui/times.ts";

/** So many rooms need a filter. */
const MANY_ROOMS = 12;

/** This user's rooms, with what is new in them. */
export function RoomList({ selected }: { selected: string | undefined }) {
  const { chat } = useServices();
  const rooms = useStore(chat, (current) => current.rooms);
  const isComplete = useStore(chat, (current) => current.complete);
  const [filter, setFilter] = useState("");
  const wanted = filter.toLowerCase().trim();
  const shown = rooms.filter(({ name }) => name.toLowerCase().includes(wanted));
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
      <ul>
        {shown.map((room) => (
          <RoomItem key={room.id} room={room} isSelected={room.id === selected} />
        ))}
      </ul>
      {rooms.length === 0 && (
        <p class="hint room-list-note">
          {isComplete ? "You are in no room yet. Create one, or join an open one." : "Loading rooms …"}
        </p>
      )}
      {rooms.length > 0 && shown.length === 0 && <p class="hint room-list-note">No room has this name.</p>}
    </nav>
  );
}

function RoomItem({ room, isSelected }: { room: RoomSummary; isSelected: boolean }) {
  const { chat } = useServices();
  const { id, name, unread, mentions, last_message: last } = room;
  const isOwn = last?.sender.id === chat.me?.id;
  return (
    <li>
      <RoomLink
        to={{ room: id }}
        class={unread > 0 ? "room-item unread" : "room-item"}
        aria-current={isSelected ? "page" : undefined}
      >
        <bdi class="room-name">{name}</bdi>
        {last && (
          <time dateTime={last.sent_at} title={exactTime(last.sent_at)}>
            {shortTime(last.sent_at)}
          </time>
        )}
        <span class="room-last" dir="auto">
          {last ? `${isOwn ? "You" : nameOf(last.sender)}: ${excerpt(last.text)}` : "No messages yet"}
        </span>
        {unread > 0 && (
          <span class="badges">
            {mentions > 0 && (
              <span class="badge mention-badge">
                <span aria-hidden="true">@</span>
                <span class="visually-hidden">{mentions} mentions</span>
              </span>
            )}
            <span class="badge">
              {unread > 999 ? "999+" : unread}
              <span class="visually-hidden"> unread</span>
            </span>
          </span>
        )}
      </RoomLink>
    </li>
  );
}
