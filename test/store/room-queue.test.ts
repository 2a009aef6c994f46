import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { RoomQueue } from "../../src/store/sqlite/room-queue.ts";

test("returns the rooms by time, whatever the order in which they come and go", () => {
  // Undefined takes one out.
  const steps = fc.array(fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }), { maxLength: 60 });
  fc.assert(
    fc.property(steps, (times) => {
      const queue = new RoomQueue();
      const expected = new Map<number, number>();
      for (const [room, at] of times.entries()) {
        if (at !== undefined) {
          queue.add(room, at);
          expected.set(room, at);
          continue;
        }
        const taken = queue.take();
        const earliest = Math.min(...expected.values());
        expect(taken === undefined ? Infinity : expected.get(taken)).toBe(earliest);
        if (taken !== undefined) expected.delete(taken);
      }
      expect(queue.size).toBe(expected.size);
      expect(
        times
          .keys()
          .filter((room) => queue.has(room))
          .toArray(),
      ).toEqual([...expected.keys()]);
    }),
  );
});
