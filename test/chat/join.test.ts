import { afterEach, describe, expect, jest, test } from "bun:test";

import * as fc from "fast-check";

import type { Change } from "../../src/chat/model.ts";
import { type ConnectOptions, createChat, type FakeConnection } from "../support/chat-harness.ts";
import { actor, range, settle } from "../support/samples.ts";

afterEach(() => void jest.useRealTimers());

/** What a connection began with, as `seq@rev`. */
const first = ({ joined }: FakeConnection) =>
  joined?.messages.map(({ seq, rev }) => `${seq}@${rev}`).join(" ");
const seqs = (messages: readonly { seq: number }[]) => messages.map(({ seq }) => seq);

/** Why a connection was expelled or refused. */
const ending = async ({ expelled, outcome }: FakeConnection) => expelled ?? (await outcome);

/** A join, with `answered` of its reads answered. */
async function joining(answered: number, options: ConnectOptions = {}) {
  const harness = createChat({ messages: 3 });
  const connection = harness.connect(options);
  for (let each = 0; each < answered; each++) {
    await settle();
    harness.store.answer();
  }
  await settle();
  return { ...harness, connection };
}

/** Nothing is followed, and nobody is online. */
async function expectEmpty({ store, chat, room, bus }: Awaited<ReturnType<typeof joining>>): Promise<void> {
  await store.answerAll();
  bus.publish({ kind: "invalidate" });
  expect([store.waiting, chat.listOnline(room, 0), chat.participants(room)]).toEqual([[], [], []]);
}

test("a new connection begins with the last 50 messages, oldest first, and then gets every change", async () => {
  const { store, connect, publish } = createChat({ messages: 60 });
  const connection = connect();
  await store.answerAll();
  expect(await connection.outcome).toBe("joined");
  publish(store.add());
  expect(connection.joined).toMatchObject({ role: "member", resumed: false, position: { seq: 60, rev: 60 } });
  expect(seqs(connection.joined?.messages ?? [])).toEqual(range(11, 60));
  expect(seqs(connection.live)).toEqual([61]);
});

test("a connection that resumes begins with what changed since, by rev", async () => {
  const { store, connect, publish } = createChat({ messages: 5 });
  for (const seq of [2, 1, 2]) store.edit(seq);
  const connections = [connect({ since: 4 }), connect({ since: 8 }), connect()];
  await store.answerAll();
  expect(connections.map(first)).toEqual(["5@5 1@7 2@8", "", "1@7 2@8 3@3 4@4 5@5"]);
  expect(connections.map(({ joined }) => joined?.resumed)).toEqual([true, true, false]);
  publish(store.add());
  for (const { live } of connections) expect(seqs(live)).toEqual([6]);
});

test("a cursor beyond the end of the room begins with the last messages", async () => {
  const { connection, store } = await joining(0, { since: 4 });
  await store.answerAll();
  expect(connection.joined).toMatchObject({ resumed: false, position: { rev: 3 } });
  expect(first(connection)).toBe("1@1 2@2 3@3");
});

test("a cursor beyond the room as it was at the admission resumes, once the room has come so far", async () => {
  const { store, connection } = await joining(0, { since: 4 });
  store.readsAsOf = "answer";
  store.add();
  await store.answerAll();
  expect(connection.joined).toMatchObject({ resumed: true, messages: [], position: { seq: 4, rev: 4 } });
});

test("a connection that missed much begins with a part, and reads on until it is level", async () => {
  const { store, connect, publish } = createChat({ messages: 300 });
  store.edit(10);
  const connection = connect({ since: 0 });
  await store.answerAll();
  const begun = connection.joined?.messages.length ?? 0;
  expect(begun).toBeGreaterThan(1);
  expect(begun).toBeLessThan(200);
  publish(store.add());
  expect(connection.messages).toEqual(store.stored);
  expect([connection.cursor, connection.faults]).toEqual([302, []]);
});

test("a message that is published in the very turn in which the history arrives comes once", async () => {
  for (const microtasks of range(0, 12)) {
    const { connection, store, publish } = await joining(2);
    expect(store.waiting).toEqual(["history"]);
    store.answer();
    for (let each = 0; each < microtasks; each++) await Promise.resolve();
    publish(store.add());
    await store.answerAll();
    expect(await connection.outcome).toBe("joined");
    expect([microtasks, connection.messages, connection.faults]).toEqual([microtasks, store.stored, []]);
  }
});

describe.each(range(0, 3).map((answered) => [answered] as const))("after %d reads of a join", (answered) => {
  test("a removal ends it", async () => {
    const harness = await joining(answered);
    const { store, bus, room, alice } = harness;
    store.roles.clear();
    bus.publish({ kind: "member_removed", room, user: alice.key, reason: "removed" });
    await expectEmpty(harness);
    expect(await ending(harness.connection)).toBe("removed");
    expect(harness.connection.joined !== undefined).toBe(answered === 3);
  });

  test("a removal without an event ends it when the members are read again", async () => {
    const harness = await joining(answered);
    harness.store.roles.clear();
    harness.bus.publish({ kind: "invalidate" });
    await expectEmpty(harness);
    expect(await ending(harness.connection)).toBe("removed");
  });

  test("the deletion of the room ends it", async () => {
    const harness = await joining(answered);
    const { store, bus, room } = harness;
    store.exists = false;
    bus.publish({ kind: "room_deleted", room });
    await expectEmpty(harness);
    expect(await ending(harness.connection)).toBe("room_deleted");
    expect(harness.connection.joined !== undefined).toBe(answered === 3);
  });

  test("a connection that closes leaves nothing behind", async () => {
    const harness = await joining(answered);
    harness.connection.close();
    await expectEmpty(harness);
    expect(harness.connection.faults).toEqual([]);
  });

  test("the removal of somebody else does not disturb it", async () => {
    const { store, bus, room, connection, chat } = await joining(answered);
    const before = store.waiting;
    bus.publish({ kind: "member_removed", room, user: 2, reason: "removed" });
    expect(store.waiting).toEqual(before);
    await store.answerAll();
    expect([await connection.outcome, chat.participants(room)]).toEqual(["joined", [connection]]);
  });
});

