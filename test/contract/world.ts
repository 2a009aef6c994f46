import {
  type Action,
  type Actor,
  type Draft,
  type Message,
  operator,
  type Role,
  type Room,
} from "../../src/chat/model.ts";
import type { Outcome, Store } from "../../src/chat/store.ts";
import { send } from "../support/people.ts";

/** A store under test. */
export interface Made extends AsyncDisposable {
  store: Store;
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
    return {
      ...(await this.store.signIn({ sub, ...(email !== undefined && { email }) })),
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
    return this.store.setMember(key, who, role, { by: operator, joinedAt: 1, membersPerRoom });
  }

  /** Puts somebody out. */
  remove({ key }: Room, { id }: Actor) {
    return this.store.removeMember(key, { sub: id ?? "" }, operator);
  }

  /** Deletes the room. */
  async delete({ key }: Room): Promise<void> {
    const refusal = await this.store.deleteRoom(key, operator);
    if (refusal) throw new Error(`not deleted: ${refusal}`);
  }

  draft(room: Room, sender: Actor, text = this.name("text"), clientId: string | null = null): Draft {
    return this.does(room, sender, send(text, clientId));
  }

  does({ key }: Room, actor: Actor, action: Action): Draft {
    return { room: key, actor, at: 1_700_000_000_000, action };
  }

  /** One batch; what became of each draft, in a word. */
  async append(...drafts: Draft[]): Promise<string[]> {
    return (await this.store.append(drafts)).map(told);
  }

  /** Gives a message the room's next `rev`. */
  edit(room: Room, sender: Actor, seq: number): Promise<string[]> {
    return this.append(this.does(room, sender, { type: "edit", seq, text: this.name("edit") }));
  }

  /** Sends that many messages, and answers what they say. */
  async fill(room: Room, sender: Actor, count: number): Promise<string[]> {
    const texts = Array.from({ length: count }, () => this.name("text"));
    await this.store.append(texts.map((text) => this.draft(room, sender, text)));
    return texts;
  }

  /** What changed after `since`, page after page. */
  async changes({ key }: Room, since: number, limit = 99): Promise<Message[]> {
    const read: Message[] = [];
    for (let cursor = since; ;) {
      const { messages, rev } = await this.store.changes(key, cursor, limit);
      const revs = [cursor, ...messages.map((message) => message.rev)];
      // Each page is in order, and goes as far as it says.
      if (revs.some((each, index) => index > 0 && each <= (revs[index - 1] ?? 0)) || rev < (revs.at(-1) ?? 0))
        throw new Error(`out of order: ${revs.join()} up to ${rev}`);
      if (rev === cursor) return read;
      read.push(...messages);
      cursor = rev;
    }
  }

  async texts({ key }: Room): Promise<(string | null)[]> {
    return (await this.store.messages(key, { limit: 100_000 })).map(({ text }) => text);
  }
}

/** An outcome in a word, with `seq/rev`. */
export function told(outcome: Outcome): string {
  if ("refused" in outcome) return outcome.refused;
  const { ack, change, marked } = outcome;
  return `${marked ? "marked" : (change?.kind ?? "unchanged")} ${ack.seq}/${ack.rev}`;
}
