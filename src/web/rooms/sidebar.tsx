import type { ComponentChildren } from "preact";

import { useServices } from "../context.ts";
import { NotificationSwitch } from "../notifications/notification-switch.tsx";
import type { Notifications } from "../notifications/notifications.ts";
import { Avatar } from "../ui/avatar.tsx";
import { useStore } from "../ui/hooks.ts";
import { Icon, IconButton } from "../ui/icons.tsx";
import { nameOf } from "../ui/names.ts";

/** The dialogs that can be opened from anywhere. */
export type DialogName = "create" | "join" | "message" | "search" | "shortcuts";

interface Props {
  notifications: Notifications;
  onDialog: (name: DialogName) => void;
  onSignOut: () => void;
  children: ComponentChildren;
}

/** The list of rooms, with what concerns all of them, and the user. */
export function Sidebar({ notifications, onDialog, onSignOut, children }: Props) {
  const { chat } = useServices();
  const me = useStore(chat, (current) => current.me);
  return (
    <div class="sidebar">
      <header class="sidebar-head">
        <h2>Rooms</h2>
        <IconButton name="search" label="Search all messages" onClick={() => onDialog("search")} />
        <IconButton name="plus" label="New room" onClick={() => onDialog("create")} />
      </header>
      {children}
      <button type="button" class="sidebar-button" onClick={() => onDialog("join")}>
        <Icon name="browse" /> Open rooms
      </button>
      <footer class="sidebar-foot">
        {me && <Avatar user={me} />}
        <bdi class="row-main row-title" title={me?.email ?? undefined}>
          {me ? nameOf(me) : "…"}
        </bdi>
        <NotificationSwitch notifications={notifications} />
        <IconButton name="help" label="Keyboard and formatting" onClick={() => onDialog("shortcuts")} />
        <IconButton name="signOut" label="Sign out" onClick={onSignOut} />
      </footer>
    </div>
  );
}
