import type { Room } from "../../client/index.ts";
import { useSeenBy } from "../ui/hooks.ts";
import { listNames } from "../ui/names.ts";

/** Who has read this user's last message. */
export function SeenBy({ room, seq }: { room: Room; seq: number }) {
  const users = useSeenBy(room, seq);
  if (users.length === 0) return null;
  return (
    <p class="seen-by" title={listNames(users, 50)}>
      Seen by {listNames(users)}
    </p>
  );
}
