import { describe, expect, test } from "bun:test";

import { amend, type Amendment } from "../../src/chat/decide-amendment.ts";
import { Batch, type SentMessage } from "../../src/chat/decide.ts";
import { isRefused } from "../../src/chat/errors.ts";
import type { Action, Actor, Message, Position, Posting, Reaction, Role } from "../../src/chat/model.ts";
import type { MentionedMember } from "../../src/chat/room-mentions.ts";
import { actor, message, outcomeLine, range, send } from "../support/samples.ts";

const [alice, bob, carol, admin] = [actor(1), actor(2), actor(3), actor(9, true)];
const room = 7;

const edit = (seq: number, text = "edited"): Amendment => ({ type: "edit", seq, text });
const remove = (seq: number): Amendment => ({ type: "delete", seq });
const react = (seq: number, emoji = "👍", on = true): Amendment => ({ type: "react", seq, emoji, on });
const read = (seq: number): Action => ({ type: "read", seq });

interface Stored {
  head?: Position | undefined;
  messages?: Message[];
  sent?: Record<string, SentMessage>;
  roles?: [Actor, Role][];
  marks?: [Actor, number][];
  /** Members by name. */
  named?: Record<string, MentionedMember[]>;
  /** Whom messages mention. */
  mentioned?: Record<number, number[]>;
  posting?: Posting;
  slowMode?: number;
  mutes?: [Actor, until: number | null][];
  sentAt?: [Actor, number][];
}

/** A batch on facts from plain maps: Alice and Bob are members, and the room is empty unless it says otherwise. */
function createBatch(stored: Stored = {}) {
  const { messages = [], sent = {}, roles = [], marks = [], posting = "members", slowMode = 0 } = stored;
  const mutes = new Map((stored.mutes ?? []).map(([{ key }, until]) => [key, { until }]));
  const sentAt = new Map((stored.sentAt ?? []).map(([{ key }, at]) => [key, at]));
  const { named = {}, mentioned = {} } = stored;
  const head = "head" in stored ? stored.head : { seq: messages.length, rev: messages.length };
  const roleByUser = new Map<number, Role>([
    [alice.key, "member"],
    [bob.key, "member"],
    ...roles.map(([{ key }, role]) => [key, role] as const),
  ]);
  const markByUser = new Map(marks.map(([{ key }, seq]) => [key, seq]));
  const lookUps: number[] = [];
  /** Names and emails that members were looked up by. */
  const sought: string[] = [];
  const batch = new Batch({
    head(key) {
      const position = key === room ? head : { seq: 0, rev: 0 };
      return position && { ...position, posting, slowMode };
    },
    standing: (_, user) => ({ role: roleByUser.get(user), mute: mutes.get(user) }),
    lastSentAt: (_, user) => sentAt.get(user),
    readMark: (_, user) => markByUser.get(user) ?? 0,
    sentAs: (_, sender, clientId) => sent[`${sender} ${clientId}`],
    message: (_, seq) => messages[seq - 1],
    isBeginningOfName(key) {
      sought.push(`${key}…`);
      return Object.keys(named).some((name) => name.startsWith(key));
    },
    membersNamed(_, key) {
      sought.push(key);
      return named[key] ?? [];
    },
    membersWithEmail(_, email) {
      sought.push(email);
      return named[email] ?? [];
    },
    mentionedIn: (_, seq) => mentioned[seq] ?? [],
    mentionsAfter: (_, mark, user, limit) => {
      const found = Object.entries(mentioned).filter(
        ([seq, users]) => Number(seq) > mark && (users.includes(0) || users.includes(user)),
      );
      return Math.min(limit, found.length);
    },
    deletedAfter(_, seq) {
      lookUps.push(seq);
      return messages.filter((each) => each.seq > seq && each.deletedAt !== null).length;
    },
  });
  const outcome = (user: Actor, action: Action, key = room) =>
    batch.decide({ room: key, actor: user, at: 9, action });
  const decide = (user: Actor, ...actions: Action[]) =>
    actions.map((action) => outcomeLine(outcome(user, action)));
  const writes = () => new Map(batch.writes()).get(room) ?? expect.unreachable();
  /** The mark that an action moved. */
  const mark = (user: Actor, action: Action) => {
    const done = outcome(user, action);
    return isRefused(done) ? done : done.mark;
  };
  return { outcome, decide, mark, writes, batch, lookUps, sought };
}

