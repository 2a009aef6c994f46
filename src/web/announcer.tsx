import { useEffect, useState } from "preact/hooks";

import { useServices } from "./context.ts";
import { excerpt } from "./messages/quote.tsx";
import { useStore } from "./ui/hooks.ts";
import { nameOf } from "./ui/names.ts";

/** Reads new messages of others to users of a screen reader: those of the selected room, and mentions in others. */
export function Announcer({ selected }: { selected: string | undefined }) {
  const { chat, isEmbedded } = useServices();
  const [text, setText] = useState("");
  useEffect(() => {
    const known = new Map(
      chat.rooms.map(({ id, last_message, mentions }) => [id, { last_message, mentions }]),
    );
    return chat.on("rooms", () => {
      for (const { id, name, last_message: last, mentions } of chat.rooms) {
        const before = known.get(id);
        known.set(id, { last_message: last, mentions });
        if (!before || !last || last.sender.id === chat.me?.id) continue;
        if (last.seq <= (before.last_message?.seq ?? 0)) continue;
        const message = `${nameOf(last.sender)}: ${excerpt(last.text)}`;
        if (id === selected) setText(message);
        else if (!isEmbedded && mentions > before.mentions) setText(`In ${name}, ${message}`);
      }
    });
  }, [chat, selected]);
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
  const name = useStore(chat, (current) =>
    selected === undefined ? undefined : current.room(selected)?.name,
  );
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${name === undefined ? "" : `${name} – `}Parley`;
  }, [unread, name]);
}
