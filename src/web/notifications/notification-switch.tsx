import { useServices } from "../context.ts";
import { useStore } from "../ui/hooks.ts";
import { IconButton } from "../ui/icons.tsx";
import { canNotify, type Notifications } from "./notifications.ts";

/** Turns notifications on this device on and off. */
export function NotificationSwitch({ notifications }: { notifications: Notifications }) {
  const { notify } = useServices();
  const isOn = useStore(notifications, (current) => current.isOn);
  if (!canNotify) return null;
  const toggle = () => (isOn ? void notifications.turnOff() : void notifications.turnOn().then(notify));
  return (
    <IconButton name={isOn ? "bell" : "bellOff"} label="Notifications" pressed={isOn} onClick={toggle} />
  );
}