describe("a batch", () => {
  test("gives each change the next rev of its room, and each message the next seq", () => {
    const { outcome, decide, batch } = createBatch({ head: { seq: 4, rev: 9 } });
    expect(decide(alice, send("a"), edit(5), react(5), send("b"), remove(6))).toEqual([
      "created 5/10",
      "edited 5/11",
      "reacted 5/12",
      "created 6/13",
      "deleted 6/14",
    ]);
    expect(outcomeLine(outcome(alice, send("c"), 8))).toBe("created 1/1");
    expect(decide(bob, send("d"))).toEqual(["created 7/15"]);
    const positions = Array.from(batch.writes(), ([key, { seq, rev }]) => [key, seq, rev]);
    expect(positions).toEqual([
      [7, 7, 15],
      [8, 1, 1],
    ]);
  });

  test("writes new messages as they were created, and changed ones as they are in the end", () => {
    const { decide, writes } = createBatch({ messages: [message(1), message(2)] });
    decide(alice, send("new", "c", 1), edit(3, "edited"), react(1), react(1, "🎉"), send("other"));
    const { created, changed } = writes();
    expect(created).toEqual([
      { ...message(3, 3, "new"), sender: alice, sentAt: 9, clientId: "c", replyTo: 1 },
      { ...message(4, 7, "other"), editedAt: null, sender: alice, sentAt: 9 },
    ]);
    expect([...changed.values()]).toMatchObject([
      { seq: 3, rev: 4, text: "edited", clientId: "c", replyTo: 1 },
      { seq: 1, rev: 6, text: "text 1", reactions: [{ emoji: "👍" }, { emoji: "🎉" }] },
    ]);
  });

  test("answers each draft with the change as it was at that moment", () => {
    const { outcome } = createBatch();
    const outcomes = [send("a"), edit(1, "b"), edit(1, "c")].map((action) => outcome(alice, action));
    expect(outcomes).toMatchObject([
      {
        ack: { seq: 1, rev: 1 },
        change: { kind: "created", message: { text: "a", rev: 1, editedAt: null } },
      },
      { ack: { seq: 1, rev: 2 }, change: { kind: "edited", message: { text: "b", rev: 2, editedAt: 9 } } },
      { ack: { seq: 1, rev: 3 }, change: { kind: "edited", message: { text: "c", rev: 3 } } },
    ]);
  });

  test("refuses a draft without a trace in what it writes", () => {
    const { decide, writes } = createBatch({ messages: [message(1)] });
    expect(decide(bob, edit(1), remove(1), react(9), edit(0), remove(-1), send("x", "c", 9))).toEqual([
      "not_sender",
      "not_moderator",
      "message_not_found",
      "message_not_found",
      "message_not_found",
      "message_not_found",
    ]);
    expect(decide(carol, send("x"), read(1))).toEqual(["removed", "removed"]);
    expect(writes()).toMatchObject({ seq: 1, rev: 1, created: [], changed: new Map(), readMarks: new Map() });
    // The client_id of the refused message is free.
    expect(decide(bob, send("y", "c"))).toEqual(["created 2/2"]);
  });

  test("writes nothing for a room that is deleted", () => {
    const { decide, batch } = createBatch({ head: undefined });
    expect([decide(alice, send("x")), decide(admin, remove(1))]).toEqual([
      ["room_deleted"],
      ["room_deleted"],
    ]);
    expect([...batch.writes()]).toEqual([]);
  });

  test("lets an administrator act without being a member", () => {
    const { decide } = createBatch({ messages: [message(1)] });
    expect(decide(admin, send("x"), read(2), react(1), remove(1))).toEqual([
      "created 2/2",
      "unchanged 2/2",
      "reacted 1/3",
      "deleted 1/4",
    ]);
  });
});

describe("a reply", () => {
  test("names a message that is there, be it deleted or sent in the same batch", () => {
    const deleted: Message = { ...message(1), text: null, deletedAt: 5 };
    const { decide } = createBatch({ messages: [deleted] });
    const replies = [1, 2, 0, -1, 4, 3].map((seq) => send(`to ${seq}`, null, seq));
    expect(decide(alice, ...replies)).toEqual([
      "created 2/2",
      "created 3/3",
      "message_not_found",
      "message_not_found",
      "message_not_found",
      "created 4/4",
    ]);
  });
});

