import { expect, test } from "bun:test";

import { runChaos } from "./chaos/run.ts";
import { buildBinary } from "./support/binary.ts";

// `npm run chaos` runs longer, and with other seeds.
test("on a faulty network, with a server that is killed, each device ends with the rooms, counts and messages that are stored", async () => {
  using binary = await buildBinary();
  const { violations, operations, counts } = await runChaos({
    binary: binary.path,
    seed: 20_261_124,
    users: 6,
    rooms: 6,
    operations: 1_000,
    kills: 2,
    tokenLifetimeSeconds: 2,
    stallTimeoutSeconds: 40,
  });
  expect(violations).toEqual([]);
  // A user without a room can do nothing.
  expect(operations).toBeGreaterThan(850);
  // The faults and the changes of memberships did happen.
  const count = (name: string) => counts.get(name) ?? 0;
  expect(count("server kills")).toBe(2);
  expect(count("acked")).toBeGreaterThan(700);
  expect(count("connections lost")).toBeGreaterThan(10);
  expect(count("short-lived tokens")).toBeGreaterThan(2);
  const faults = ["cut", "cut within a frame", "half closed", "stalled"].map((fault) => `network: ${fault}`);
  const membership = ["joined", "left: removed", "left: room_deleted", "rooms renamed"];
  const others = ["reconnects: resumed", "reconnects: fresh", "done: load older messages", "opens", "closes"];
  for (const name of [...faults, ...membership, ...others])
    expect([name, count(name)]).not.toEqual([name, 0]);
}, 120_000);
