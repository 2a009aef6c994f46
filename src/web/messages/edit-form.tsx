import { useLayoutEffect, useRef } from "preact/hooks";

import type { Message } from "../../client/index.ts";
import { TextBox } from "../composer/text-box.tsx";
import { useServices } from "../context.ts";
import { useRoomActions } from "../rooms/room-actions.ts";
import { explain } from "../ui/explain.ts";

/** Changes the text of a message in its place. */
export function EditForm({ message, text }: { message: Message; text: string }) {
  const { notify } = useServices();
  const actions = useRoomActions();
  const box = useRef<HTMLTextAreaElement>(null);
  const draft = useRef(text);
  useLayoutEffect(() => {
    box.current?.focus();
    box.current?.setSelectionRange(text.length, text.length);
  }, []);
  const close = () => {
    actions.edit();
    actions.focusComposer();
  };
  const save = () => {
    const changed = draft.current.trim();
    if (changed === "") return;
    close();
    if (changed === message.text) return;
    actions.room.edit(message.seq, changed).catch((error: unknown) => {
      notify(`Your change was not saved. ${explain(error)}`);
      actions.edit(message.seq, changed);
    });
  };
  return (
    <form
      class="edit-form"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <TextBox
        boxRef={box}
        label="Edit message"
        value={text}
        onInput={(value) => (draft.current = value)}
        onEnter={save}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.key === "Escape") close();
        }}
      />
      <p class="hint">
        <button type="submit" class="button small primary">
          Save
        </button>
        <button type="button" class="button small" onClick={close}>
          Cancel
        </button>
      </p>
    </form>
  );
}