describe("a client_id that its sender used before", () => {
  const sent = { "1 c": { seq: 1, rev: 1, text: "text 1", meta: null, replyTo: null } };
  const messages = [message(1), message(2), message(3)];

  test("is acknowledged like the first time for the same message", () => {
    const { decide, writes } = createBatch({ messages, sent });
    expect(decide(alice, send("text 1", "c"), react(1), send("text 1", "c"))).toEqual([
      "unchanged 1/1",
      "reacted 1/4",
      "unchanged 1/1",
    ]);
    expect([writes().created, writes().readMarks]).toEqual([[], new Map()]);
  });

  test("is a conflict with the first message for another text or another reply", () => {
    const { decide, writes } = createBatch({ messages, sent });
    expect(decide(alice, send("text 2", "c"), send("text 1", "c", 1))).toEqual([
      "client_id_used 1",
      "client_id_used 1",
    ]);
    expect(writes().created).toEqual([]);
  });

  test("is a conflict with the first message for other metadata, even when the first message was edited", () => {
    const meta = '{"a":1}';
    const withMeta = { "1 c": { seq: 1, rev: 1, text: "text 1", meta, replyTo: null } };
    const { decide } = createBatch({ messages: [{ ...message(1), meta }], sent: withMeta });
    const others = [null, '{"a":2}'].map((other) => send("text 1", "c", null, other));
    expect(decide(alice, send("text 1", "c", null, meta), ...others)).toEqual([
      "unchanged 1/1",
      "client_id_used 1",
      "client_id_used 1",
    ]);
    expect(decide(alice, edit(1), send("any", "c", null, meta), ...others)).toEqual([
      "edited 1/2",
      "unchanged 1/1",
      "client_id_used 1",
      "client_id_used 1",
    ]);
  });

  test("is acknowledged whatever the metadata, once the first message was deleted", () => {
    const { decide } = createBatch();
    const again = send("any", "c");
    expect(decide(alice, send("one", "c", null, "{}"), again, remove(1), again)).toEqual([
      "created 1/1",
      "client_id_used 1",
      "deleted 1/2",
      "unchanged 1/1",
    ]);
    const deleted = { "1 c": { seq: 1, rev: 1, text: null, meta: undefined, replyTo: null } };
    expect(createBatch({ messages, sent: deleted }).decide(alice, again)).toEqual(["unchanged 1/1"]);
  });

  test("is acknowledged whatever the text, once the first message was edited or deleted", () => {
    const rewritten = { "1 c": { seq: 1, rev: 1, text: null, meta: null, replyTo: 3 } };
    const { decide } = createBatch({ messages, sent: rewritten });
    expect(decide(alice, send("any", "c", 3), send("any", "c"))).toEqual([
      "unchanged 1/1",
      "client_id_used 1",
    ]);
  });

  test("is treated alike within one batch", () => {
    const { decide } = createBatch();
    const again = [send("one", "c"), send("two", "c"), send("one", "c", 1)];
    expect(decide(alice, send("one", "c"), ...again)).toEqual([
      "created 1/1",
      "unchanged 1/1",
      "client_id_used 1",
      "client_id_used 1",
    ]);
    expect(decide(alice, edit(1, "uno"), ...again)).toEqual([
      "edited 1/2",
      "unchanged 1/1",
      "unchanged 1/1",
      "client_id_used 1",
    ]);
  });

  test.each([edit(1), remove(1)])(
    "is acknowledged after the first message was changed in this batch: $type",
    (action) => {
      const { decide } = createBatch({ messages, sent });
      expect(decide(alice, send("text 2", "c"))).toEqual(["client_id_used 1"]);
      decide(alice, action);
      expect(decide(alice, send("text 2", "c"))).toEqual(["unchanged 1/1"]);
    },
  );

  test("is free for another sender, in another room, and in another case", () => {
    const { outcome, decide } = createBatch({ messages, sent });
    expect(decide(bob, send("x", "c"), send("y", "C"))).toEqual(["created 4/4", "created 5/5"]);
    expect(outcomeLine(outcome(alice, send("x", "d"), 8))).toBe("created 1/1");
    expect(decide(alice, send("z", "d"), send("z"), send("z"))).toEqual([
      "created 6/6",
      "created 7/7",
      "created 8/8",
    ]);
  });
});

