import { useEffect, useState } from "preact/hooks";

import type { User } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useStore } from "../ui/hooks.ts";

const nobody: readonly User[] = [];

/** The users who are known to be online: those of the selected room. The server does not tell of others. */
export function useOnline(selected: string | undefined): readonly User[] {
  const { chat } = useServices();
  const room = useStore(chat, (current) => current.room(selected ?? "")?.id);
  const [online, setOnline] = useState(nobody);
  useEffect(() => {
    if (room === undefined) return undefined;
    const open = chat.open(room);
    const update = () => setOnline(open.online);
    update();
    const removeListener = open.subscribe(update);
    return () => {
      removeListener();
      open.close();
      setOnline(nobody);
    };
  }, [chat, room]);
  return online;
}
