import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Amendment } from "../../src/chat/decide-amendment.ts";
import { isRefused } from "../../src/chat/errors.ts";
import type { Action, Actor, MarkMove, Message } from "../../src/chat/model.ts";
import { outcomeLine } from "../support/samples.ts";
import { type StoreHarness, subOf } from "./store-harness.ts";

/** A message as the model has it. */
interface ModelMessage {
  seq: number;
  rev: number;
  sender: number;
  text: string | null;
  /** The text as it was sent. Null once it was edited or deleted. */
  firstText: string | null;
  edited: boolean;
  deleted: boolean;
  replyTo: number | null;
  clientId: string | null;
  meta: string | null;
  /** Names of people, in order; `room` for everyone. */
  mentions: string[];
  reactions: { emoji: string; by: string[] }[];
}

interface Person {
  name: PersonName;
  actor: Actor;
  /** Undefined when they are not a member. */
  role: "moderator" | "member" | undefined;
  /** The read mark. */
  mark: number;
}

/** A room by the words of the contract, in as few lines as possible. */
class Model {
  messages: ModelMessage[] = [];
  rev = 0;
  /** The messages as they were at each rev, from 0 on. */
  readonly states: ModelMessage[][] = [[]];
  /** Who is meant by a word after an `@`: the name of a person, or `room`. Undefined for nobody. */
  meant: (word: string) => string | undefined = () => undefined;
  /** The id of a person by name. Null while they have none. */
  idOf: (name: string) => string | null = () => null;

  /** What `StoreHarness.append` says of an action. */
  act(person: Person, action: Action): string {
    const { actor, role } = person;
    if (role === undefined && !actor.admin) return "removed";
    if (action.type === "send") return this.#send(person, action);
    if (action.type === "read") {
      const seq = Math.max(person.mark, Math.min(action.seq, this.messages.length));
      const moved = seq > person.mark;
      person.mark = seq;
      return `${moved ? "marked" : "unchanged"} ${seq}/${this.rev}`;
    }
    const found = this.messages[action.seq - 1];
    return found ? this.#amend(person, found, action) : "message_not_found";
  }

  join(person: Person): void {
    if (person.role === undefined) Object.assign(person, { role: "member", mark: this.messages.length });
  }

  /** What a moved mark says of its user and the room. Undefined for an outcome that moved none. */
  markOf(person: Person, outcome: string): MarkMove | undefined {
    if (!/^(created|marked) /.test(outcome)) return undefined;
    const head = { seq: this.messages.length, rev: this.rev };
    return { seq: person.mark, unread: this.unread(person), mentions: this.mentionsOf(person), head };
  }

  mentionsOf({ name, mark }: Person): number {
    const isMeant = ({ mentions }: ModelMessage) => mentions.includes(name) || mentions.includes("room");
    return this.messages.filter((message) => message.seq > mark && isMeant(message)).length;
  }

  /** A message's mentions as they are stored. */
  encodeMentions({ mentions }: Pick<ModelMessage, "mentions">): string | null {
    if (mentions.length === 0) return null;
    const users = mentions.flatMap((name) => (name === "room" ? [] : (this.idOf(name) ?? [])));
    return JSON.stringify({ users, ...(mentions.includes("room") && { room: true }) });
  }

  /** Whom the messages mention is somebody else, from the beginning. */
  rename(from: string, to: string): void {
    for (const message of new Set(this.states.flat()))
      message.mentions = [...new Set(message.mentions.map((name) => (name === from ? to : name)))];
  }

