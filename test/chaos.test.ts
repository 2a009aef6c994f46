import { expect, test } from "bun:test";

import { runChaos } from "./chaos/run.ts";
import { buildBinary } from "./support/binary.ts";

// A longer one, and one with a seed of one's own: `npm run chaos`.
test("clients on a bad network, with a server that is killed, end with what is in the database, each message once", async () => {
  using binary = await buildBinary();
  const { complaints, operations } = await runChaos({
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
}, 120_000);
