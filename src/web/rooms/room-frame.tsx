import type { ComponentChildren } from "preact";

import { useServices } from "../context.ts";
import { Icon } from "../ui/icons.tsx";
import { RoomLink } from "../ui/room-link.tsx";

/** The frame of a room: `<main>` on the server's page, a `<section>` in another page. */
export function RoomFrame({ children, class: name = "" }: { children: ComponentChildren; class?: string }) {
  const { isEmbedded } = useServices();
  const Element = isEmbedded ? "section" : "main";
  return (
    <Element class={`room ${name}`} aria-label={isEmbedded ? "Chat" : undefined}>
      {children}
    </Element>
  );
}

/** The name of a room, or of what is in its place. */
export function RoomTitle({ children }: { children: ComponentChildren }) {
  const { isEmbedded } = useServices();
  const Element = isEmbedded ? "h2" : "h1";
  return <Element dir="auto">{children}</Element>;
}

/** Leads back to the list of rooms, on a screen that has no space for both. */
export function BackLink() {
  const { isEmbedded } = useServices();
  if (isEmbedded) return null;
  return (
    <RoomLink to={{}} class="icon-button back" aria-label="All rooms">
      <Icon name="back" />
    </RoomLink>
  );
}
