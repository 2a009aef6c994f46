import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Bus, Hint } from "../../src/chat/bus.ts";
import { Chat } from "../../src/chat/chat.ts";
import { ChatError } from "../../src/chat/errors.ts";
import type { Change, Message, RoomKey } from "../../src/chat/model.ts";
import type { Store } from "../../src/chat/store.ts";
import { actor, room as roomOf, settle } from "../support/people.ts";
import { SlowRoom } from "../support/slow-room.ts";

const alice = actor(1);
const none = () => Promise.reject(new Error("not in this test"));
const limits = { textBytes: 0, messageRate: 0, messageBurst: 0, roomsPerUser: 0, membersPerRoom: 0 };

function setUp(stored = 0) {
  const room = new SlowRoom();
  for (let each = 0; each < stored; each++) room.add();
  /** What stands at the id "lobby" now: the room's key, and who is in it. */
  const lobby: { key: RoomKey | undefined; members: Set<number> } = { key: 7, members: new Set([alice.key]) };
  const membership: Store["membership"] = (_, user) =>
    room.later("membership", () => {
      if (lobby.key === undefined) return undefined;
      return { room: roomOf(lobby.key, "lobby"), role: lobby.members.has(user) ? "member" : null };
    });
  const store = new Proxy(
    { head: room.head, changes: room.changes, messages: room.range, membership },
    {
      get: (target, name) => Reflect.get(target, name) ?? none,
    },
  ) as unknown as Store;
  const listeners: ((hint: Hint) => void)[] = [];
  const bus: Bus = {
    publish: (hint) => {
      for (const listener of listeners) listener(hint);
    },
    subscribe: (listener) => void listeners.push(listener),
    close: () => undefined,
  };
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  const observer = { historyFailed: note, commitFailed: note, feedFailed: note };
  const present = new Map<RoomKey, Set<(change: Change) => void>>();
  const deliver = (key: RoomKey, changes: readonly Change[]) => {
    for (const change of changes) for (const hear of present.get(key) ?? []) hear(change);
  };
  const chat = new Chat({ store, bus, limits, deliver, observer });

  /** Joins the lobby; what was sent there first and since. */
  function join({ admit = () => undefined, stays = true }: { admit?: () => void; stays?: boolean } = {}) {
    const joined = {
      history: undefined as readonly Message[] | undefined,
      live: [] as number[],
      room: undefined as RoomKey | undefined,
      ended: Promise.resolve(""),
    };
    joined.ended = chat
      .join(alice, "lobby", {
        admit,
        arrive({ key }, history) {
          if (!stays) return false;
          joined.room = key;
          joined.history = history;
          const sockets = present.get(key) ?? new Set();
          present.set(
            key,
            sockets.add((change) => joined.live.push(change.message.seq)),
          );
          return true;
        },
      })
      .then(
        () => "joined",
        (error: unknown) => (error instanceof ChatError ? error.code : String(error)),
      );
    return joined;
  }
  const publish = (...changes: Change[]) => bus.publish({ kind: "changes", room: 7, changes });
  const seen = ({ history, live }: ReturnType<typeof join>) => [
    ...(history ?? []).map(({ seq }) => seq),
    ...live,
  ];
  return { room, lobby, bus, chat, failures, join, publish, seen };
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("a newcomer is sent the last 50 messages, oldest first, and then what comes", async () => {
  const { room, join, publish, seen } = setUp(60);
  const joined = join();
  await room.answerAll(settle);
  expect(await joined.ended).toBe("joined");
  publish(room.add());
  expect(joined.history?.length).toBe(50);
  expect(seen(joined)).toEqual(numbers(11, 61));
});

test("what is said at any moment of a join comes once, in the history or after it", async () => {
  // How many reads are answered before each message; at most one read is answered out of turn.
  const plan = fc.array(fc.record({ answers: fc.nat(2), unheard: fc.boolean(), others: fc.nat(60) }), {
    maxLength: 12,
  });
  const property = fc.asyncProperty(fc.nat(55), plan, async (before, steps) => {
    const { room, bus, join, publish, seen } = setUp(before);
    const joined = [join()];
    for (const { answers, unheard, others } of steps) {
      for (let answer = 0; answer < answers; answer++) {
        room.answer();
        await settle();
      }
      const changes = numbers(1, 1 + (others > 40 ? others : 0)).map(() => room.add());
      if (!unheard) publish(...changes);
      if (others < 5) joined.push(join());
      await settle();
    }
    await room.answerAll(settle);
    publish(room.add());
    await room.answerAll(settle);
    bus.publish({ kind: "anything" });
    await room.answerAll(settle);
    for (const each of joined) {
      expect(await each.ended).toBe("joined");
      const all = seen(each);
      expect(all).toEqual(numbers(all[0] ?? 1, room.messages.length));
      // All of it, or 50 at least.
      expect(all[0] === 1 || (each.history?.length ?? 0) === 50).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: 300 });
}, 20_000);

test("what is published in the very turn in which the history arrives comes once", async () => {
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const { room, join, publish, seen } = setUp(3);
    const joined = join();
    while (!room.waiting.some((name) => name.startsWith("messages"))) {
      room.answer();
      await settle();
    }
    room.answer();
    for (let each = 0; each < microtasks; each++) await Promise.resolve();
    publish(room.add());
    await room.answerAll(settle);
    expect(await joined.ended).toBe("joined");
    expect([microtasks, seen(joined)]).toEqual([microtasks, numbers(1, 4)]);
  }
});

test("who is removed while he joins is refused; who is not, is let in", async () => {
  for (const [remains, outcome] of [
    [true, "joined"],
    [false, "room_not_found"],
  ] as const) {
    const { room, lobby, bus, chat, join } = setUp(3);
    const joined = join();
    room.answer();
    await settle();
    expect(room.waiting).toEqual(["head"]);
    if (!remains) lobby.members.clear();
    bus.publish({ kind: "roster", room: 7 });
    await room.answerAll(settle);
    expect(await joined.ended).toBe(outcome);
    expect(joined.history?.length).toBe(remains ? 3 : undefined);
    // Whoever was refused is not followed for.
    if (remains) chat.leave(7);
    bus.publish({ kind: "anything" });
    expect(room.waiting).toEqual([]);
  }
});

test("a room that is deleted and made again while somebody joins is not mixed up with the old one", async () => {
  const { room, lobby, bus, join } = setUp(3);
  const gone = join();
  room.answer();
  await settle();
  lobby.key = undefined;
  bus.publish({ kind: "roster", room: 7 });
  await room.answerAll(settle);
  expect(await gone.ended).toBe("room_not_found");

  lobby.key = 7;
  const moved = join();
  room.answer();
  await settle();
  lobby.key = 8;
  bus.publish({ kind: "roster", room: 7 });
  await room.answerAll(settle);
  expect(await moved.ended).toBe("joined");
  expect(moved.room).toBe(8);
});

test("whoever is not let in causes no work, and who has gone meanwhile leaves none behind", async () => {
  const { room, bus, join } = setUp(3);
  const full = new ChatError("too_many_connections", "full");
  const refused = join({
    admit() {
      throw full;
    },
  });
  room.answer();
  expect(await refused.ended).toBe("too_many_connections");
  expect(room.waiting).toEqual([]);
  const gone = join({ stays: false });
  await room.answerAll(settle);
  expect(await gone.ended).toBe("joined");
  bus.publish({ kind: "anything" });
  expect(room.waiting).toEqual([]);
});

test("when the history can't be read the newcomer gets none, it is told, and he hears what comes", async () => {
  for (const failing of ["head", "messages 0-4"]) {
    const { room, failures, join, publish } = setUp(3);
    const joined = join();
    while (room.waiting[0] !== failing) {
      room.answer();
      await settle();
    }
    room.fail();
    expect(await joined.ended).toBe("joined");
    expect(failures).toMatchObject([{ message: "broken" }]);
    expect(joined.history).toEqual([]);
    publish(room.add());
    await room.answerAll(settle);
    expect(joined.live).toEqual([4]);
  }
});

test("an arrival that fails leaves nothing behind", async () => {
  const { room, bus, chat } = setUp(3);
  const joined = chat.join(alice, "lobby", {
    admit: () => undefined,
    arrive() {
      throw new Error("the socket broke");
    },
  });
  const ended = joined.then(
    () => "joined",
    (error: unknown) => String(error),
  );
  await room.answerAll(settle);
  expect(await ended).toBe("Error: the socket broke");
  bus.publish({ kind: "anything" });
  expect(room.waiting).toEqual([]);
});