describe("a read mark", () => {
  test("moves forward only, and to the newest message at most", () => {
    const { decide, writes } = createBatch({ head: { seq: 5, rev: 8 }, marks: [[alice, 1]] });
    expect(decide(alice, read(0), read(3), read(3), read(2), read(-7), read(2 ** 53))).toEqual([
      "unchanged 1/8",
      "marked 3/8",
      "unchanged 3/8",
      "unchanged 3/8",
      "unchanged 3/8",
      "marked 5/8",
    ]);
    expect(writes()).toMatchObject({ seq: 5, rev: 8, readMarks: new Map([[alice.key, 5]]) });
  });

  test("of a sender moves to their message", () => {
    const { decide, writes } = createBatch({ head: { seq: 2, rev: 2 } });
    expect(decide(bob, read(9))).toEqual(["marked 2/2"]);
    expect(decide(alice, send("x"), read(9), edit(3))).toEqual([
      "created 3/3",
      "unchanged 3/3",
      "edited 3/4",
    ]);
    expect(writes().readMarks).toEqual(
      new Map([
        [bob.key, 2],
        [alice.key, 3],
      ]),
    );
  });
});

const gone = (seq: number): Message => ({ ...message(seq), text: null, deletedAt: 5 });

describe("mentions", () => {
  const named = { bob: [{ key: bob.key, id: "bob" }], carol: [{ key: carol.key, id: null }] };

  test("of a batch are written once, as they are at its end, and everyone stands for each", () => {
    const { decide, outcome, writes } = createBatch({ named });
    decide(alice, send("@bob"), send("@carol @bob"), send("@room @bob"), send("@eve"), send("none"));
    expect(outcome(alice, edit(1, "@carol"))).toMatchObject({
      change: { message: { mentions: '{"users":[]}' }, mentionsBefore: '{"users":["bob"]}' },
    });
    expect(outcome(alice, edit(5, "@bob"))).toMatchObject({ change: { mentionsBefore: null } });
    decide(alice, remove(2));
    expect(Object.fromEntries(writes().mentioned)).toEqual({ 1: [carol.key], 2: [], 3: [0], 5: [bob.key] });
    expect(writes().created.map(({ mentions }) => mentions)).toEqual([
      '{"users":["bob"]}',
      '{"users":["bob"]}',
      '{"users":["bob"],"room":true}',
      null,
      null,
    ]);
  });

  test("are counted for a moved mark with those of the batch, once each", () => {
    const mentions = '{"users":["bob"]}';
    const messages = [{ ...message(1), mentions }, { ...message(2), mentions }, message(3)];
    const { decide, mark } = createBatch({ messages, named, mentioned: { 1: [bob.key], 2: [bob.key] } });
    expect(mark(bob, read(1))).toMatchObject({ mentions: 1 });
    decide(alice, edit(2, "@room"), edit(3, "@bob"), send("@bob"), send("@room"), send("@carol"));
    expect(mark(bob, read(2))).toMatchObject({ mentions: 3 });
    decide(alice, remove(3), edit(4, "none"), edit(4, "@bob @bob"), remove(5));
    expect(mark(bob, read(3))).toMatchObject({ mentions: 1 });
    expect(mark(bob, read(6))).toMatchObject({ mentions: 0 });
  });

  test("cost no look-up where there is no @, and one for each name where there is", () => {
    const { decide, sought } = createBatch({ named });
    decide(alice, send("no mention"), edit(1, "none either"), remove(1));
    expect(sought).toEqual([]);
    decide(alice, send("@bob"), send("@bob"), send("hi @bob x"));
    expect(sought).toEqual(["bob…", "bob", "bob x…"]);
  });
});

