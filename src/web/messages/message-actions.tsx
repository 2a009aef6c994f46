import { useRef, useState } from "preact/hooks";

import type { Message } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { type RoomActions, useRoomActions } from "../rooms/room-actions.ts";
import { IconButton } from "../ui/icons.tsx";
import { ReactionPicker } from "./reaction-picker.tsx";

/** Whether this user may do something with a message. */
export const mayEdit = ({ room, mayPost }: RoomActions, { sender, deleted_at }: Message) =>
  mayPost && sender.id === room.me?.id && deleted_at === undefined;
export const mayDelete = ({ room, mayDeleteAny }: RoomActions, { sender, deleted_at }: Message) =>
  (mayDeleteAny || sender.id === room.me?.id) && deleted_at === undefined;

/** What can be done with a message. */
export function MessageActions({ message }: { message: Message }) {
  const { notifyOf } = useServices();
  const actions = useRoomActions();
  const [isPicking, setIsPicking] = useState(false);
  const group = useRef<HTMLDivElement>(null);
  const react = (emoji: string) => {
    setIsPicking(false);
    // The focus was in the picker.
    group.current?.closest<HTMLElement>(".message")?.focus({ preventScroll: true });
    void actions.room.react(message.seq, emoji).catch(notifyOf("The reaction was not saved."));
  };
  return (
    <div
      class={`message-actions ${isPicking ? "picking" : ""}`}
      role="group"
      aria-label="Actions"
      ref={group}
    >
      <IconButton
        name="smile"
        label="React"
        keys="+"
        pressed={isPicking}
        onClick={() => setIsPicking(!isPicking)}
      />
      {actions.mayPost && (
        <IconButton name="reply" label="Reply" keys="r" onClick={() => actions.reply(message)} />
      )}
      {mayEdit(actions, message) && (
        <IconButton name="edit" label="Edit" keys="e" onClick={() => actions.edit(message.seq)} />
      )}
      {mayDelete(actions, message) && (
        <IconButton name="trash" label="Delete" keys="Delete" onClick={() => void actions.remove(message)} />
      )}
      {isPicking && <ReactionPicker onPick={react} onClose={() => setIsPicking(false)} />}
    </div>
  );
}
