import type { ComponentChildren } from "preact";

import { useServices } from "../context.ts";
import { type Route, urlOf } from "../route.ts";

interface Props {
  /** Where it leads. */
  to: Route;
  /** Called before it is followed. */
  onFollow?: () => void;
  class: string;
  "aria-label"?: string;
  "aria-current"?: "page" | undefined;
  children: ComponentChildren;
}

/** A link to a room or a message. Clicks that open another tab or window are left to the browser. */
export function RoomLink({ to, onFollow, ...attributes }: Props) {
  const { navigation } = useServices();
  return (
    <a
      {...attributes}
      href={urlOf(to)}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        onFollow?.();
        navigation.navigate(to);
      }}
    />
  );
}