describe("a moved mark", () => {
  const messages = [message(1), gone(2), message(3), gone(4), message(5)];

  test("tells how many messages after it are not deleted, and where the room is", () => {
    const { mark, lookUps } = createBatch({ messages, head: { seq: 5, rev: 9 } });
    const head = { seq: 5, rev: 9 };
    expect(mark(alice, read(1))).toEqual({ seq: 1, unread: 2, mentions: 0, head });
    expect(mark(alice, read(1))).toBeUndefined();
    expect(mark(alice, read(3))).toEqual({ seq: 3, unread: 1, mentions: 0, head });
    expect(mark(alice, read(99))).toEqual({ seq: 5, unread: 0, mentions: 0, head });
    // At the newest message there is nothing to count.
    expect(lookUps).toEqual([1, 3]);
  });

  test("counts what earlier drafts of the batch sent and deleted, once", () => {
    const { mark, decide } = createBatch({ messages, roles: [[alice, "owner"]] });
    decide(bob, send("six"), send("seven"));
    decide(alice, remove(3), remove(3), remove(2), remove(7));
    const head = { seq: 7, rev: 9 };
    expect(mark(alice, read(1))).toEqual({ seq: 1, unread: 2, mentions: 0, head });
    expect(mark(alice, read(5))).toEqual({ seq: 5, unread: 1, mentions: 0, head });
    decide(alice, remove(6));
    expect(mark(alice, read(6))).toEqual({ seq: 6, unread: 0, mentions: 0, head: { seq: 7, rev: 10 } });
  });

  test("by sending a message leaves nothing unread, and costs no look-up", () => {
    const { mark, lookUps } = createBatch({ messages, head: { seq: 5, rev: 9 } });
    expect(mark(alice, send("x", "c"))).toEqual({
      seq: 6,
      unread: 0,
      mentions: 0,
      head: { seq: 6, rev: 10 },
    });
    expect(mark(alice, send("x", "c"))).toBeUndefined();
    expect(mark(alice, edit(6))).toBeUndefined();
    expect(lookUps).toEqual([]);
  });
});

/** A message of Alice's. */
const original: Message = { ...message(1), clientId: "c", replyTo: 4 };
const deleted: Message = { ...original, text: null, deletedAt: 5 };
const reacted = (...reactions: Reaction[]): Message => ({ ...original, reactions });

/** What an action makes of a message: the kind of the change, the refusal, or "nothing". */
function resultOf(
  before: Message,
  action: Amendment,
  user = alice,
  role: Role | undefined = "member",
): string {
  const change = amend(before, action, { actor: user, role, at: 9 });
  if (change === undefined) return "nothing";
  return isRefused(change) ? change.refused : change.kind;
}

/** The message after an action that changes it. */
function after(before: Message, action: Amendment, user = alice): Message {
  const change = amend(before, action, { actor: user, role: "member", at: 9 });
  return change && !isRefused(change) ? change.message : expect.unreachable();
}

test.each<[string, Actor, Role | undefined, edits: string, deletes: string]>([
  ["its sender", alice, "member", "edited", "deleted"],
  ["its sender, who is a moderator", alice, "moderator", "edited", "deleted"],
  ["another member", bob, "member", "not_sender", "not_moderator"],
  ["a moderator", bob, "moderator", "not_sender", "deleted"],
  ["an owner", bob, "owner", "not_sender", "deleted"],
  ["an administrator who is a member", admin, "member", "not_sender", "deleted"],
  ["an administrator who is not", admin, undefined, "not_sender", "deleted"],
])("what %s may do with a message", (_, user, role, edits, deletes) => {
  const results = (before: Message, ...actions: Amendment[]) =>
    actions.map((action) => resultOf(before, action, user, role));
  expect(results(original, edit(1), remove(1), react(1))).toEqual([edits, deletes, "reacted"]);
  // A deleted message stays so, and those who may not touch a message do not learn that it is deleted.
  expect(results(deleted, edit(1), remove(1), react(1), react(1, "👍", false))).toEqual([
    edits === "edited" ? "message_deleted" : edits,
    deletes === "deleted" ? "nothing" : deletes,
    "message_deleted",
    "message_deleted",
  ]);
});

