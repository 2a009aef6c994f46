import { useEffect, useState } from "preact/hooks";

import { useServices } from "./context.ts";
import { excerpt } from "./messages/excerpt.ts";
import { onNewMessage } from "./new-messages.ts";
import { useStore } from "./ui/hooks.ts";
import { nameOf, titleOf } from "./ui/names.ts";

/** Reads new messages of others to users of a screen reader: those of the selected room, direct messages, and mentions. */
export function Announcer({ selected }: { selected: string | undefined }) {
  const { chat, isEmbedded } = useServices();
  const [text, setText] = useState("");
  useEffect(
    () =>
      onNewMessage(chat, ({ room, last, isMention }) => {
        const message = `${nameOf(last.sender)}: ${excerpt(last.text)}`;
        if (room.id === selected) setText(message);
        else if (isEmbedded) return;
        else if (room.direct) setText(`Direct message from ${message}`);
        else if (isMention) setText(`In ${titleOf(room)}, ${message}`);
      }),
    [chat, selected],
  );
  return (
    <div class="visually-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}

/** Shows what is unread in the title of the page, where it is seen from other tabs. */
export function useTitle(selected: string | undefined): void {
  const { chat } = useServices();
  const unread = useStore(chat, (current) => current.unread);
  const name = useStore(chat, (current) => {
    const room = selected === undefined ? undefined : current.room(selected);
    return room && titleOf(room);
  });
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${name === undefined ? "" : `${name} – `}Parley`;
  }, [unread, name]);
}
