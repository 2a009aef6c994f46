import { isRefused, type Result, unwrap } from "../../src/chat/errors.ts";
import {
  type Action,
  type Actor,
  defaultSettings,
  type Draft,
  type Invitee,
  type Member,
  type Message,
  operator,
  type Role,
  type Room,
} from "../../src/chat/model.ts";
import type { Granted, Store } from "../../src/chat/store.ts";
import { outcomeLine, send } from "../support/samples.ts";

/** Makes users and rooms in a store for one test, under names that no other test uses. */
export class StoreHarness {
  static #names = 0;

  constructor(readonly store: Store) {}

  name(prefix = "name"): string {
    return `${prefix}-${++StoreHarness.#names}`;
  }

  email(): string {
    return `${this.name("user")}@example.com`;
  }

  /** A user who has signed in with a verified email. */
  user(): Promise<Actor> {
    const name = this.name("user");
    return this.signIn(`sub|${name}`, `${name}@example.com`);
  }

  async signIn(sub: string, email?: string): Promise<Actor> {
    const user = await this.store.signIn({ sub, ...(email !== undefined && { email }) });
    return { ...user, admin: false };
  }

  /** A room without an owner. */
  async room(...members: Actor[]): Promise<Room> {
    const room = await this.createRoom();
    for (const each of members) await this.grant(room, subOf(each));
    return room;
  }

  async createRoom(id = this.name("room"), owner?: Actor): Promise<Room> {
    const wanted = {
      id,
      name: id,
      owner: owner?.key ?? null,
      ...defaultSettings,
      createdAt: 1,
      roomsPerUser: 0,
    };
    return unwrap(await this.store.createRoom(wanted));
  }

  async setMember(
    { key }: Room,
    who: Invitee,
    role?: Role,
    { by = operator, membersPerRoom = 0 } = {},
  ): Promise<Result<Granted>> {
    const grant = { by, joinedAt: 1, membersPerRoom };
    const granted = await this.store.setMembers(key, [{ who, role }], grant);
    return isRefused(granted) ? granted : (granted[0] as Granted);
  }

  async grant(room: Room, who: Invitee, role?: Role): Promise<Granted> {
    return unwrap(await this.setMember(room, who, role));
  }

  async remove({ key }: Room, who: Invitee): Promise<Member | undefined> {
    return unwrap(await this.store.removeMember(key, who, operator));
  }

  async delete({ key }: Room): Promise<void> {
    unwrap(await this.store.deleteRoom(key, operator));
  }

  draft({ key }: Room, actor: Actor, action: Action): Draft {
    return { room: key, actor, at: 1_700_000_000_000, action };
  }

  /** Appends one batch. Resolves with its outcomes, in one line each. */
  async append(...drafts: Draft[]): Promise<string[]> {
    return (await this.store.append(drafts)).map(outcomeLine);
  }

  /** Appends one batch of a user. */
  act(room: Room, actor: Actor, ...actions: Action[]): Promise<string[]> {
    return this.append(...actions.map((action) => this.draft(room, actor, action)));
  }

  /** Sends that many messages in one batch. Resolves with their texts. */
  async fill(room: Room, sender: Actor, count: number): Promise<string[]> {
    const texts = Array.from({ length: count }, () => this.name("text"));
    await this.act(room, sender, ...texts.map((text) => send(text)));
    return texts;
  }

  /** The newest message. */
  async newest({ key }: Room): Promise<Message | undefined> {
    return (await this.store.messages(key, { limit: 1 }))[0];
  }

  async texts({ key }: Room): Promise<(string | null)[]> {
    return (await this.store.messages(key, { limit: 100_000 })).map(({ text }) => text);
  }

  /** What changed after `since`, page by page. Throws when a page is out of order or claims less than it holds. */
  async changes({ key }: Room, since: number, limit = 99): Promise<Message[]> {
    const read: Message[] = [];
    for (let cursor = since; ;) {
      const { messages, rev } = await this.store.changes(key, cursor, limit);
      const revs = [cursor, ...messages.map((each) => each.rev)];
      if (revs.some((each, index) => index > 0 && each <= (revs[index - 1] ?? 0)) || rev < (revs.at(-1) ?? 0))
        throw new Error(`out of order: ${revs.join()} up to ${rev}`);
      if (rev === cursor) return read;
      read.push(...messages);
      cursor = rev;
    }
  }

  /** A user's unread count in a room. Undefined when it is not in their list. */
  async unread(room: Room, user: Actor): Promise<number | undefined> {
    return (await this.store.roomsOf(user.key)).find((each) => each.room.key === room.key)?.unread;
  }
}

export function subOf({ id }: { id: string | null }): { sub: string } {
  return { sub: id ?? "" };
}
