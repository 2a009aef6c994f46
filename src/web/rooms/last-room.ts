import { useEffect } from "preact/hooks";

import { useServices } from "../context.ts";
import { remember } from "../remember.ts";
import { useStore } from "../ui/hooks.ts";

const KEY = "parley.room";

/** As wide as a page that has space for a room beside the list; see layout.css. */
const isWide = () => matchMedia("(min-width: 44rem)").matches;

export const forgetLastRoom = () => localStorage.removeItem(KEY);

/** Opens the room that was open last when the page is opened without one, if there is space for it. */
export function useLastRoom(selected: string | undefined): void {
  const { chat, navigation } = useServices();
  const isKnown = useStore(
    chat,
    (current) => current.complete || current.room(localStorage.getItem(KEY) ?? "") !== undefined,
  );
  useEffect(() => {
    if (!isKnown || selected !== undefined || !isWide()) return;
    const last = chat.room(localStorage.getItem(KEY) ?? "") ?? chat.rooms[0];
    if (last) navigation.navigate({ room: last.id }, { replace: true });
  }, [chat, isKnown]);
  useEffect(() => {
    if (selected !== undefined) remember(KEY, selected);
  }, [selected]);
}
