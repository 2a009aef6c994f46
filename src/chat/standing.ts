import type { Standing } from "./decide-posting.ts";
import { refusalError } from "./errors.ts";
import type { Actor, Room, RoomKey } from "./model.ts";
import { can } from "./permissions.ts";
import type { Store } from "./store.ts";

/** Resolves with what a user is in a room now. Rejects with `removed` or `room_deleted` when they may not be in it. */
export async function readStanding(
  store: Pick<Store, "standing">,
  actor: Actor,
  room: RoomKey,
): Promise<Standing & Pick<Room, "posting">> {
  const standing = await store.standing(room, actor.key);
  if (!standing) throw refusalError({ refused: "room_deleted" });
  if (!can(actor, standing.role, "participate")) throw refusalError({ refused: "removed" });
  return standing;
}
