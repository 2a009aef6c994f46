import { useEffect, useId, useRef, useState } from "preact/hooks";

import { useServices } from "../context.ts";
import { Quote } from "../messages/quote.tsx";
import { useRoomActions } from "../rooms/room-actions.ts";
import { useMembers, useStore } from "../ui/hooks.ts";
import { Icon, IconButton } from "../ui/icons.tsx";
import { titleOf } from "../ui/names.ts";
import { type Draft, loadDraft, saveDraft } from "./drafts.ts";
import { MentionMenu } from "./mention-menu.tsx";
import {
  complete,
  type Completion,
  completionsOf,
  type MentionQuery,
  mentionQuery,
} from "./mention-query.ts";
import { TextBox } from "./text-box.tsx";

interface Props {
  /** `seq` of the message that is replied to. */
  replyTo: number | undefined;
  onReplyTo: (seq: number | undefined) => void;
}

/** Bytes before the limit from which on the user is told how many are left. */
const WARNING_BYTES = 500;

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

/** Where messages are written. What is written survives a reload. */
export function Composer({ replyTo, onReplyTo }: Props) {
  const { storage, composer: boxRef } = useServices();
  const actions = useRoomActions();
  const { room } = actions;
  const me = useStore(room, (current) => current.me);
  const title = useStore(room, titleOf);
  const limit = useStore(room, (current) => current.limits?.text_bytes ?? 0);
  const members = useMembers(room);
  const [text, setText] = useState("");
  const [query, setQuery] = useState<MentionQuery>();
  const [selected, setSelected] = useState(0);
  const isLoaded = useRef(false);
  const menuId = useId();
  const completions = query ? completionsOf(query.text, members, me?.id) : [];
  const userId = me?.id;

  /** At once: a page that is closed now must neither lose what was typed, nor keep what was sent. */
  const save = (draft: Draft) => {
    if (userId !== undefined && isLoaded.current) saveDraft(storage, userId, room.id, draft);
  };
  // Before the effect that loads the draft, which it would overwrite.
  useEffect(() => save({ text, replyTo }), [userId, replyTo]);
  useEffect(() => {
    if (userId === undefined || isLoaded.current) return;
    isLoaded.current = true;
    const draft = loadDraft(storage, userId, room.id);
    // Keep what was written before it was known who the user is.
    const written = boxRef.current?.value ?? "";
    if (written === "") setText(draft.text);
    else save({ text: written, replyTo });
    if (replyTo === undefined) onReplyTo(draft.replyTo);
  }, [userId]);
  const updateQuery = () => {
    const { current: box } = boxRef;
    const next =
      box && box.selectionStart === box.selectionEnd
        ? mentionQuery(box.value, box.selectionStart)
        : undefined;
    if (next?.at !== query?.at || next?.text !== query?.text) {
      setQuery(next);
      setSelected(0);
    }
  };
  const onInput = (value: string) => {
    setText(value);
    save({ text: value, replyTo });
    updateQuery();
    if (value.trim() !== "") room.typing();
  };
  const excess = limit > 0 ? bytesOf(text.trim()) - limit : -Infinity;
  const send = () => {
    const trimmed = text.trim();
    if (trimmed === "" || excess > 0) return;
    // Why it fails is shown beside the message.
    room.send(trimmed, { replyTo }).catch(() => undefined);
    setText("");
    save({ text: "" });
    setQuery(undefined);
    onReplyTo(undefined);
    boxRef.current?.focus();
  };
  const pick = ({ insert }: Completion) => {
    const { current: box } = boxRef;
    if (!box || !query) return;
    const [completed, caret] = complete(box.value, query, insert);
    box.value = completed;
    box.setSelectionRange(caret, caret);
    setText(completed);
    save({ text: completed, replyTo });
    setQuery(undefined);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const { key } = event;
    const chosen = completions[selected];
    const { length } = completions;
    if (query && chosen && !event.shiftKey && (key === "Enter" || key === "Tab")) pick(chosen);
    else if (chosen && (key === "ArrowDown" || key === "ArrowUp"))
      setSelected((selected + (key === "ArrowDown" ? 1 : length - 1)) % length);
    else if (query && key === "Escape") setQuery(undefined);
    else if (key === "Escape" && replyTo !== undefined) onReplyTo(undefined);
    else if (key === "Tab" && event.shiftKey && replyTo === undefined)
      // The browser would go to the last link in the messages.
      boxRef.current?.closest(".room")?.querySelector<HTMLElement>(".messages")?.focus();
    else if (key === "ArrowUp" && text === "") {
      const last = room.messages.findLast(
        ({ sender, deleted_at }) => sender.id === me?.id && deleted_at === undefined,
      );
      if (!last) return;
      actions.edit(last.seq);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {completions.length > 0 && (
        <MentionMenu id={menuId} completions={completions} selected={selected} onPick={pick} />
      )}
      {replyTo !== undefined && (
        <div class="reply-to">
          <Quote seq={replyTo} />
          <IconButton
            name="close"
            label="Do not reply"
            onClick={() => {
              onReplyTo(undefined);
              boxRef.current?.focus();
            }}
          />
        </div>
      )}
      <div class="composer-row">
        <TextBox
          boxRef={boxRef}
          label={`Message to ${title}`}
          placeholder="Write a message"
          value={text}
          onInput={onInput}
          onEnter={send}
          onKeyDown={onKeyDown}
          onSelect={updateQuery}
          completion={
            completions.length > 0 ? { listId: menuId, activeId: `${menuId}-${selected}` } : undefined
          }
        />
        <button
          type="submit"
          class="send-button"
          aria-label="Send"
          title="Send"
          disabled={text.trim() === "" || excess > 0}
        >
          <Icon name="send" />
        </button>
      </div>
      {excess > -WARNING_BYTES && (
        <p class={excess > 0 ? "composer-note problem" : "composer-note"} role="status">
          {excess > 0 ? `Too long by ${excess} bytes.` : `${-excess} bytes left.`}
        </p>
      )}
    </form>
  );
}
