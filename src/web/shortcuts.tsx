import { Dialog } from "./ui/dialog.tsx";

const shortcuts: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    "Anywhere",
    [
      ["Ctrl K", "Search"],
      ["Alt ↑ / ↓", "Room above or below"],
      ["Alt Shift ↑ / ↓", "Unread room above or below"],
      ["?", "This list"],
      ["Esc", "Close, or go back to writing"],
    ],
  ],
  [
    "Writing",
    [
      ["Enter", "Send"],
      ["Shift Enter", "New line"],
      ["↑", "In an empty box: edit your last message"],
      ["Shift Tab", "To the messages"],
      ["@", "Mention somebody; @room for everyone"],
    ],
  ],
  [
    "A message",
    [
      ["↑ / ↓", "Message before or after"],
      ["Home / End", "First or last message"],
      ["+", "React"],
      ["R", "Reply"],
      ["E", "Edit"],
      ["Delete", "Delete"],
    ],
  ],
];

const isMac = /Mac|iP/.test(navigator.platform);

/** Each key as a `<kbd>`. A slash stands between alternatives. */
const keysOf = (keys: string) =>
  keys.split(" ").map((key) => (key === "/" ? " or " : <kbd>{key === "Ctrl" && isMac ? "⌘" : key}</kbd>));

/** The keyboard shortcuts, and how messages are formatted. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard and formatting" onClose={onClose}>
      <div class="shortcuts">
        {shortcuts.map(([place, keys]) => (
          <section key={place}>
            <h3>{place}</h3>
            <dl>
              {keys.map(([key, meaning]) => (
                <div key={key}>
                  <dt>{keysOf(key)}</dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Formatting</h3>
          <p class="hint">
            **bold**, *italic*, ~~struck~~, `code`, three backticks for a block of code, “- ” for a list,
            “&gt; ” for a quote, [text](https://example.com) for a link.
          </p>
        </section>
      </div>
    </Dialog>
  );
}
