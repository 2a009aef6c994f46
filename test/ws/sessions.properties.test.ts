import { setDefaultTimeout, test } from "bun:test";

import * as fc from "fast-check";

import { unlimited, useServer } from "../support/server.ts";
import {
  actions,
  ROOM_COUNT,
  SESSIONS_PER_USER,
  SessionWorld,
  type Step,
  USER_COUNT,
} from "../support/session-world.ts";

// Whatever happens, and wherever: what every session knows is what the database has.

setDefaultTimeout(60_000);
/** How long a failure is made smaller. */
const SHRINK_MS = 40_000;

const server = useServer({ env: { ...unlimited, PARLEY_ROOMS_PER_USER: "0" } });

/** Worlds at the same time: each mostly waits. To hunt for faults, raise both numbers. */
const PARALLEL = 8;
const RUNS = 3;

/** How often each action is chosen, where not once. */
const weights: Partial<Record<Step["action"], number>> = {
  send: 30,
  edit: 4,
  delete: 15,
  react: 4,
  read: 10,
  open: 15,
  close: 8,
  add: 5,
  remove: 3,
  reconnect: 2,
  enter: 3,
  pause: 3,
};

const anyStep: fc.Arbitrary<Step> = fc.record({
  action: fc.oneof(
    ...actions.map((action) => ({ weight: weights[action] ?? 1, arbitrary: fc.constant(action) })),
  ),
  session: fc.nat(USER_COUNT * SESSIONS_PER_USER - 1),
  room: fc.nat(ROOM_COUNT - 1),
  n: fc.nat(99),
  flag: fc.boolean(),
});

const sessionsAreLevel = fc.asyncProperty(
  fc.array(anyStep, { minLength: 50, maxLength: 150 }),
  async (steps) => {
    const world = new SessionWorld(server);
    try {
      await world.start();
      for (const step of steps) await world.take(step);
      await world.check();
    } finally {
      await world.end();
    }
  },
);

test("every session's rooms, counts, marks and messages equal the database's", async () => {
  const options = { numRuns: RUNS, interruptAfterTimeLimit: SHRINK_MS };
  await Promise.all(Array.from({ length: PARALLEL }, () => fc.assert(sessionsAreLevel, options)));
});
