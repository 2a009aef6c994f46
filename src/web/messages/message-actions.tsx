import { useRef, useState } from "preact/hooks";

import type { Message } from "../../client/index.ts";
import { type RoomActions, useRoomActions } from "../rooms/room-actions.ts";
import { confirmAction } from "../ui/confirm.tsx";
import { IconButton } from "../ui/icons.tsx";
import { nameOf } from "../ui/names.ts";
import { notifyOf } from "../ui/notices.tsx";
import { excerpt } from "./quote.tsx";
import { ReactionPicker } from "./reaction-picker.tsx";

/** Deletes a message, if the user means it. */
export async function deleteMessage({ room }: RoomActions, message: Message): Promise<void> {
  const isOwn = message.sender.id === room.me?.id;
  const confirmed = await confirmAction({
    title: isOwn ? "Delete your message?" : `Delete the message of ${nameOf(message.sender)}?`,
    text: excerpt(message.text),
    action: "Delete",
  });
  if (confirmed) await room.remove(message.seq).catch(notifyOf("The message was not deleted."));
}

/** Whether this user may do something with a message. */
export const mayEdit = ({ room, mayPost }: RoomActions, { sender, deleted_at }: Message) =>
  mayPost && sender.id === room.me?.id && deleted_at === undefined;
export const mayDelete = ({ room, mayDeleteAny }: RoomActions, { sender, deleted_at }: Message) =>
  (mayDeleteAny || sender.id === room.me?.id) && deleted_at === undefined;

/** What can be done with a message. */
export function MessageActions({ message }: { message: Message }) {
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
        <IconButton
          name="trash"
          label="Delete"
          keys="Delete"
          onClick={() => void deleteMessage(actions, message)}
        />
      )}
      {isPicking && <ReactionPicker onPick={react} onClose={() => setIsPicking(false)} />}
    </div>
  );
}