test("a user who was removed between admission and join is refused", async () => {
  const harness = createChat({ messages: 3 });
  const connection = harness.connect();
  harness.store.roles.clear();
  await expectEmpty({ ...harness, connection });
  // The removal was announced before the connection was registered.
  expect(connection).toMatchObject({ expelled: undefined, joined: undefined });
  expect(await connection.outcome).toBe("removed");
});

test("an administrator joins a room that they are not a member of, but not one that is deleted", async () => {
  const { store, connect } = createChat({ messages: 1 });
  const inside = connect({ user: actor(9, true) });
  await store.answerAll();
  expect(inside.joined).toMatchObject({ role: null, messages: [{ seq: 1 }] });
  store.exists = false;
  const late = connect({ user: actor(9, true) });
  await store.answerAll();
  expect(await late.outcome).toBe("room_deleted");
});

test("a role that has changed since the admission is the one that counts", async () => {
  const { store, connection } = await joining(0);
  store.roles.set(1, "owner");
  await store.answerAll();
  expect(connection.joined?.role).toBe("owner");
});

describe.each([0, 1, 2])("when read number %d of a join fails", (answered) => {
  test("a connection that needs no history begins without one, and gets what comes", async () => {
    const { store, connection, failures, publish } = await joining(answered, { historyOptional: true });
    store.fail();
    expect(await connection.outcome).toBe("joined");
    expect(connection.joined).toMatchObject({
      role: "member",
      messages: [],
      position: undefined,
      resumed: false,
    });
    expect(failures).toMatchObject([{ message: "broken" }]);
    publish(store.add());
    await store.answerAll();
    expect(seqs(connection.live)).toEqual([4]);
  });

  test("its membership is read again a moment later", async () => {
    jest.useFakeTimers();
    const { store, connection } = await joining(answered, { historyOptional: true });
    store.roles.clear();
    store.fail();
    await store.answerAll();
    expect(connection.isOpen).toBe(true);
    jest.advanceTimersByTime(1000);
    await store.answerAll();
    expect(connection.expelled).toBe("removed");
  });

  test.each([undefined, 1])("a connection that needs it is refused (since %p)", async (since) => {
    const harness = await joining(answered, { since });
    const { store, connection, failures } = harness;
    store.fail();
    expect(await connection.outcome).toBe("storage_unavailable");
    await expectEmpty(harness);
    expect([connection.joined, failures]).toEqual([undefined, []]);
  });
});

test("whatever happens during joins and resumes, every connection knows the room in the end, and no change comes twice", async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("send", "edit", "send unheard", "edit unheard", "hear late") },
    { weight: 5, arbitrary: fc.constantFrom("answer first", "answer last") },
    {
      weight: 3,
      arbitrary: fc.constantFrom("join", "resume", "close", "invalidate", "fail", "remove other"),
    },
  );
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const readsAsOf = fc.constantFrom("call" as const, "answer" as const);
  const property = fc.asyncProperty(readsAsOf, steps, async (when, plan) => {
    const { store, room, bus, connect, publish } = createChat({ messages: 3 });
    store.readsAsOf = when;
    const unheard: Change[] = [];
    const connections: FakeConnection[] = [];
    const open = (since?: number) => {
      const connection = connect({ since });
      if (since !== undefined) {
        for (const each of store.stored) connection.known.set(each.seq, each);
        connection.cursor = since;
      }
      connections.push(connection);
    };
    const actions: Record<string, () => unknown> = {
      send: () => publish(store.add()),
      edit: () => publish(store.edit(1 + (store.rev % store.stored.length))),
      "send unheard": () => unheard.push(store.add()),
      "edit unheard": () => unheard.push(store.edit(2)),
      "hear late": () => publish(...unheard.splice(0, 1)),
      "answer first": () => store.answer(),
      "answer last": () => store.answer(store.waiting.length - 1),
      fail: () => store.fail(),
      join: () => open(),
      resume: () => open(store.rev),
      close: () => connections[0]?.close(),
      invalidate: () => bus.publish({ kind: "invalidate" }),
      "remove other": () => bus.publish({ kind: "member_removed", room, user: 2, reason: "removed" }),
    };
    open();
    open(store.rev);
    for (const each of plan) {
      actions[each]?.();
      await settle();
    }
    await store.answerAll();
    bus.publish({ kind: "invalidate" });
    await store.answerAll();
    for (const connection of connections) {
      const outcome = await connection.outcome;
      expect(["joined", "storage_unavailable", "closed"]).toContain(outcome);
      expect(connection.faults).toEqual([]);
      if (outcome !== "joined" || !connection.isOpen) continue;
      expect(connection.messages).toEqual(store.stored);
      expect(connection.cursor).toBe(store.rev);
    }
  });
  await fc.assert(property, { numRuns: 500 });
}, 30_000);
