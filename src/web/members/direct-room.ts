import type { User } from "../../client/index.ts";
import type { Services } from "../context.ts";
import { whoOf } from "../ui/names.ts";

/** Resolves with the id of the direct conversation with a user, which is created if there is none. */
export async function directRoom({ api, chat }: Pick<Services, "api" | "chat">, user: User): Promise<string> {
  const who = whoOf(user);
  const known = chat.rooms.find(({ direct }) => direct && whoOf(direct) === who);
  return (known ?? (await api.openDirect(who))).id;
}
