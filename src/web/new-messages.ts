import type { Chat, RoomSummary } from "../client/index.ts";

interface NewMessage {
  room: RoomSummary;
  last: NonNullable<RoomSummary["last_message"]>;
  /** Whether this user or everyone in the room is mentioned, in this message or in one shortly before it. */
  isMention: boolean;
}

/** Calls `listener` when a room has a new message of somebody else. Returns a function that removes the listener. */
export function onNewMessage(chat: Chat, listener: (message: NewMessage) => void): () => void {
  const known = new Map(chat.rooms.map((room) => [room.id, room]));
  return chat.on("rooms", () => {
    for (const room of chat.rooms) {
      const before = known.get(room.id);
      known.set(room.id, room);
      const { last_message: last } = room;
      if (room === before || !before || !last || last.sender.id === chat.me?.id) continue;
      if (last.seq <= (before.last_message?.seq ?? 0)) continue;
      listener({ room, last, isMention: room.mentions > before.mentions });
    }
  });
}
