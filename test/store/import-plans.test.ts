import { expect, spyOn, test } from "bun:test";

import type { TransferRecord } from "../../src/chat/transfer.ts";
import { foreign, openArchive } from "../support/archive.ts";

const { room, member, message, reaction } = foreign;

test("no statement of an import scans a table of records", async () => {
  await using chat = openArchive();
  const prepare = spyOn(chat.client, "prepare");
  const scans = new Set<string>();
  /** Imports records and looks at the plans of all statements so far, while the temporary tables are there. */
  const run = async (records: TransferRecord[]) => {
    using started = chat.archive.beginImport();
    for (const [index, record] of records.entries()) started.add(String(index), record);
    await started.apply({
      dryRun: false,
      skipInvalid: true,
      invalid: () => undefined,
      skipped: () => undefined,
      progress: () => undefined,
      signal: new AbortController().signal,
    });
    for (const statement of new Set(prepare.mock.calls.map(([sql]) => sql))) {
      // Beside an insert itself, its plan shows checks that SQLite skips while no foreign key is broken.
      if (/^INSERT INTO main.users|^EXPLAIN/.test(statement)) continue;
      const plan = chat.client.prepare<{ detail: string }, null[]>(`EXPLAIN QUERY PLAN ${statement}`);
      const steps = plan.all(...Array.from({ length: plan.paramsCount }, () => null));
      plan.finalize();
      for (const { detail } of steps) if (detail.startsWith("SCAN")) scans.add(`${detail}: ${statement}`);
    }
  };
  await run([
    room("r"),
    member("r", "ann@example.com"),
    message("r", "a"),
    message("r", "b", { replyTo: { key: "a" } }),
    reaction("r", "a", "bob@example.com"),
    {
      type: "ban",
      room: "r",
      user: { email: "dan@example.com" },
      at: 1,
      until: null,
      reason: null,
      by: null,
    },
    {
      type: "mute",
      room: "r",
      user: { email: "ann@example.com" },
      at: 1,
      until: null,
      reason: null,
      by: null,
    },
    { type: "read", room: "r", user: { sub: "sub|ann" }, seq: 1 },
  ]);
  // Some of these are known, some refer to what is known, and some are wrong.
  await run([
    room("r"),
    message("r", "a"),
    message("r", "a", { text: "another" }),
    message("r", "c", { replyTo: { key: "b" } }),
    reaction("r", "b", "bob@example.com"),
    reaction("r", "a", "carol@example.com"),
  ]);
  const exported: TransferRecord[] = [];
  for await (const record of chat.archive.records()) exported.push(record);
  await run(exported);
  // The statements of store.test.ts are left out: the plans of inserts, and the index of free users.
  const ofRecords = [...scans].filter(
    (scan) =>
      !/SCAN (json_each|some|meant|one_row|CONSTANT ROW)|count\(\*\) FROM staging.messages|FROM users u|: insert into|INDEX users_free/.test(
        scan,
      ),
  );
  expect(ofRecords).toEqual([
    expect.stringContaining("FROM (SELECT user_pk FROM members WHERE room_pk = ?1 UNION"),
  ]);
});
