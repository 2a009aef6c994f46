import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";

import { hasTouchKeyboard, useFocusReturn } from "./focus.ts";
import { IconButton } from "./icons.tsx";

interface Props {
  title: string;
  onClose: () => void;
  class?: string;
  children: ComponentChildren;
}

/** A dialog over the page. The browser keeps the focus in it. */
export function Dialog({ title, onClose, children, class: name = "" }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useFocusReturn(dialog, (element) => {
    dialog.current?.showModal();
    // On a phone, only fields that people have come to fill in get the focus: the keyboard would cover the dialog.
    element.querySelector<HTMLElement>(hasTouchKeyboard() ? "[data-focus=true]" : "[data-focus]")?.focus();
  });
  return (
    <dialog
      ref={dialog}
      class={`dialog ${name}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => {
        event.stopPropagation();
        // In a search field, the browser would clear the field and leave the dialog open.
        if (event.key !== "Escape" || event.isComposing) return;
        event.preventDefault();
        onClose();
      }}
      onPointerDown={({ target, currentTarget }) => {
        // Only clicks on the backdrop have the dialog itself as their target.
        if (target === currentTarget) onClose();
      }}
    >
      <div class="dialog-content">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton name="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
