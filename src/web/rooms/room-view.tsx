import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { ErrorCode, Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { KnownUsers } from "../members/known-users.ts";
import { MembersPanel } from "../members/members-panel.tsx";
import type { Editing } from "../messages/message-chunk.tsx";
import { MessageList } from "../messages/message-list.tsx";
import { navigate, type Route } from "../route.ts";
import { useMembers, useRoom, useStore } from "../ui/hooks.ts";
import { NoRoom } from "./no-room.tsx";
import { type RoomActions, RoomActionsContext } from "./room-actions.ts";
import { RoomFoot } from "./room-foot.tsx";
import { RoomHeader } from "./room-header.tsx";

/** A room with its messages, or why it is not there. */
export function RoomView({ id, route, onSearch }: { id: string; route: Route; onSearch: () => void }) {
  const { chat } = useServices();
  const { room, closed } = useRoom(chat, id);
  if (!room) return null;
  // If the server has closed the chat, the banner says why, and what was read stays.
  const reason: ErrorCode | undefined = chat.status === "closed" ? undefined : closed;
  if (reason !== undefined) return <NoRoom id={id} reason={reason} />;
  return <OpenRoom key={id} room={room} route={route} onSearch={onSearch} />;
}

function OpenRoom({ room, route, onSearch }: { room: Room; route: Route; onSearch: () => void }) {
  const members = useMembers(room);
  const role = useStore(room, (current) => current.role);
  const posting = useStore(room, (current) => current.posting);
  const me = useStore(room, (current) => current.me);
  const [editing, setEditing] = useState<Editing>();
  const [replyTo, setReplyTo] = useState<number>();
  const [isPanelOpen, setIsPanelOpen] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const actions = useMemo<RoomActions>(() => {
    const isModerator = role === "owner" || role === "moderator" || role === null;
    const focusComposer = () => box.current?.focus();
    return {
      room,
      users: new KnownUsers(room),
      mayDeleteAny: isModerator,
      mayPost: isModerator || posting !== "moderators",
      reply: ({ seq }) => {
        setReplyTo(seq);
        focusComposer();
      },
      edit: (seq, text) => setEditing(seq === undefined ? undefined : { seq, text }),
      jump: (seq) => navigate({ room: room.id, seq }),
      focusComposer,
    };
  }, [room, members, role, posting, me]);
  useEffect(() => {
    // On a phone the keyboard would cover the messages.
    if (route.seq === undefined && matchMedia("(pointer: fine)").matches) box.current?.focus();
  }, [room]);
  return (
    <RoomActionsContext.Provider value={actions}>
      <main class="room">
        <RoomHeader
          room={room}
          isPanelOpen={isPanelOpen}
          onPanel={() => setIsPanelOpen(!isPanelOpen)}
          onSearch={onSearch}
        />
        <MessageList route={route} editing={editing} />
        <RoomFoot boxRef={box} replyTo={replyTo} onReplyTo={setReplyTo} />
      </main>
      {isPanelOpen && <MembersPanel room={room} onClose={() => setIsPanelOpen(false)} />}
    </RoomActionsContext.Provider>
  );
}
