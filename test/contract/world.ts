import {
  type Actor,
  type Draft,
  operator,
  type Role,
  type Room,
  type RoomKey,
} from "../../src/chat/model.ts";
import type { Outcome, Store } from "../../src/chat/store.ts";

/** A store under test. */
export interface Made extends AsyncDisposable {
  store: Store;
  /** What an edit will do: gives a message the room's next `rev`. */
  touch(room: RoomKey, seq: number): Promise<void>;
}

/** Rooms and users of one test: none has met any other test's. */
export class World {
  static #made = 0;

  constructor(readonly made: Made) {}

  get store(): Store {
    return this.made.store;
  }

  /** A name that nobody else has. */
  name(of = "name"): string {
    return `${of}-${++World.#made}`;
  }

  /** Somebody who has signed in. */
  async user(name = this.name("user")): Promise<Actor> {
    return this.signIn(`sub|${name}`, `${name}@example.com`);
  }

  async signIn(sub: string, email?: string): Promise<Actor> {
    const identity = { sub, admin: false, expiresAt: Number.MAX_SAFE_INTEGER };
    return {
      ...(await this.store.signIn({ ...identity, ...(email !== undefined && { email }) })),
      admin: false,
    };
  }

  /** A room of the operator's. */
  async room(...members: Actor[]): Promise<Room> {
    const room = await this.createRoom(this.name("room"));
    for (const { id } of members) await this.grant(room, { sub: id ?? "" });
    return room;
  }

  async createRoom(id: string, owner: Actor = operator, limit = 0): Promise<Room> {
    const wanted = { id, name: id, owner: owner === operator ? null : owner.key, createdAt: 1 };
    const room = await this.store.createRoom(wanted, limit);
    if (typeof room === "string") throw new Error(`not made: ${room}`);
    return room;
  }

  grant({ key }: Room, who: { email: string } | { sub: string }, role: Role = "member", membersPerRoom = 0) {
    return this.store.setMember(key, who, role, { joinedAt: 1, membersPerRoom });
  }

  draft(room: Room, sender: Actor, text = this.name("text"), clientId: string | null = null): Draft {
    return { room: room.key, sender, text, sentAt: 1_700_000_000_000, clientId };
  }

  /** Sends that many messages, and answers what they say. */
  async fill(room: Room, sender: Actor, count: number): Promise<string[]> {
    const drafts = Array.from({ length: count }, () => this.draft(room, sender));
    await this.store.append(drafts);
    return drafts.map(({ text }) => text);
  }

  async texts({ key }: Room): Promise<(string | null)[]> {
    return (await this.store.messages(key, { limit: 100_000 })).map(({ text }) => text);
  }
}

/** An outcome in a word. */
export function told(outcome: Outcome): string {
  if ("stored" in outcome) return `stored ${outcome.stored.seq}/${outcome.stored.rev}`;
  if ("repeated" in outcome) return `repeated ${outcome.repeated.seq}/${outcome.repeated.rev}`;
  return outcome.refused;
}
