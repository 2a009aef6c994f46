import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Amendment } from "../../src/chat/decide.ts";
import type { Action, Actor, Message } from "../../src/chat/model.ts";
import type { World } from "./world.ts";

/** A message as the model has it. */
interface Kept {
  seq: number;
  rev: number;
  sender: number;
  text: string | null;
  edited: boolean;
  deleted: boolean;
  replyTo: number | null;
  clientId: string | null;
  reactions: { emoji: string; by: string[] }[];
}

interface Somebody {
  actor: Actor;
  /** Undefined when he is not in the room. */
  role: "moderator" | "member" | undefined;
  mark: number;
}

interface Step {
  who: number;
  action: Action;
}

/** A room in a few lines, by the words of the contract. */
class Model {
  messages: Kept[] = [];
  rev = 0;
  /** The messages as they were at each rev, from 0 on. */
  readonly states: Kept[][] = [[]];

  /** What `World.append` says of it. */
  does(somebody: Somebody, action: Action): string {
    const { actor, role } = somebody;
    if (role === undefined && !actor.admin) return "removed";
    if (action.type === "send") return this.#send(somebody, action);
    if (action.type === "read") {
      const seq = Math.max(somebody.mark, Math.min(action.seq, this.messages.length));
      const moved = seq > somebody.mark;
      somebody.mark = seq;
      return `${moved ? "marked" : "unchanged"} ${seq}/${this.rev}`;
    }
    const found = this.messages[action.seq - 1];
    return found ? this.#amend(somebody, found, action) : "no_message";
  }

  #amend({ actor, role }: Somebody, found: Kept, action: Amendment): string {
    const message = structuredClone(found);
    const own = message.sender === actor.key || actor.admin;
    if (action.type === "edit" && !own) return "not_sender";
    if (action.type === "delete" && !own && role !== "moderator") return "not_moderator";
    if (action.type === "delete") {
      Object.assign(message, { text: null, deleted: true, reactions: [] });
      return this.#change("deleted", found, message);
    }
    if (message.deleted) return "deleted";
    if (action.type === "edit") {
      Object.assign(message, { text: action.text, edited: message.edited || message.text !== action.text });
      return this.#change("edited", found, message);
    }
    react(message, action.emoji, actor.id ?? "", action.on);
    return this.#change("reacted", found, message);
  }

  #send(somebody: Somebody, { text, clientId, replyTo }: Extract<Action, { type: "send" }>): string {
    const sender = somebody.actor.key;
    const first = this.messages.find(
      (each) => clientId !== null && each.clientId === clientId && each.sender === sender,
    );
    if (first) {
      const rev = this.states.findIndex((state) => state.length >= first.seq);
      return `unchanged ${first.seq}/${rev}`;
    }
    if (replyTo !== null && !this.messages[replyTo - 1]) return "no_message";
    const seq = this.messages.length + 1;
    somebody.mark = seq;
    const state = { edited: false, deleted: false, reactions: [] };
    return this.#change("created", undefined, { seq, rev: 0, sender, text, replyTo, clientId, ...state });
  }

  #change(kind: string, before: Kept | undefined, after: Kept): string {
    if (before && Bun.deepEquals(before, after)) return `unchanged ${before.seq}/${before.rev}`;
    after.rev = ++this.rev;
    this.messages = before ? this.messages.with(after.seq - 1, after) : [...this.messages, after];
    this.states.push(this.messages);
    return `${kind} ${after.seq}/${after.rev}`;
  }
}

function react({ reactions }: Kept, emoji: string, id: string, on: boolean): void {
  const found = reactions.find((each) => each.emoji === emoji);
  if ((found?.by.includes(id) ?? false) === on) return;
  if (!found) reactions.push({ emoji, by: [id] });
  else if (on) found.by.push(id);
  else found.by.splice(found.by.indexOf(id), 1);
  if (found?.by.length === 0) reactions.splice(reactions.indexOf(found), 1);
}

