import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { Rate } from "../../src/chat/rate-limiter.ts";

function setUp(rate: number, burst: number) {
  const clock = { now: 1_000_000 };
  return { clock, limit: new Rate(rate, burst, () => clock.now) };
}

test("a burst goes through at once; then it is one token for each 1/rate of a second", () => {
  const { clock, limit } = setUp(10, 3);
  expect([1, 2, 3, 4].map(() => limit.take(7))).toEqual([0, 0, 0, 100]);
  clock.now += 100;
  expect([limit.take(7), limit.take(7)]).toEqual([0, 100]);
  // A long pause brings no more than the burst.
  clock.now += 3_600_000;
  expect([1, 2, 3, 4].map(() => limit.take(7))).toEqual([0, 0, 0, 100]);
});

test("to be refused costs nothing: who asks after the time that he was told is served", () => {
  const { clock, limit } = setUp(3, 1);
  expect(limit.take(1)).toBe(0);
  const wait = limit.take(1);
  for (let again = 0; again < 1000; again++) expect(limit.take(1)).toBe(wait);
  clock.now += wait;
  expect(limit.take(1)).toBe(0);
});

test("one key's tokens are not another's", () => {
  const { limit } = setUp(1, 1);
  expect([limit.take(1), limit.take(2), limit.take(1)]).toEqual([0, 0, 1000]);
});

test("a rate or a burst of 0 lifts the limit", () => {
  for (const [rate, burst] of [
    [0, 5],
    [5, 0],
  ] as const) {
    const { limit } = setUp(rate, burst);
    for (let taken = 0; taken < 1000; taken++) expect(limit.take(1)).toBe(0);
  }
});

test("a clock that is set back takes no tokens away", () => {
  const { clock, limit } = setUp(10, 3);
  limit.take(1);
  clock.now -= 3_600_000;
  expect([limit.take(1), limit.take(1), limit.take(1)]).toEqual([0, 0, 100]);
  clock.now += 100;
  expect(limit.take(1)).toBe(0);
});

test("in no stretch of time is more let through than the burst and what the rate brings", () => {
  const steps = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 9 })), { maxLength: 60 });
  const property = fc.property(
    fc.integer({ min: 1, max: 50 }),
    fc.integer({ min: 1, max: 20 }),
    steps,
    (rate, burst, plan) => {
      const { clock, limit } = setUp(rate, burst);
      const passed: number[] = [];
      for (const [pause, asks] of plan) {
        clock.now += pause;
        for (let ask = 0; ask < asks; ask++) if (limit.take(1) === 0) passed.push(clock.now);
      }
      for (const [first, start] of passed.entries()) {
        for (const [more, end] of passed.slice(first).entries()) {
          expect(more + 1).toBeLessThanOrEqual(burst + ((end - start) / 1000) * rate + 1e-6);
        }
      }
    },
  );
  fc.assert(property, { numRuns: 50 });
});

test("users who come and go do not fill the memory", () => {
  const { clock, limit } = setUp(10, 30);
  for (let user = 0; user < 200_000; user++) {
    clock.now += 10;
    limit.take(user);
  }
  expect(limit.size).toBeLessThan(5000);
  // And nobody is forgotten who has yet to pay.
  expect(Array.from({ length: 31 }, () => limit.take(1)).at(-1)).toBe(100);
  for (let user = 0; user < 5000; user++) limit.take(10_000_000 + user);
  expect(limit.take(1)).toBe(100);
});
