import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { RateLimiter } from "../../src/chat/rate-limiter.ts";

function setUp(rate: number, burst: number) {
  const clock = { now: 1_000_000 };
  return { clock, limiter: new RateLimiter(rate, burst, () => clock.now) };
}

test("a burst passes at once, then one token for each 1/rate of a second", () => {
  const { clock, limiter } = setUp(10, 3);
  expect([1, 2, 3, 4].map(() => limiter.take(7))).toEqual([0, 0, 0, 100]);
  clock.now += 100;
  expect([limiter.take(7), limiter.take(7)]).toEqual([0, 100]);
  // A long pause brings no more than the burst.
  clock.now += 3_600_000;
  expect([1, 2, 3, 4].map(() => limiter.take(7))).toEqual([0, 0, 0, 100]);
});

test("a refusal costs nothing: a token is there after the time that was named", () => {
  const { clock, limiter } = setUp(3, 1);
  expect(limiter.take(1)).toBe(0);
  const waitMs = limiter.take(1);
  for (let attempt = 0; attempt < 1000; attempt++) expect(limiter.take(1)).toBe(waitMs);
  clock.now += waitMs;
  expect(limiter.take(1)).toBe(0);
});

test("keys have buckets of their own", () => {
  const { limiter } = setUp(1, 1);
  expect([limiter.take(1), limiter.take(2), limiter.take(1)]).toEqual([0, 0, 1000]);
});

test.each([
  [0, 5],
  [5, 0],
])("a rate of %d with a burst of %d lifts the limit", (rate, burst) => {
  const { limiter } = setUp(rate, burst);
  for (let taken = 0; taken < 1000; taken++) expect(limiter.take(1)).toBe(0);
});

test("a clock that is set back takes no tokens away", () => {
  const { clock, limiter } = setUp(10, 3);
  limiter.take(1);
  clock.now -= 3_600_000;
  expect([limiter.take(1), limiter.take(1), limiter.take(1)]).toEqual([0, 0, 100]);
  clock.now += 100;
  expect(limiter.take(1)).toBe(0);
});

test("in no stretch of time does more pass than the burst and what the rate brings", () => {
  const steps = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 9 })), { maxLength: 60 });
  const [rates, bursts] = [fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 })];
  const property = fc.property(rates, bursts, steps, (rate, burst, plan) => {
    const { clock, limiter } = setUp(rate, burst);
    const passed: number[] = [];
    for (const [pauseMs, attempts] of plan) {
      clock.now += pauseMs;
      for (let attempt = 0; attempt < attempts; attempt++) if (limiter.take(1) === 0) passed.push(clock.now);
    }
    for (const [first, start] of passed.entries()) {
      for (const [more, end] of passed.slice(first).entries())
        expect(more + 1).toBeLessThanOrEqual(burst + ((end - start) / 1000) * rate + 1e-6);
    }
  });
  fc.assert(property, { numRuns: 50 });
});

test("full buckets are forgotten, and no others", () => {
  const { clock, limiter } = setUp(10, 30);
  for (let user = 0; user < 200_000; user++) {
    clock.now += 10;
    limiter.take(user);
  }
  expect(limiter.size).toBeLessThan(5000);
  expect(Array.from({ length: 31 }, () => limiter.take(1)).at(-1)).toBe(100);
  for (let user = 0; user < 5000; user++) limiter.take(10_000_000 + user);
  expect(limiter.take(1)).toBe(100);
});
