import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

import { useServices } from "../context.ts";

/** The element that has the focus in the document, or in the shadow tree, of a node. */
export function focusedBeside(node: Node): Element | null {
  const root = node.getRootNode();
  return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
}

/** Whether a text field that gets the focus opens an on-screen keyboard, which covers half of the page. */
export const hasTouchKeyboard = () => matchMedia("(pointer: coarse)").matches;

/**
 * Gives the focus back to where it was when a dialog is removed, or a panel that has it. `open` is called when the element
 * is there. What had the focus may be gone, such as the buttons of a message: then its message gets it, or else the composer.
 */
export function useFocusReturn(
  ref: RefObject<HTMLElement | null>,
  open: (element: HTMLElement) => void,
): void {
  const { composer } = useServices();
  useLayoutEffect(() => {
    const { current } = ref;
    if (!current) return undefined;
    const opener = focusedBeside(current);
    const message = opener?.closest(".message");
    open(current);
    return () => {
      if (current instanceof HTMLDialogElement) current.close();
      else if (!current.contains(focusedBeside(current))) return;
      if (!opener || opener === document.body) return;
      const next = [opener, message, composer.current].find((element) => element?.isConnected);
      if (next instanceof HTMLElement) next.focus();
    };
  }, []);
}
