import { and, count, desc, eq, gt, isNotNull, sql } from "drizzle-orm";

import type { Actor, Role, Room, RoomKey, RoomSummary, UserKey } from "../../chat/model.ts";
import { mayGovern } from "../../chat/permissions.ts";
import type { NewRoom, Refusal } from "../../chat/store.ts";
import type { Messages } from "./messages.ts";
import type { Db } from "./open.ts";
import { members, messages, reads, rooms } from "./schema.ts";
import { live, room } from "./queries.ts";
import type { Users } from "./users.ts";

/** Messages of a deleted room that one turn removes. */
const purgeLength = 1000;

/** Rooms. What writes is called within a transaction of the store's; `own` is the role of who asks for it. */
export class Rooms {
  constructor(
    private readonly db: Db,
    private readonly history: Messages,
    private readonly people: Users,
  ) {}

  create({ id, name, owner, createdAt }: NewRoom, roomsPerUser: number): Room | "taken" | "too_many" {
    if (owner !== null && roomsPerUser > 0 && this.#madeBy(owner) >= roomsPerUser) return "too_many";
    const made = this.db
      .insert(rooms)
      .values({ id, name, createdBy: owner, createdAt })
      .onConflictDoNothing()
      .returning(room)
      .get() as Room | undefined;
    if (!made) return "taken";
    if (owner !== null) {
      const place = { room: made.key, user: owner, role: "owner", joinedAt: createdAt } as const;
      this.db.insert(members).values(place).run();
    }
    return made;
  }

  #madeBy(owner: UserKey): number {
    const which = and(eq(rooms.createdBy, owner), live);
    return this.db.select({ n: count() }).from(rooms).where(which).get()?.n ?? 0;
  }

  /** Gives it another name, or marks it as deleted. */
  change(
    key: RoomKey,
    values: { name: string } | { deletedAt: number },
    by: Actor,
    own: Role | undefined,
  ): Refusal | undefined {
    if (!mayGovern(by, own)) return "not_owner";
    this.db.update(rooms).set(values).where(eq(rooms.pk, key)).run();
    return undefined;
  }

  all(): Room[] {
    return this.db.select(room).from(rooms).where(live).orderBy(rooms.id).all();
  }

  of(user: UserKey): RoomSummary[] {
    const mine = this.db
      .select({ room, role: members.role, read: sql<number>`coalesce(${reads.seq}, 0)` })
      .from(members)
      .innerJoin(rooms, and(eq(rooms.pk, members.room), live))
      .leftJoin(reads, and(eq(reads.room, members.room), eq(reads.user, members.user)))
      .where(eq(members.user, user))
      .orderBy(rooms.id)
      .all();
    return mine.map(({ room: found, role, read }) => ({
      room: found,
      role,
      unread: found.seq - read,
      lastMessage: this.history.range(found.key, { limit: 1 })[0] ?? null,
    }));
  }

  /** A room that is deleted, and still in the file. */
  deleted(): RoomKey | undefined {
    const gone = this.db.select({ key: rooms.pk }).from(rooms).where(isNotNull(rooms.deletedAt)).limit(1);
    return gone.get()?.key;
  }

  /** Removes some of what a deleted room left behind, and last of all the room. */
  purge(key: RoomKey): void {
    const last = this.db
      .select({ seq: messages.seq })
      .from(messages)
      .where(eq(messages.room, key))
      .orderBy(desc(messages.seq))
      .limit(1)
      .get();
    if (last) {
      const slice = and(eq(messages.room, key), gt(messages.seq, last.seq - purgeLength));
      this.db.delete(messages).where(slice).run();
      return;
    }
    this.db.delete(reads).where(eq(reads.room, key)).run();
    const left = this.db.delete(members).where(eq(members.room, key)).returning({ user: members.user });
    for (const { user } of left.all()) this.people.release(user);
    this.db.delete(rooms).where(eq(rooms.pk, key)).run();
  }
}
