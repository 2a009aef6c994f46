import { explain } from "./explain.ts";
import { useStore } from "./hooks.ts";
import { Icon } from "./icons.tsx";

interface Notice {
  id: number;
  text: string;
}

const SHOWN_MS = 8_000;
const MAX_NOTICES = 3;

/** Sentences that are shown for a while. */
export class NoticeList {
  shown: readonly Notice[] = [];
  #lastId = 0;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly notify = (text: string): void => {
    const id = ++this.#lastId;
    this.#show([...this.shown.filter((notice) => notice.text !== text), { id, text }]);
    setTimeout(() => this.dismiss(id), SHOWN_MS);
  };

  readonly notifyOf =
    (what: string) =>
    (error: unknown): void =>
      this.notify(`${what} ${explain(error)}`);

  dismiss(id: number): void {
    this.#show(this.shown.filter((notice) => notice.id !== id));
  }

  #show(notices: readonly Notice[]): void {
    this.shown = notices.slice(-MAX_NOTICES);
    for (const listener of this.#listeners) listener();
  }
}

/** Shows the sentences in a corner. */
export function Notices({ list }: { list: NoticeList }) {
  const shown = useStore(list, (current) => current.shown);
  return (
    <div class="notices" role="status">
      {shown.map(({ id, text }) => (
        <p key={id} class="notice">
          <span dir="auto">{text}</span>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => list.dismiss(id)}>
            <Icon name="close" />
          </button>
        </p>
      ))}
    </div>
  );
}