  #mentionsIn(text: string): string[] {
    const meant = Array.from(text.matchAll(/@([^\s,]+)/g), ([, word = ""]) => this.meant(word) ?? []).flat();
    return [...new Set(meant)];
  }

  unread({ mark }: Person): number {
    return this.messages.filter(({ seq, deleted }) => seq > mark && !deleted).length;
  }

  #amend({ actor, role }: Person, found: ModelMessage, action: Amendment): string {
    const message = structuredClone(found);
    const own = message.sender === actor.key;
    if (action.type === "edit" && !own) return "not_sender";
    if (action.type === "delete" && !own && role !== "moderator" && !actor.admin) return "not_moderator";
    if (action.type === "delete") {
      Object.assign(message, {
        text: null,
        firstText: null,
        deleted: true,
        meta: null,
        mentions: [],
        reactions: [],
      });
      return this.#change("deleted", found, message);
    }
    if (message.deleted) return "message_deleted";
    if (action.type === "react") {
      react(message, action.emoji, actor.id ?? "", action.on);
      return this.#change("reacted", found, message);
    }
    if (message.text !== action.text)
      Object.assign(message, {
        text: action.text,
        firstText: null,
        edited: true,
        mentions: this.#mentionsIn(action.text),
      });
    return this.#change("edited", found, message);
  }

  #send(person: Person, { text, clientId, replyTo, meta }: Extract<Action, { type: "send" }>): string {
    const sender = person.actor.key;
    const first = this.messages.find(
      (each) => clientId !== null && each.clientId === clientId && each.sender === sender,
    );
    if (first) {
      const sameText = first.firstText === null || first.firstText === text;
      const same = sameText && (first.deleted || first.meta === meta) && first.replyTo === replyTo;
      const rev = this.states.findIndex((state) => state.length >= first.seq);
      return same ? `unchanged ${first.seq}/${rev}` : `client_id_used ${first.seq}`;
    }
    if (replyTo !== null && !this.messages[replyTo - 1]) return "message_not_found";
    const seq = this.messages.length + 1;
    person.mark = seq;
    const state = { firstText: text, edited: false, deleted: false, reactions: [] };
    const sent = { seq, rev: 0, sender, text, replyTo, clientId, meta, mentions: this.#mentionsIn(text) };
    return this.#change("created", undefined, { ...sent, ...state });
  }

  #change(kind: string, before: ModelMessage | undefined, after: ModelMessage): string {
    if (before && Bun.deepEquals(before, after)) return `unchanged ${before.seq}/${before.rev}`;
    after.rev = ++this.rev;
    this.messages = before ? this.messages.with(after.seq - 1, after) : [...this.messages, after];
    this.states.push(this.messages);
    return `${kind} ${after.seq}/${after.rev}`;
  }
}

function react({ reactions }: ModelMessage, emoji: string, id: string, on: boolean): void {
  const found = reactions.find((each) => each.emoji === emoji);
  if ((found?.by.includes(id) ?? false) === on) return;
  if (!found) reactions.push({ emoji, by: [id] });
  else if (on) found.by.push(id);
  else found.by.splice(found.by.indexOf(id), 1);
  if (found?.by.length === 0) reactions.splice(reactions.indexOf(found), 1);
}

/** What a store and the model have in common of a message. */
type Comparable = Omit<ModelMessage, "firstText" | "mentions"> & { mentions: string | null };
const fromModel =
  (model: Model) =>
  (message: ModelMessage): Comparable => {
    const { firstText, ...comparable } = message;
    void firstText;
    return { ...comparable, mentions: model.encodeMentions(message) };
  };
const fromStore = ({ seq, rev, sender, text, editedAt, deletedAt, ...rest }: Message): Comparable => ({
  seq,
  rev,
  sender: sender.key,
  text,
  edited: editedAt !== null,
  deleted: deletedAt !== null,
  replyTo: rest.replyTo,
  clientId: rest.clientId,
  meta: rest.meta,
  mentions: rest.mentions,
  reactions: rest.reactions.map(({ emoji, by }) => ({ emoji, by: [...by] })),
});

const ascending = (key: "rev" | "seq") => (a: Comparable, b: Comparable) => a[key] - b[key];

