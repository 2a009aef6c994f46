import { useEffect, useState } from "preact/hooks";

import type { Message } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useRoomActions } from "../rooms/room-actions.ts";
import { useStore } from "../ui/hooks.ts";
import { nameOf } from "../ui/names.ts";
import { excerpt } from "./excerpt.ts";

/** Finds a message of the room that is open, or requests it. Undefined while it is not known, null if there is none. */
function useMessage(seq: number): Message | null | undefined {
  const { api } = useServices();
  const { room } = useRoomActions();
  const loaded = useStore(room, ({ messages }) => messages[seq - (messages[0]?.seq ?? 0)]);
  const [requested, setRequested] = useState<Message | null>();
  useEffect(() => {
    if (loaded) return undefined;
    let isCurrent = true;
    api.message(room.id, seq).then(
      (message) => isCurrent && setRequested(message),
      () => isCurrent && setRequested(null),
    );
    return () => {
      isCurrent = false;
    };
  }, [room, seq, loaded === undefined]);
  return loaded ?? requested;
}

/** What a message replies to. It leads there. */
export function Quote({ seq, tabIndex }: { seq: number; tabIndex?: number }) {
  const actions = useRoomActions();
  const message = useMessage(seq);
  let text = "…";
  if (message === null) text = "a message that cannot be shown";
  else if (message) text = message.deleted_at === undefined ? excerpt(message.text) : "a deleted message";
  return (
    <button type="button" class="quote" tabIndex={tabIndex} onClick={() => actions.jump(seq)}>
      <span class="visually-hidden">In reply to </span>
      {message && <bdi class="quote-sender">{nameOf(message.sender)}</bdi>} <span dir="auto">{text}</span>
    </button>
  );
}
