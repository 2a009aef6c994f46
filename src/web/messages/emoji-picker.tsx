import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { hasTouchKeyboard } from "../ui/focus.ts";
import { emoji } from "./emoji.ts";

export interface EmojiPickerProps {
  onPick: (emoji: string) => void;
  onClose: () => void;
}

/** Emoji in one row, by which the arrow keys move up and down. Must be the number of columns in messages.css. */
const COLUMNS = 8;

/** Emoji by name. */
export function EmojiPicker({ onPick, onClose }: EmojiPickerProps) {
  const [query, setQuery] = useState("");
  const [selected, setSelected] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const picker = useRef<HTMLDivElement>(null);
  const [isAbove, setIsAbove] = useState(false);
  useLayoutEffect(() => {
    const bottom = picker.current?.closest(".messages")?.getBoundingClientRect().bottom ?? Infinity;
    setIsAbove((picker.current?.getBoundingClientRect().bottom ?? 0) > bottom);
  }, []);
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = emoji.filter(([, name]) => words.every((word) => name.includes(word)));
  useEffect(() => {
    if (!hasTouchKeyboard()) input.current?.focus({ preventScroll: true });
    // For events in a shadow tree, `target` is only its host.
    const close = (event: Event) => {
      if (picker.current && !event.composedPath().includes(picker.current)) onClose();
    };
    document.addEventListener("pointerdown", close);
    return () => document.removeEventListener("pointerdown", close);
  }, []);
  const move = (by: number) =>
    setSelected(Math.max(0, Math.min(found.length - 1, Math.min(selected, found.length - 1) + by)));
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: COLUMNS,
      ArrowUp: -COLUMNS,
    };
    const step = steps[event.key];
    const chosen = found[Math.min(selected, found.length - 1)];
    event.stopPropagation();
    if (event.key === "Escape") {
      input.current?.closest<HTMLElement>("[data-seq]")?.focus();
      onClose();
    } else if (event.key === "Enter" && chosen) onPick(chosen[0]);
    else if (step !== undefined && (query === "" || Math.abs(step) > 1 || selected > 0)) move(step);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class={isAbove ? "emoji-picker above" : "emoji-picker"}
      role="dialog"
      aria-label="React with an emoji"
      ref={picker}
    >
      <input
        ref={input}
        type="search"
        role="combobox"
        list={undefined}
        aria-label="Search emoji"
        aria-expanded="true"
        aria-controls="emoji"
        aria-activedescendant={found.length > 0 ? `emoji-${Math.min(selected, found.length - 1)}` : undefined}
        placeholder="Search emoji"
        value={query}
        onInput={({ currentTarget }) => {
          setQuery(currentTarget.value);
          setSelected(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id="emoji" class="emoji-grid" role="listbox" aria-label="Emoji">
        {found.map(([character, name], index) => (
          <button
            key={character}
            id={`emoji-${index}`}
            type="button"
            role="option"
            tabIndex={-1}
            aria-selected={index === Math.min(selected, found.length - 1)}
            aria-label={name}
            title={name}
            onClick={() => onPick(character)}
          >
            {character}
          </button>
        ))}
      </div>
      {found.length === 0 && <p class="hint">No emoji has this name.</p>}
    </div>
  );
}
