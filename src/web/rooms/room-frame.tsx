import type { ComponentChildren } from "preact";

import { useServices } from "../context.ts";
import { useStore } from "../ui/hooks.ts";
import { Icon } from "../ui/icons.tsx";
import { RoomLink } from "../ui/room-link.tsx";

/** The frame of a room: `<main>` on the server's page, a `<section>` in another page. */
export function RoomFrame({ children, class: name = "" }: { children: ComponentChildren; class?: string }) {
  const { chat, navigation, isEmbedded } = useServices();
  // A page may have several rooms in it.
  const title = useStore(chat, (current) => current.room(navigation.route.room ?? "")?.name);
  if (!isEmbedded) return <main class={`room ${name}`}>{children}</main>;
  return (
    <section class={`room ${name}`} aria-label={title === undefined ? "Chat" : `Chat: ${title}`}>
      {children}
    </section>
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