const kept = (message: Message): Kept => {
  const { seq, rev, text, replyTo, clientId } = message;
  const reactions = message.reactions.map(({ emoji, by }) => ({ emoji, by: [...by] }));
  const state = { edited: message.editedAt !== null, deleted: message.deletedAt !== null, reactions };
  return { seq, rev, sender: message.sender.key, text, replyTo, clientId, ...state };
};

const ascending = (key: "rev" | "seq") => (a: Kept, b: Kept) => a[key] - b[key];

const someSeq = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: -1, max: 40 }) },
);
const clientId = fc.option(fc.constantFrom("a", "b"), { freq: 2 });
/** Who does what; the last one is an administrator who is not in the room. */
const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(3),
  action: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("send" as const),
        text: fc.string(),
        clientId,
        replyTo: fc.option(someSeq, { freq: 1 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("edit" as const),
        seq: someSeq,
        text: fc.constantFrom("x", "y"),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), seq: someSeq }) },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("react" as const),
        seq: someSeq,
        emoji: fc.constantFrom("1", "2", "3"),
        on: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("read" as const), seq: someSeq }) },
  ),
});

/** What one room is after any history, compared with a model of it. */
export function modelContract(world: () => World): void {
  const run = async (batches: Step[][]) => {
    const w = world();
    const [moderator, alice, bob] = [await w.user(), await w.user(), await w.user()];
    const admin = { ...(await w.user()), admin: true };
    const room = await w.room(alice, bob);
    await w.grant(room, { sub: moderator.id ?? "" }, "moderator");
    const cast: Somebody[] = [
      { actor: moderator, role: "moderator", mark: 0 },
      { actor: alice, role: "member", mark: 0 },
      { actor: bob, role: "member", mark: 0 },
      { actor: admin, role: undefined, mark: 0 },
    ];
    const model = new Model();
    for (const batch of batches) {
      const steps = batch.map(({ who, action }) => ({ somebody: cast[who] ?? expect.unreachable(), action }));
      const told = await w.append(
        ...steps.map(({ somebody, action }) => w.does(room, somebody.actor, action)),
      );
      expect(told).toEqual(steps.map(({ somebody, action }) => model.does(somebody, action)));
    }
    return { w, room, cast, model };
  };
  const batches = fc.array(fc.array(step, { minLength: 1, maxLength: 10 }), { minLength: 1, maxLength: 8 });

  test("whatever is done in whatever batches, a room is what the model of it is", async () => {
    const property = fc.asyncProperty(batches, async (plan) => {
      const { w, room, cast, model } = await run(plan);
      expect(await w.store.head(room.key)).toEqual({ seq: model.messages.length, rev: model.rev });
      expect((await w.store.messages(room.key, { limit: 999 })).map(kept)).toEqual(model.messages);
      for (const { actor, role, mark } of cast) {
        const rooms = await w.store.roomsOf(actor.key);
        expect(rooms.map(({ unread }) => unread)).toEqual(role ? [model.messages.length - mark] : []);
      }
    });
    await fc.assert(property, { numRuns: 100 });
  }, 30_000);

  test("whoever was away since any rev has the room as it is after reading its changes, page by page", async () => {
    const property = fc.asyncProperty(batches, fc.integer({ min: 1, max: 9 }), async (plan, limit) => {
      const { w, room, model } = await run(plan);
      for (const [since, state] of model.states.entries()) {
        const known = new Map(state.map((message) => [message.seq, message]));
        for (let cursor = since; cursor < model.rev;) {
          const { messages, rev } = await w.store.changes(room.key, cursor, limit);
          expect(rev).toBeGreaterThan(cursor);
          // All that changed up to there, once, in order.
          const due = model.messages.filter((message) => message.rev > cursor && message.rev <= rev);
          expect(messages.map(kept)).toEqual(due.toSorted(ascending("rev")));
          for (const message of messages) known.set(message.seq, kept(message));
          cursor = rev;
        }
        expect([...known.values()].toSorted(ascending("seq"))).toEqual(model.messages);
        expect(await w.store.changes(room.key, model.rev + since, limit)).toEqual({
          messages: [],
          rev: model.rev + since,
        });
      }
    });
    await fc.assert(property, { numRuns: 50 });
  }, 30_000);
}