describe("an amendment", () => {
  const before = { ...reacted({ emoji: "👍", by: ["a"] }), editedAt: 3, meta: "{}" };

  test("that edits changes the text and the time of the edit, and nothing else", () => {
    expect(after(before, edit(1))).toEqual({ ...before, text: "edited", editedAt: 9 });
  });

  test("that deletes takes the text and the reactions, and nothing else", () => {
    expect(after(before, remove(1))).toEqual({
      ...before,
      text: null,
      meta: null,
      reactions: [],
      deletedAt: 9,
    });
  });

  test("leaves the message that it is given as it was", () => {
    const copy = structuredClone(before);
    for (const action of [edit(1), remove(1), react(1), react(1, "👍", false), react(1, "🎉")])
      for (const user of [alice, bob]) amend(before, action, { actor: user, role: "owner", at: 9 });
    expect(before).toEqual(copy);
  });

  test("that changes nothing is none", () => {
    expect(resultOf(original, edit(1, "text 1"))).toBe("nothing");
    expect(resultOf(original, react(1, "👍", false))).toBe("nothing");
    const own = reacted({ emoji: "👍", by: ["sub|2", "sub|1"] });
    expect(resultOf(own, react(1))).toBe("nothing");
    expect(resultOf(own, react(1, "👍", false))).toBe("reacted");
    expect(resultOf(own, react(1, "👍", false), carol)).toBe("nothing");
  });
});

/** The ids of that many users. */
const users = (count: number) => range(1, count).map((key) => `sub|${key}`);
const named = (id: string) => ({ ...actor(5000), id });

describe("reactions", () => {
  test("are listed in the order in which they were first made, and go with their last user", () => {
    let now = after(original, react(1, "👍"));
    now = after(now, react(1, "🎉"), bob);
    now = after(now, react(1, "👍"), bob);
    expect(now.reactions).toEqual([
      { emoji: "👍", by: ["sub|1", "sub|2"] },
      { emoji: "🎉", by: ["sub|2"] },
    ]);
    now = after(now, react(1, "👍", false));
    now = after(now, react(1, "👍"));
    expect(now.reactions[0]).toEqual({ emoji: "👍", by: ["sub|2", "sub|1"] });
    for (const user of [alice, bob]) now = after(now, react(1, "👍", false), user);
    expect(now.reactions).toEqual([{ emoji: "🎉", by: ["sub|2"] }]);
  });

  test("are one for emoji that differ only in their presentation, shown as the first user sent it", () => {
    const now = after(after(original, react(1, "❤")), react(1, "❤️"), bob);
    expect(now.reactions).toEqual([{ emoji: "❤", by: ["sub|1", "sub|2"] }]);
    expect(after(now, react(1, "❤️", false)).reactions).toEqual([{ emoji: "❤", by: ["sub|2"] }]);
    expect(after(now, react(1, "👍🏽")).reactions).toHaveLength(2);
  });

  test("are of up to 20 emoji; others can still join or leave", () => {
    const full = reacted(...range(1, 20).map((each) => ({ emoji: `:${each}:`, by: ["sub|2"] })));
    expect(resultOf(reacted(...full.reactions.slice(1)), react(1))).toBe("reacted");
    expect(resultOf(full, react(1))).toBe("too_many_reactions");
    expect(resultOf(full, react(1, ":7:"))).toBe("reacted");
    expect(resultOf(full, react(1, ":7:", false), bob)).toBe("reacted");
    expect(resultOf(full, react(1, "👍", false))).toBe("nothing");
  });

  test("are up to 1000 in all", () => {
    const late = actor(5000);
    const full = reacted({ emoji: "👍", by: users(900) }, { emoji: "🎉", by: users(100) });
    expect(resultOf(reacted({ emoji: "👍", by: users(999) }), react(1), late)).toBe("reacted");
    expect(resultOf(full, react(1), late)).toBe("too_many_reactions");
    expect(resultOf(full, react(1, "🥳"), late)).toBe("too_many_reactions");
    expect(resultOf(full, react(1))).toBe("nothing");
    expect(resultOf(full, react(1, "👍", false))).toBe("reacted");
  });

  test("are fewer where users have long ids: every change is sent with all of them", () => {
    const full = reacted({ emoji: "👍", by: range(1, 192).map((each) => String(each).padEnd(255, "x")) });
    // 192 × 255 units are in use, of 49,152.
    expect(resultOf(full, react(1), named("y".repeat(192)))).toBe("reacted");
    expect(resultOf(full, react(1), named("y".repeat(193)))).toBe("too_many_reactions");
  });
});
