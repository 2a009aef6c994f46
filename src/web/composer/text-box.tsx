import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

import { hasTouchKeyboard } from "../ui/focus.ts";

interface Props {
  boxRef: RefObject<HTMLTextAreaElement | null>;
  label: string;
  /** The text at first. Later changes of it replace what is in the box. */
  value: string;
  placeholder?: string;
  onInput: (text: string) => void;
  /** Enter was pressed to send. */
  onEnter: () => void;
  /** Called before anything else is done with a key. `preventDefault` keeps it from being done. */
  onKeyDown?: (event: KeyboardEvent) => void;
  onSelect?: () => void;
  /** Attributes of a list of completions. */
  completion?: { listId: string; activeId: string | undefined } | undefined;
}

/** Makes the box as high as its text, where CSS cannot (`field-sizing`). The style sheet limits the height. */
function fit(box: HTMLTextAreaElement): void {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

/** A box for a message. Enter sends, Shift+Enter begins a new line; an Enter that ends an IME's composition does neither. */
export function TextBox(props: Props) {
  const { boxRef, label, value, placeholder, onInput, onEnter, onKeyDown, onSelect, completion } = props;
  useLayoutEffect(() => {
    const box = boxRef.current;
    if (!box || box.value === value) return;
    box.value = value;
    fit(box);
  }, [value]);
  return (
    <textarea
      ref={boxRef}
      class="text-box"
      rows={1}
      dir="auto"
      aria-label={label}
      placeholder={placeholder}
      enterkeyhint={hasTouchKeyboard() ? "enter" : "send"}
      {...(completion && {
        "aria-autocomplete": "list",
        "aria-controls": completion.listId,
        "aria-activedescendant": completion.activeId,
      })}
      onInput={({ currentTarget }) => {
        fit(currentTarget);
        onInput(currentTarget.value);
      }}
      onSelect={onSelect}
      onKeyDown={(event) => {
        // While an IME composes, all keys belong to it. In Safari, only this code identifies the last of them.
        if (event.isComposing || event.keyCode === 229) return;
        onKeyDown?.(event);
        if (event.defaultPrevented || event.key !== "Enter" || event.shiftKey || event.altKey) return;
        // On a phone, people expect Enter to begin a new line.
        if (hasTouchKeyboard() && !event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        onEnter();
      }}
    />
  );
}
