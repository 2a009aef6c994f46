import { useEffect, useMemo, useState } from "preact/hooks";

import type { ErrorCode, Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { KnownUsers } from "../members/known-users.ts";
import { MembersPanel } from "../members/members-panel.tsx";
import { excerpt } from "../messages/excerpt.ts";
import type { Editing } from "../messages/message-chunk.tsx";
import { MessageList } from "../messages/message-list.tsx";
import { useMembers, useRoom, useStore } from "../ui/hooks.ts";
import { nameOf } from "../ui/names.ts";
import { NoRoom } from "./no-room.tsx";
import { type RoomActions, RoomActionsContext } from "./room-actions.ts";
import { RoomFoot } from "./room-foot.tsx";
import { RoomFrame } from "./room-frame.tsx";
import { RoomHeader } from "./room-header.tsx";

/** A room with its messages, or why it is not there. */
export function RoomView({ id, onSearch }: { id: string; onSearch: () => void }) {
  const { chat } = useServices();
  const { room, closed } = useRoom(chat, id);
  if (!room) return null;
  // If the server has closed the chat, the banner says why, and what was read stays.
  const reason: ErrorCode | undefined = chat.status === "closed" ? undefined : closed;
  if (reason !== undefined) return <NoRoom id={id} reason={reason} />;
  return <OpenRoom key={id} room={room} onSearch={onSearch} />;
}

function OpenRoom({ room, onSearch }: { room: Room; onSearch: () => void }) {
  const { navigation, notifyOf, confirmAction, composer, isEmbedded } = useServices();
  const members = useMembers(room);
  const role = useStore(room, (current) => current.role);
  const posting = useStore(room, (current) => current.posting);
  const me = useStore(room, (current) => current.me);
  const [editing, setEditing] = useState<Editing>();
  const [replyTo, setReplyTo] = useState<number>();
  const [isPanelOpen, setIsPanelOpen] = useState(false);
  const actions = useMemo<RoomActions>(() => {
    const isModerator = role === "owner" || role === "moderator" || role === null;
    const focusComposer = () => composer.current?.focus();
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
      remove: async ({ seq, sender, text }) => {
        const confirmed = await confirmAction({
          title:
            sender.id === room.me?.id ? "Delete your message?" : `Delete the message of ${nameOf(sender)}?`,
          text: excerpt(text),
          action: "Delete",
        });
        if (confirmed) await room.remove(seq).catch(notifyOf("The message was not deleted."));
      },
      jump: (seq) => navigation.navigate({ room: room.id, seq }),
      focusComposer,
    };
  }, [room, members, role, posting, me]);
  useEffect(() => {
    // In another page, the focus is not ours to take. On a phone the keyboard would cover the messages.
    if (isEmbedded || navigation.route.seq !== undefined || !matchMedia("(pointer: fine)").matches) return;
    composer.current?.focus();
  }, [room]);
  return (
    <RoomActionsContext.Provider value={actions}>
      <RoomFrame>
        <RoomHeader
          room={room}
          isPanelOpen={isPanelOpen}
          onPanel={() => setIsPanelOpen(!isPanelOpen)}
          onSearch={onSearch}
        />
        <MessageList editing={editing} />
        <RoomFoot replyTo={replyTo} onReplyTo={setReplyTo} />
      </RoomFrame>
      {isPanelOpen && <MembersPanel room={room} onClose={() => setIsPanelOpen(false)} />}
    </RoomActionsContext.Provider>
  );
}
