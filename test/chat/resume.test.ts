import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Change } from "../../src/chat/model.ts";
import { openLobby, type Visit } from "../support/lobby.ts";
import { settle } from "../support/people.ts";

/** What a visit began with. */
const told = ({ arrival }: Visit) => arrival?.messages.map(({ seq, rev }) => `${seq}@${rev}`).join(" ");

test("who comes back is sent what changed since then, by rev; who missed nothing, nothing", async () => {
  const { room, join, publish } = openLobby({ stored: 5 });
  for (const seq of [2, 1, 2]) room.edit(seq);
  const [some, none, fresh] = [join({ since: 4 }), join({ since: 8 }), join()];
  await room.answerAll(settle);
  expect([some, none, fresh].map(told)).toEqual(["5@5 1@7 2@8", "", "1@7 2@8 3@3 4@4 5@5"]);
  expect([some, none, fresh].map(({ arrival }) => arrival?.resumed)).toEqual([true, true, false]);
  expect([some, none, fresh].map(({ arrival }) => arrival?.rev)).toEqual([8, 8, 8]);
  publish(room.add());
  for (const each of [some, none, fresh]) expect(each.live.map(({ rev }) => rev)).toEqual([9]);
});

test("who knows more than there is begins anew", async () => {
  const { room, join } = openLobby({ stored: 3 });
  const visit = join({ since: 4 });
  await room.answerAll(settle);
  expect(visit.arrival).toMatchObject({
    resumed: false,
    rev: 3,
    messages: [{ seq: 1 }, { seq: 2 }, { seq: 3 }],
  });
});

test("who was away for long is sent the first of it, and reads on from there until he is level", async () => {
  const { room, join, publish } = openLobby({ stored: 300 });
  room.edit(10);
  const visit = join({ since: 0, blindly: false });
  await room.answerAll(settle);
  const first = visit.arrival?.messages ?? [];
  expect(first.length).toBeGreaterThan(1);
  expect(first.length).toBeLessThan(200);
  expect(visit.arrival).toMatchObject({ resumed: true, rev: first.at(-1)?.rev ?? 0 });
  publish(room.add());
  await room.answerAll(settle);
  expect([...visit.known.values()].toSorted((a, b) => a.seq - b.seq)).toEqual(room.messages);
  expect([visit.rev, visit.gaps]).toEqual([302, []]);
});

test("whatever changes at any moment of a join or a resume, everyone knows the room in the end", async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("send", "edit", "send unheard", "edit unheard") },
    { weight: 5, arbitrary: fc.constantFrom("answer first", "answer last") },
    { weight: 3, arbitrary: fc.constantFrom("come", "come back", "roster", "anything", "hear late") },
  );
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const asOf = fc.constantFrom("asking" as const, "answering" as const);
  const property = fc.asyncProperty(asOf, steps, async (when, plan) => {
    const { room, bus, join, publish } = openLobby({ stored: 3 });
    room.asOf = when;
    const late: Change[] = [];
    const visits: Visit[] = [];
    const come = (since?: number) => {
      const visit = join({ blindly: false, ...(since !== undefined && { since }) });
      visits.push(visit);
      // What he knows of old.
      if (since !== undefined) for (const message of room.messages) visit.known.set(message.seq, message);
    };
    const actions: Record<string, () => unknown> = {
      send: () => publish(room.add()),
      edit: () => publish(room.edit(1 + (room.rev % room.messages.length))),
      "send unheard": () => late.push(room.add()),
      "edit unheard": () => late.push(room.edit(2)),
      "hear late": () => publish(...late.splice(0, 1)),
      "answer first": () => room.answer(),
      "answer last": () => room.answer(room.waiting.length - 1),
      come: () => come(),
      "come back": () => come(room.rev),
      roster: () => bus.publish({ kind: "roster", room: 7 }),
      anything: () => bus.publish({ kind: "anything" }),
    };
    come();
    come(room.rev);
    for (const each of plan) {
      actions[each]?.();
      await settle();
    }
    await room.answerAll(settle);
    bus.publish({ kind: "anything" });
    await room.answerAll(settle);
    for (const { ended, known, rev, gaps } of visits) {
      expect(await ended).toBe("joined");
      expect(gaps).toEqual([]);
      expect([...known.values()].toSorted((a, b) => a.seq - b.seq)).toEqual(room.messages);
      expect(rev).toBe(room.rev);
    }
  });
  await fc.assert(property, { numRuns: 1000 });
}, 30_000);
