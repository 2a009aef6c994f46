import { and, count, eq, inArray, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";

import { decideDirect, directKey, directName } from "../../chat/decide-direct.ts";
import { isRefused, type Result } from "../../chat/errors.ts";
import type { RoomKey, User, UserKey } from "../../chat/model.ts";
import type { OpenedDirect, WantedDirect } from "../../chat/store.ts";
import { roomExists } from "./columns.ts";
import type { Db } from "./open.ts";
import { members, rooms } from "./schema.ts";

/** Finds or creates the conversation with a user. To be called within a transaction. */
export function openDirect(
  db: Db,
  found: User | undefined,
  { by, id, createdAt, roomsPerUser }: Omit<WantedDirect, "who">,
): Result<OpenedDirect> {
  const present = found && findDirect(db, directKey(by.key, found.key));
  const user = decideDirect(
    { roomsPerUser },
    {
      actor: by,
      user: found,
      exists: present !== undefined,
      sharesRoom: () => found !== undefined && shareRoom(db, by.key, found.key),
      roomsCreated: () => countCreated(db, by.key),
    },
  );
  if (isRefused(user)) return user;
  if (present !== undefined) return { room: present, other: user.key, created: false };
  const { key: room } = db
    .insert(rooms)
    .values({
      id,
      name: directName(by, user),
      direct: directKey(by.key, user.key),
      createdBy: by.key,
      createdAt,
    })
    .returning({ key: rooms.pk })
    .get();
  const member = { room, role: "member", joinedAt: createdAt } as const;
  db.insert(members)
    .values([
      { ...member, user: by.key },
      { ...member, user: user.key },
    ])
    .run();
  return { room, other: user.key, created: true };
}

/** The room of a conversation, by its `directKey`. */
export function findDirect(db: Db, key: string): RoomKey | undefined {
  const query = db
    .select({ room: rooms.pk })
    .from(rooms)
    // Without it SQLite does not use the partial index.
    .where(and(eq(rooms.direct, key), sql`${rooms.direct} IS NOT NULL`, roomExists));
  return query.get()?.room;
}

/** Whether two users are members of one room. */
function shareRoom(db: Db, a: UserKey, b: UserKey): boolean {
  const others = alias(members, "others");
  const ofOther = db.select({ room: others.room }).from(others).where(eq(others.user, b));
  const query = db
    .select({ room: members.room })
    .from(members)
    .innerJoin(rooms, and(eq(rooms.pk, members.room), roomExists))
    .where(and(eq(members.user, a), inArray(members.room, ofOther)))
    .limit(1);
  return query.get() !== undefined;
}

/** Rooms that a user has created, conversations included. */
export function countCreated(db: Db, user: UserKey): number {
  const condition = and(eq(rooms.createdBy, user), roomExists);
  return db.select({ n: count() }).from(rooms).where(condition).get()?.n ?? 0;
}
