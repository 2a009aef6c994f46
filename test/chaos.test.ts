import { expect, test } from "bun:test";

import { runChaos } from "./chaos/run.ts";
import { buildBinary } from "./support/binary.ts";

// `npm run chaos` runs longer, and with other seeds.
test("on a faulty network, with a server that is killed, every client ends with what is stored, each message once", async () => {
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
  expect(operations).toBe(1_000);
  // The faults did happen.
  const count = (name: string) => counts.get(name) ?? 0;
  expect(count("server kills")).toBe(2);
  expect(count("acked")).toBeGreaterThan(800);
  expect(count("connections lost")).toBeGreaterThan(10);
  expect(count("short-lived tokens")).toBeGreaterThan(2);
  const faults = ["cut", "cut within a frame", "half closed", "stalled"].map((fault) => `network: ${fault}`);
  for (const name of [...faults, "reconnects: resumed", "reconnects: fresh", "done: load older messages"])
    expect([name, count(name)]).not.toEqual([name, 0]);
}, 120_000);
