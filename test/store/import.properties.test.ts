import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { TransferRecord } from "../../src/chat/transfer.ts";
import { foreign, openArchive } from "../support/archive.ts";

const rooms = fc.constantFrom("r", "s");
const keys = fc.constantFrom("a", "b", "c", "d", "e");
const emails = fc.constantFrom("ann@example.com", "bob@example.com", "carol@example.com");

/** Messages with one key in one room are the same, as they are in another product. */
const message = fc.record({ room: rooms, key: keys, reply: fc.option(keys) }).map(({ room, key, reply }) => {
  const n = key.charCodeAt(0);
  return foreign.message(room, key, {
    sender: { email: n % 2 === 0 ? "ann@example.com" : "bob@example.com" },
    sentAt: n % 3,
    ...(n % 4 === 0 && { text: null, deletedAt: 9 }),
    replyTo: reply === null ? null : { key: reply },
  });
});
const record: fc.Arbitrary<TransferRecord> = fc.oneof(
  { weight: 3, arbitrary: message },
  fc.tuple(rooms, emails).map(([room, email]) => foreign.member(room, email)),
  fc.tuple(rooms, keys, emails).map(([room, key, email]) => foreign.reaction(room, key, email)),
);
const described = [foreign.room("r"), foreign.room("s")];

test("whatever is imported, again it brings nothing, and a dry run says so", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 25 }), fc.nat(25), async (records, cut) => {
      await using chat = openArchive();
      const options = { skipInvalid: true };
      // First a part of it, as when an earlier export of the other product was imported.
      await chat.import([...described, ...records.slice(0, cut)], options);
      await chat.import([...described, ...records], options);
      const before = await chat.export();
      const dry = await chat.import([...described, ...records], { ...options, dryRun: true });
      const again = await chat.import([...described, ...records], options);
      expect(again).toEqual(dry);
      expect(Object.values(again.counts ?? {}).map(({ added }) => added)).toEqual([0, 0, 0, 0, 0, 0, 0]);
      expect(await chat.export()).toEqual(before);
    }),
    { numRuns: 60 },
  );
}, 120_000);
