import { and, eq, ne, type Placeholder, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";

import type { Role, UserKey } from "../../chat/model.ts";
import type { Db } from "./open.ts";
import { members, rooms } from "./schema.ts";

/** A subquery for a user's role in the room of the row. A join costs ten times as much. */
export function roleIn(db: Db, user: UserKey | Placeholder) {
  const query = db
    .select({ role: members.role })
    .from(members)
    .where(and(eq(members.room, rooms.pk), eq(members.user, user)));
  return sql<Role | null>`(${query})`;
}

/** The other user of a direct conversation, for one of them; null in other rooms. */
export function otherIn(db: Db, user: UserKey | Placeholder | SQL) {
  const others = alias(members, "others");
  const query = db
    .select({ user: others.user })
    .from(others)
    .where(and(eq(others.room, rooms.pk), ne(others.user, user)))
    .limit(1);
  return sql<UserKey | null>`iif(${rooms.direct} IS NULL, NULL, (${query}))`;
}
