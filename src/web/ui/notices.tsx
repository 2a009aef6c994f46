import { useEffect, useState } from "preact/hooks";

import { explain } from "./explain.ts";
import { Icon } from "./icons.tsx";

interface Notice {
  id: number;
  text: string;
}

const SHOWN_MS = 8_000;
const MAX_NOTICES = 3;

let nextId = 0;
let notices: readonly Notice[] = [];
const changed = new EventTarget();

function update(next: readonly Notice[]): void {
  notices = next.slice(-MAX_NOTICES);
  changed.dispatchEvent(new Event("change"));
}

const dismiss = (id: number) => update(notices.filter((notice) => notice.id !== id));

/** Shows a sentence for a while, in a corner of the page. */
export function notify(text: string): void {
  const id = ++nextId;
  update([...notices.filter((notice) => notice.text !== text), { id, text }]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Shows why something failed: `what` says what it was, such as "The message was not deleted." */
export function notifyOf(what: string): (error: unknown) => void {
  return (error) => notify(`${what} ${explain(error)}`);
}

/** The sentences of `notify`. */
export function Notices() {
  const [shown, setShown] = useState(notices);
  useEffect(() => {
    const listener = () => setShown(notices);
    changed.addEventListener("change", listener);
    return () => changed.removeEventListener("change", listener);
  }, []);
  return (
    <div class="notices" role="status">
      {shown.map(({ id, text }) => (
        <p key={id} class="notice">
          <span dir="auto">{text}</span>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="close" />
          </button>
        </p>
      ))}
    </div>
  );
}
