import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { actor, settle } from "../support/samples.ts";
import { createSessions, expectKnown } from "../support/sessions-harness.ts";

const everything = [
  "add",
  "remove",
  "delete",
  "change",
  "rename",
  "outside",
  "role",
  "invalidate",
  "open",
  "close",
  "fail",
  "resume",
  // As often as some of the others together.
  "answer",
  "answer",
  "answer",
  "answer",
] as const;

test("whatever happens, and in whatever order it is read, sessions know their rooms in the end", async () => {
  const step = fc.record({
    what: fc.constantFrom(...everything),
    room: fc.integer({ min: 1, max: 3 }),
    n: fc.nat(5),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const harness = createSessions();
      const { rooms, sessions, online, opened, open, close, receive } = harness;
      for (const key of [1, 2]) rooms.set(key, [1]);
      rooms.set(3, []);
      for (const { what, room, n } of steps) {
        const members = rooms.stored.get(room)?.members;
        const session = opened[n];
        if (what === "add" && members && !members.has(1)) harness.add(room, 1);
        if (what === "remove" && members?.has(1)) harness.remove(room, 1);
        if (what === "delete" && members) harness.deleteRoom(room);
        if (what === "rename" && members) harness.rename(room, `another-${n}`);
        // Another process tells of nothing.
        if (what === "role" && members?.has(1)) members.set(1, n > 2 ? "owner" : "member");
        if (what === "outside" && members?.delete(1) === false) members.set(1, "member");
        if (what === "invalidate") receive({ kind: "invalidate" });
        if (what === "open" && opened.length < 4) open(actor(1), { isSlow: n > 2 });
        if (what === "resume") session?.resume();
        if (what === "close" && session?.isOpen) await close(session);
        if (what === "answer") await rooms.answer(n % Math.max(1, rooms.waiting.length));
        if (n % 2 === 0) await settle();
      }
      receive({ kind: "invalidate" });
      for (const session of opened) session.resume();
      await rooms.answerAll();
      for (const session of opened) if (session.isOpen) expectKnown(session, harness);
      expect(harness.outdated).toEqual([]);
      const isOpen = opened.some((session) => session.isOpen);
      const present = isOpen ? [...rooms.stored].filter(([, { members }]) => members.has(1)) : [];
      expect(online.toSorted()).toEqual(present.map(([key]) => `1 in ${key}`).toSorted());
      for (const session of opened) if (session.isOpen) await close(session);
      expect([sessions.hasUser(1), online]).toEqual([false, []]);
    }),
    { numRuns: 1000 },
  );
});
