import { useEffect, useState } from "preact/hooks";

import type { User } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { compareNames } from "../ui/names.ts";

/** The rooms whose members are loaded, and members of each. */
const MAX_ROOMS = 10;
const MAX_MEMBERS = 200;

/** The other people of this user's latest rooms, by name. Undefined until they are loaded. */
export function usePeople(): readonly User[] | undefined {
  const { api, chat } = useServices();
  const [people, setPeople] = useState<readonly User[]>();
  useEffect(() => {
    const membersOf = async (id: string): Promise<readonly User[]> => {
      const page = await api.listMembers(id, { limit: MAX_MEMBERS }).page();
      return page.items;
    };
    const load = async () => {
      const rooms = chat.rooms.filter(({ direct }) => !direct).slice(0, MAX_ROOMS);
      const lists = await Promise.all(rooms.map(({ id }) => membersOf(id).catch(() => [])));
      const known = [...chat.rooms.flatMap(({ direct }) => direct ?? []), ...lists.flat()];
      const byKey = new Map(known.map((user) => [user.id ?? user.email, user]));
      byKey.delete(chat.me?.id ?? null);
      setPeople([...byKey.values()].toSorted(compareNames));
    };
    void load();
  }, []);
  return people;
}
