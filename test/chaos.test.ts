import { expect, test } from "bun:test";

import { runChaos } from "./chaos/run.ts";
import { buildBinary } from "./support/binary.ts";

// A longer one, and one with a seed of one's own: `npm run chaos`.
test("clients on a bad network, with a server that is killed, end with what is in the database, each message once", async () => {
  using binary = await buildBinary();
  const { complaints, operations, counts } = await runChaos({
    binary: binary.path,
    seed: 20_261_124,
    clients: 10,
    rooms: 3,
    operations: 1_000,
    kills: 2,
    tokenSeconds: 2,
    patience: 40,
  });
  expect(complaints).toEqual([]);
  expect(operations).toBe(1_000);
  // And it was no calm day.
  const times = (what: string) => counts.get(what) ?? 0;
  expect(times("kills")).toBe(2);
  expect(times("acked")).toBeGreaterThan(800);
  expect(times("connections lost")).toBeGreaterThan(10);
  expect(times("short tokens")).toBeGreaterThan(2);
  for (const what of ["returns with a position", "returns as somebody new", "older messages read"])
    expect([what, times(what)]).not.toEqual([what, 0]);
  for (const fault of ["cut", "cut within a frame", "half closed", "stalled"])
    expect([fault, times(`network: ${fault}`)]).not.toEqual([fault, 0]);
}, 120_000);