const someSeq = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: -1, max: 40 }) },
);
/** The words after an `@` become the names of the people of one run. */
const someText = fc.constantFrom(
  "x",
  "y",
  "@room",
  "hi @ALICE, @bob",
  "@bob x",
  "@dave @admin",
  "@email",
  "@alice@room",
);
const someAction = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      text: someText,
      clientId: fc.option(fc.constantFrom("a", "b"), { freq: 2 }),
      replyTo: fc.option(someSeq, { freq: 1 }),
      meta: fc.option(fc.constantFrom("{}", '{"b":1,"a":{"__proto__":[]}}'), { freq: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("edit" as const),
      seq: someSeq,
      text: someText,
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
);

type PersonName = "moderator" | "alice" | "bob" | "admin" | "dave";
const somebody = fc.constantFrom<PersonName[]>("moderator", "alice", "bob", "admin", "dave");
/** One batch, or a change of who is a member. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.record({ who: somebody, action: someAction }), { maxLength: 10 }) },
  { weight: 1, arbitrary: fc.constantFrom("bob joins", "dave joins", "bob leaves", "dave leaves") },
  { weight: 1, arbitrary: fc.constantFrom("dave is invited", "dave signs in") },
);
/** Batches in which one user writes, and others read what is there or gone. */
const readings = fc.array(
  fc.array(
    fc.oneof(
      fc.record({
        who: fc.constant("moderator" as const),
        action: fc.oneof(
          fc.record({
            type: fc.constant("send" as const),
            text: someText,
            clientId: fc.constant(null),
            replyTo: fc.constant(null),
            meta: fc.constant(null),
          }),
          fc.record({ type: fc.constant("delete" as const), seq: someSeq }),
          fc.record({ type: fc.constant("edit" as const), seq: someSeq, text: someText }),
        ),
      }),
      fc.record({
        who: fc.constantFrom("alice" as const, "bob" as const, "admin" as const),
        action: fc.record({ type: fc.constant("read" as const), seq: someSeq }),
      }),
    ),
    { maxLength: 12 },
  ),
  { minLength: 1, maxLength: 5 },
);
const histories = fc.array(step, { minLength: 1, maxLength: 12 });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function run(h: StoreHarness, steps: readonly Step[]) {
  const room = await h.room();
  const model = new Model();
  const suffix = h.name("run");
  const person = async (name: PersonName, role?: Person["role"], admin = false): Promise<Person> => {
    // Nobody has an email at first.
    const user = await h.store.signIn({ sub: h.name("sub"), name: `${name}.${suffix}` });
    const actor = { ...user, admin };
    if (role) await h.grant(room, subOf(actor), role);
    return { name, actor, role, mark: 0 };
  };
  const people: Record<PersonName, Person> = {
    moderator: await person("moderator", "moderator"),
    alice: await person("alice", "member"),
    bob: await person("bob", "member"),
    admin: await person("admin", undefined, true),
    dave: await person("dave"),
  };
  const { bob, dave } = people;
  const email = h.email();
  let invitation: { mark: number } | undefined;
  let signedIn = false;
  const memberships: Record<string, () => Promise<unknown>> = {
    "bob joins": async () => (model.join(bob), h.grant(room, subOf(bob.actor))),
    "dave joins": async () => (model.join(dave), h.grant(room, subOf(dave.actor))),
    "bob leaves": async () => ((bob.role = undefined), h.remove(room, subOf(bob.actor))),
    "dave leaves": async () => ((dave.role = undefined), h.remove(room, subOf(dave.actor))),
    async "dave is invited"() {
      if (signedIn) model.join(dave);
      else invitation ??= { mark: model.messages.length };
      await h.grant(room, { email });
    },
    async "dave signs in"() {
      signedIn = true;
      // What mentions the invitation means them, or nobody if they are a member already.
      if (invitation) {
        const isMember = dave.role !== undefined;
        model.rename("invited", isMember ? "nobody" : "dave");
      }
      if (invitation && dave.role === undefined) Object.assign(dave, { role: "member", ...invitation });
      invitation = undefined;
      await h.signIn(dave.actor.id ?? "", email);
    },
  };
  model.idOf = (name) => people[name as PersonName]?.actor.id ?? null;
  model.meant = (word) => {
    if (word === "room") return "room";
    if (word === email) return signedIn ? dave.role && "dave" : invitation && "invited";
    const found = Object.values(people).find(
      ({ name, role }) => role && `${name}.${suffix}` === word.toLowerCase(),
    );
    return found?.name;
  };
  const named = (action: Action): Action => {
    if (!("text" in action)) return action;
    const text = action.text.replace(/@(\w+)/g, (_, word: string) => {
      if (word === "room") return "@room";
      return word === "email" ? `@${email}` : `@${word}.${suffix}`;
    });
    return { ...action, text };
  };
  for (const each of steps) {
    if (typeof each === "string") {
      await memberships[each]?.();
      continue;
    }
    const actions = each.map(({ who, action }) => ({ who, action: named(action) }));
    const drafts = actions.map(({ who, action }) => h.draft(room, people[who].actor, action));
    const expected = actions.map(({ who, action }) => {
      const before = "seq" in action ? model.messages[action.seq - 1] : undefined;
      const line = model.act(people[who], action);
      const changed = before && model.messages[before.seq - 1];
      const [was, is] = [before, changed].map((message) => message && model.encodeMentions(message));
      return { line, mark: model.markOf(people[who], line), mentionsBefore: was === is ? undefined : was };
    });
    const outcomes = await h.store.append(drafts);
    expect(
      outcomes.map((outcome) => ({
        line: outcomeLine(outcome),
        mark: isRefused(outcome) ? undefined : outcome.mark,
        mentionsBefore: isRefused(outcome) ? undefined : outcome.change?.mentionsBefore,
      })),
    ).toEqual(expected);
  }
  return { room, people: Object.values(people), model };
}

/** Compares what the store says of rooms, read marks and last messages with the model. */
async function expectLists(h: StoreHarness, { room, people, model }: Awaited<ReturnType<typeof run>>) {
  const messages = await h.store.messages(room.key, { limit: 999 });
  const head = { seq: model.messages.length, rev: model.rev };
  const lastMessage = messages.findLast(({ text }) => text !== null) ?? null;
  expect(await h.store.lastMessages([room.key])).toEqual(new Map([[room.key, lastMessage]]));
  const marks = (await h.store.readMarks(room.key, 9)) ?? [];
  for (const person of people) {
    const { role, mark: read, actor } = person;
    const entries = role
      ? [
          {
            room: { ...room, ...head },
            role,
            read,
            unread: model.unread(person),
            mentions: model.mentionsOf(person),
          },
        ]
      : [];
    expect(await h.store.roomsOf(actor.key)).toEqual(entries);
    const entry = await h.store.roomOf(actor.key, room.key);
    expect(entry ? [entry] : []).toEqual(entries);
    const ofRoom = marks.filter(({ user }) => user.key === actor.key).map(({ seq }) => seq);
    expect(ofRoom).toEqual(role ? [read] : []);
    if (role) expect(await h.store.readMark(room.key, actor.key)).toBe(read);
  }
}

export function modelContract(harness: () => StoreHarness): void {
  test("the messages, read marks and room lists are what the model has, however actions are batched", async () => {
    const property = fc.asyncProperty(histories, async (steps) => {
      const h = harness();
      const { room, people, model } = await run(h, steps);
      const head = { seq: model.messages.length, rev: model.rev };
      expect(await h.store.head(room.key)).toEqual(head);
      const messages = await h.store.messages(room.key, { limit: 999 });
      expect(messages.map(fromStore)).toEqual(model.messages.map(fromModel(model)));
      await expectLists(h, { room, people, model });
    });
    await fc.assert(property, { numRuns: 80 });
  }, 60_000);

  test("read marks and unread counts are what the model has at every moment, within batches too", async () => {
    const property = fc.asyncProperty(readings, async (steps) => {
      const h = harness();
      await expectLists(h, await run(h, steps));
    });
    await fc.assert(property, { numRuns: 80 });
  }, 60_000);

  test("a reader who was away since any rev knows the room after reading its changes page by page", async () => {
    const property = fc.asyncProperty(histories, fc.integer({ min: 1, max: 9 }), async (steps, limit) => {
      const h = harness();
      const { room, model } = await run(h, steps);
      const now = model.messages.map(fromModel(model));
      for (const [since, state] of model.states.entries()) {
        const known = new Map(state.map((message) => [message.seq, fromModel(model)(message)]));
        for (let cursor = since; cursor < model.rev;) {
          const { messages, rev } = await h.store.changes(room.key, cursor, limit);
          expect(rev).toBeGreaterThan(cursor);
          // Everything that changed up to there, once, in order.
          const due = now.filter((message) => message.rev > cursor && message.rev <= rev);
          expect(messages.map(fromStore)).toEqual(due.toSorted(ascending("rev")));
          for (const message of messages) known.set(message.seq, fromStore(message));
          cursor = rev;
        }
        expect([...known.values()].toSorted(ascending("seq"))).toEqual(now);
      }
    });
    await fc.assert(property, { numRuns: 30 });
  }, 60_000);
}
