import type { Message } from "../../client/index.ts";
import type { RoomActions } from "../rooms/room-actions.ts";
import { focusedBeside } from "../ui/focus.ts";
import { mayDelete, mayEdit } from "./message-actions.tsx";

/** Moves the focus to a message of the list. */
function focusMessage(list: HTMLElement, move: (index: number, last: number) => number): void {
  const messages = [...list.querySelectorAll<HTMLElement>(".message")];
  const last = messages.length - 1;
  const focused = focusedBeside(list);
  const current = messages.findIndex((message) => message.contains(focused));
  // When the list itself has the focus, the keys start at its end.
  const next = messages[Math.max(0, Math.min(last, move(current < 0 ? last + 1 : current, last)))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

/** Handles a key that was pressed in the list of messages. */
export function onMessageKey(event: KeyboardEvent, actions: RoomActions, messages: readonly Message[]): void {
  const { key, currentTarget: list, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!(list instanceof HTMLElement && target instanceof HTMLElement)) return;
  const element = target.closest<HTMLElement>(".message");
  const message = messages.find(({ seq }) => seq === Number(element?.dataset["seq"]));
  const moves: Record<string, (index: number, last: number) => number> = {
    ArrowUp: (index) => index - 1,
    ArrowDown: (index) => index + 1,
    Home: () => 0,
    End: (_, last) => last,
  };
  const move = moves[key];
  if (move) focusMessage(list, move);
  else if (key === "Escape") actions.focusComposer();
  // The buttons of a message have their own keys.
  else if (!message || message.deleted_at !== undefined || target !== element) return;
  else if (key === "+") element.querySelector<HTMLElement>('[aria-keyshortcuts="+"]')?.click();
  else if (key === "r" && actions.mayPost) actions.reply(message);
  else if (key === "e" && mayEdit(actions, message)) actions.edit(message.seq);
  else if (key === "Delete" && mayDelete(actions, message)) void actions.remove(message);
  else return;
  event.preventDefault();
}
