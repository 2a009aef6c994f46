import type { Services } from "../context.ts";

type Storage = Services["storage"];

/** A message that is being written. */
export interface Draft {
  text: string;
  /** `seq` of the message that it replies to. */
  replyTo?: number | undefined;
}

const keyOf = (user: string, room: string) => `parley.draft.${JSON.stringify([user, room])}`;

/** The draft of a user in a room, which survives a reload. */
export function loadDraft(storage: Storage, user: string, room: string): Draft {
  try {
    const stored: unknown = JSON.parse(storage.getItem(keyOf(user, room)) ?? "null");
    if (typeof stored !== "object" || stored === null || !("text" in stored)) return { text: "" };
    const replyTo = "replyTo" in stored && typeof stored.replyTo === "number" ? stored.replyTo : undefined;
    return { text: String(stored.text), replyTo };
  } catch {
    return { text: "" };
  }
}

export function saveDraft(storage: Storage, user: string, room: string, draft: Draft): void {
  try {
    if (draft.text === "" && draft.replyTo === undefined) storage.removeItem(keyOf(user, room));
    else storage.setItem(keyOf(user, room), JSON.stringify(draft));
  } catch {
    // The storage is full or forbidden: the draft lives as long as the page.
  }
}
