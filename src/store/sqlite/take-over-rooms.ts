import { and, eq, inArray, isNotNull } from "drizzle-orm";

import { directKey } from "../../chat/decide-direct.ts";
import { isOver } from "../../chat/decide-posting.ts";
import { laterEnd } from "../../chat/decide-restrictions.ts";
import { higherRole, isLastOwner } from "../../chat/decide-rooms.ts";
import type { RoomKey, UserKey } from "../../chat/model.ts";
import { roomExists } from "./columns.ts";
import { findDirect } from "./open-direct.ts";
import type { Db } from "./open.ts";
import type { Queries } from "./queries.ts";
import { otherIn } from "./role-in.ts";
import { members, reads, restrictions, rooms } from "./schema.ts";

type TakeOverQueries = Pick<Queries, "bannedUntil" | "ownerCount">;

interface TakeOver {
  /** A user who was only invited. */
  from: UserKey;
  /** The user who signs in with their email. */
  to: UserKey;
  now: number;
}

/**
 * Moves bans, mutes and memberships. A membership where either of the two is banned is dropped, but neither that of the last
 * owner, nor a role above `member` that the user had before. A direct conversation becomes a plain room if the user has one with
 * the same other user already, or is the other user. Returns the rooms in which the user loses a membership of their own.
 * To be called within a transaction.
 */
export function takeOverRooms(db: Db, queries: TakeOverQueries, takeOver: TakeOver): RoomKey[] {
  const lost = moveRestrictions(db, takeOver);
  moveDirect(db, takeOver);
  moveMemberships(db, queries, takeOver);
  return lost;
}

function moveRestrictions(db: Db, { from, to, now }: TakeOver): RoomKey[] {
  const lost: RoomKey[] = [];
  for (const moved of db.select().from(restrictions).where(eq(restrictions.user, from)).all()) {
    if (isOver(moved, now)) continue;
    const { room, kind } = moved;
    const own = and(eq(restrictions.room, room), eq(restrictions.kind, kind), eq(restrictions.user, to));
    const present = db.select().from(restrictions).where(own).get();
    if (!present || laterEnd(present.until, moved.until) !== present.until) {
      db.delete(restrictions).where(own).run();
      db.insert(restrictions)
        .values({ ...moved, user: to })
        .run();
    }
    if (kind === "ban" && roleIn(db, room, to) === "member") {
      remove(db, room, to);
      lost.push(room);
    }
  }
  db.delete(restrictions).where(eq(restrictions.user, from)).run();
  return lost;
}

function moveDirect(db: Db, { from, to }: TakeOver): void {
  const mine = db.select({ room: members.room }).from(members).where(eq(members.user, from));
  const conversations = db
    .select({ room: rooms.pk, other: otherIn(db, from) })
    .from(rooms)
    .where(and(inArray(rooms.pk, mine), isNotNull(rooms.direct), roomExists));
  for (const { room, other } of conversations.all()) {
    const key = other === null || other === to ? null : directKey(to, other);
    const isFree = key !== null && findDirect(db, key) === undefined;
    db.update(rooms)
      .set({ direct: isFree ? key : null })
      .where(eq(rooms.pk, room))
      .run();
  }
}

function moveMemberships(db: Db, queries: TakeOverQueries, { from, to, now }: TakeOver): void {
  for (const membership of db.select().from(members).where(eq(members.user, from)).all()) {
    const { room } = membership;
    const before = roleIn(db, room, to);
    const isLast = isLastOwner(membership, () => queries.ownerCount.get({ room })?.[0] ?? 0);
    if (!isLast && isBanned(queries, room, to, now)) {
      remove(db, room, from);
    } else if (before) {
      const role = higherRole(before, membership.role);
      db.update(members).set({ role }).where(membershipOf(room, to)).run();
      remove(db, room, from);
    } else {
      db.insert(members)
        .values({ ...membership, user: to })
        .run();
      moveReadMark(db, room, from, to);
    }
  }
  db.delete(members).where(eq(members.user, from)).run();
}

/** Whether the user is banned from the room. */
export function isBanned(
  { bannedUntil }: Pick<Queries, "bannedUntil">,
  room: RoomKey,
  user: UserKey,
  now: number,
): boolean {
  const ban = bannedUntil.get({ room, user });
  return ban !== undefined && !isOver({ until: ban[0] }, now);
}

const membershipOf = (room: RoomKey, user: UserKey) => and(eq(members.room, room), eq(members.user, user));
const markOf = (room: RoomKey, user: UserKey) => and(eq(reads.room, room), eq(reads.user, user));

function roleIn(db: Db, room: RoomKey, user: UserKey) {
  return db.select({ role: members.role }).from(members).where(membershipOf(room, user)).get()?.role;
}

function remove(db: Db, room: RoomKey, user: UserKey): void {
  db.delete(members).where(membershipOf(room, user)).run();
  db.delete(reads).where(markOf(room, user)).run();
}

function moveReadMark(db: Db, room: RoomKey, from: UserKey, to: UserKey): void {
  // The user may have a mark of their own, from when they read the room as an administrator.
  db.delete(reads).where(markOf(room, to)).run();
  db.update(reads).set({ user: to }).where(markOf(room, from)).run();
}
