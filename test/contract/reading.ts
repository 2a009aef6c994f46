import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Message } from "../../src/chat/model.ts";
import type { Range } from "../../src/chat/store.ts";
import type { World } from "./world.ts";

const seqs = (messages: readonly Message[]) => messages.map(({ seq }) => seq);

export function readingContract(world: () => World): void {
  test("messages are read oldest first: the last of a range, or its first when asked for the oldest", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    await w.fill(room, alice, 6);
    const cases: [Range, number[]][] = [
      [{ limit: 50 }, [1, 2, 3, 4, 5, 6]],
      [{ limit: 2 }, [5, 6]],
      [{ limit: 2, oldest: true }, [1, 2]],
      [{ before: 5, limit: 2 }, [3, 4]],
      [{ after: 2, limit: 2 }, [5, 6]],
      [{ after: 2, limit: 2, oldest: true }, [3, 4]],
      [{ after: 2, before: 5, limit: 9 }, [3, 4]],
      [{ after: 6, limit: 9 }, []],
      [{ before: 1, limit: 9 }, []],
      [{ after: 4, before: 3, limit: 9 }, []],
    ];
    for (const [range, expected] of cases)
      expect(seqs(await w.store.messages(room.key, range))).toEqual(expected);
    const empty = await w.room(alice);
    expect(await w.store.messages(empty.key, { limit: 50 })).toEqual([]);
    expect(await w.store.head(empty.key)).toEqual({ seq: 0, rev: 0 });
  });

  test("paging back through messages reads each once", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    const texts = await w.fill(room, alice, 23);
    const read: Message[] = [];
    for (let page = 0; page < 5; page++) {
      read.unshift(...(await w.store.messages(room.key, { before: read[0]?.seq ?? 24, limit: 5 })));
    }
    expect(read.map(({ text }) => text)).toEqual(texts);
  });

  test("changes are the messages changed after a rev, each once as it is now, by rev", async () => {
    const w = world();
    const alice = await w.user();
    const room = await w.room(alice);
    await w.fill(room, alice, 4);
    for (const seq of [2, 1, 2]) await w.edit(room, alice, seq);
    await w.fill(room, alice, 1);
    expect(await w.store.head(room.key)).toEqual({ seq: 5, rev: 8 });
    const changes = async (rev: number, limit = 99) =>
      (await w.changes(room, rev, limit)).map(({ seq, rev: at }) => `${seq}@${at}`);
    expect(await changes(0)).toEqual(["3@3", "4@4", "1@6", "2@7", "5@8"]);
    expect(await changes(0, 1)).toEqual(["3@3", "4@4", "1@6", "2@7", "5@8"]);
    expect(await changes(4)).toEqual(["1@6", "2@7", "5@8"]);
    expect(await changes(6)).toEqual(["2@7", "5@8"]);
    expect(await changes(8)).toEqual([]);
    expect(await changes(99)).toEqual([]);
  });

  test("paging through changes with any limit misses nothing and doubles nothing", async () => {
    const w = world();
    const alice = await w.user();
    // A number n above 0: n messages are sent; else the message at that place from the end is changed.
    const step = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: -9, max: 0 }));
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 20 }),
      fc.nat(30),
      fc.integer({ min: 1, max: 12 }),
      async (steps, since, limit) => {
        const room = await w.room(alice);
        const revs: number[] = [];
        let rev = 0;
        for (const next of steps) {
          if (next > 0) {
            await w.fill(room, alice, next);
            for (let sent = 0; sent < next; sent++) revs.push(++rev);
          } else if (revs.length > 0) {
            const seq = Math.max(1, revs.length + next);
            await w.edit(room, alice, seq);
            revs[seq - 1] = ++rev;
          }
        }
        const model = revs
          .map((at, index) => ({ seq: index + 1, rev: at }))
          .filter((message) => message.rev > since)
          .toSorted((a, b) => a.rev - b.rev);
        const read = await w.changes(room, since, limit);
        expect(read.map(({ seq, rev: at }) => ({ seq, rev: at }))).toEqual(model);
        expect(await w.store.head(room.key)).toEqual({ seq: revs.length, rev });
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test("reading one room shows nothing of another", async () => {
    const w = world();
    const alice = await w.user();
    const [one, two] = [await w.room(alice), await w.room(alice)];
    const [said, other] = [await w.fill(one, alice, 3), await w.fill(two, alice, 3)];
    expect(await w.texts(one)).toEqual(said);
    expect((await w.changes(two, 0)).map(({ text }) => text)).toEqual(other);
  });
}
