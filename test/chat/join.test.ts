import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { ChatError } from "../../src/chat/errors.ts";
import { openLobby, type Visit } from "../support/lobby.ts";
import { actor, settle } from "../support/people.ts";

const alice = actor(1);
/** The messages that a visit was told of, as they came. */
const seen = ({ arrival, live }: Visit) => [...(arrival?.messages ?? []), ...live].map(({ seq }) => seq);

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("a newcomer is sent the last 50 messages, oldest first, and then what comes", async () => {
  const { room, join, publish } = openLobby({ stored: 60 });
  const joined = join();
  await room.answerAll(settle);
  expect(await joined.ended).toBe("joined");
  publish(room.add());
  expect(joined.arrival?.messages.length).toBe(50);
  expect(seen(joined)).toEqual(numbers(11, 61));
});

test("what is said at any moment of a join comes once, in the history or after it", async () => {
  // How many reads are answered before each message; at most one read is answered out of turn.
  const plan = fc.array(fc.record({ answers: fc.nat(2), unheard: fc.boolean(), others: fc.nat(60) }), {
    maxLength: 12,
  });
  const property = fc.asyncProperty(fc.nat(55), plan, async (before, steps) => {
    const { room, bus, join, publish } = openLobby({ stored: before });
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
      expect(all[0] === 1 || (each.arrival?.messages.length ?? 0) === 50).toBe(true);
    }
  });
  await fc.assert(property, { numRuns: 300 });
}, 20_000);

test("what is published in the very turn in which the history arrives comes once", async () => {
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const { room, join, publish } = openLobby({ stored: 3 });
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
    const { room, lobby, bus, chat, join } = openLobby({ stored: 3 });
    const joined = join();
    room.answer();
    await settle();
    expect(room.waiting).toEqual(["head"]);
    if (!remains) lobby.members.clear();
    bus.publish({ kind: "roster", room: 7 });
    await room.answerAll(settle);
    expect(await joined.ended).toBe(outcome);
    expect(joined.arrival?.messages.length).toBe(remains ? 3 : undefined);
    // Whoever was refused is not followed for.
    if (remains) chat.leave(7, alice.key);
    bus.publish({ kind: "anything" });
    expect(room.waiting).toEqual([]);
  }
});

test("a room that is deleted and made again while somebody joins is not mixed up with the old one", async () => {
  const { room, lobby, bus, join } = openLobby({ stored: 3 });
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
  // What he knew of the room was of another one.
  expect(await moved.ended).toBe("room_not_found");
  expect(moved.arrival?.room.key).toBeUndefined();
  const again = join();
  await room.answerAll(settle);
  expect(await again.ended).toBe("joined");
  expect(again.arrival?.room.key).toBe(8);
});

test("whoever is not let in causes no work, and who has gone meanwhile leaves none behind", async () => {
  const { room, bus, join } = openLobby({ stored: 3 });
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
    const { room, failures, join, publish } = openLobby({ stored: 3 });
    const joined = join();
    while (room.waiting[0] !== failing) {
      room.answer();
      await settle();
    }
    room.fail();
    expect(await joined.ended).toBe("joined");
    expect(failures).toMatchObject([{ message: "broken" }]);
    expect(joined.arrival?.messages).toEqual([]);
    publish(room.add());
    await room.answerAll(settle);
    expect(joined.live.map(({ seq }) => seq)).toEqual([4]);
  }
});

test("an arrival that fails leaves nothing behind", async () => {
  const { room, bus, chat } = openLobby({ stored: 3 });
  const joined = chat.join(alice, "lobby", {
    admit: () => undefined,
    blindly: true,
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

test("a history that can't be read keeps out whoever would not come in without one", async () => {
  for (const since of [undefined, 1]) {
    const { room, bus, chat, failures, join } = openLobby({ stored: 3 });
    const refused = join({ blindly: false, ...(since !== undefined && { since }) });
    while (!/^(messages|changes)/.test(room.waiting[0] ?? "")) {
      room.answer();
      await settle();
    }
    room.fail();
    expect(await refused.ended).toContain("broken");
    expect([refused.arrival, failures.length, chat.online(7)]).toEqual([undefined, 0, []]);
    bus.publish({ kind: "anything" });
    expect(room.waiting).toEqual([]);
  }
});

test("who arrives finds himself among those who are there; who is not let in was never there", async () => {
  const { room, lobby, chat, join } = openLobby({ stored: 1 });
  const bob = actor(2);
  lobby.members.add(bob.key);
  const first = join();
  await room.answerAll(settle);
  const second = join({ who: bob });
  join({ who: bob, stays: false });
  join({ who: actor(3) });
  await room.answerAll(settle);
  expect([first, second].map(({ online }) => online?.map(({ key }) => key))).toEqual([[1], [1, 2]]);
  expect(chat.online(7).map(({ key }) => key)).toEqual([1, 2]);
  chat.leave(7, bob.key);
  expect(chat.online(7).map(({ key }) => key)).toEqual([1]);
});
