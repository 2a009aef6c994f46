import { expect, test } from "bun:test";

import type { Action, Message } from "../../src/chat/model.ts";
import type { Range } from "../../src/chat/store.ts";
import { range, send } from "../support/samples.ts";
import type { StoreHarness } from "./store-harness.ts";

const seqs = (messages: readonly Message[]) => messages.map(({ seq }) => seq);

export function historyContract(harness: () => StoreHarness): void {
  const setUp = async (count: number) => {
    const h = harness();
    const alice = await h.user();
    const room = await h.room(alice);
    const texts = await h.fill(room, alice, count);
    const edit = (...edited: number[]) =>
      h.act(room, alice, ...edited.map((seq): Action => ({ type: "edit", seq, text: h.name("edit") })));
    return { h, alice, room, texts, edit };
  };

  test("a range of messages is read oldest first: its last ones, or its first ones when asked for the oldest", async () => {
    const { h, alice, room } = await setUp(6);
    const ranges: [Range, number[]][] = [
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
    for (const [wanted, expected] of ranges)
      expect(seqs(await h.store.messages(room.key, wanted))).toEqual(expected);
    expect(await h.store.messages((await h.room(alice)).key, { limit: 50 })).toEqual([]);
  });

  test("paging back reads each message once", async () => {
    const { h, room, texts } = await setUp(23);
    const read: Message[] = [];
    for (let page = 0; page < 5; page++)
      read.unshift(...(await h.store.messages(room.key, { before: read[0]?.seq ?? 24, limit: 5 })));
    expect(read.map(({ text }) => text)).toEqual(texts);
  });

  test("the history is the last messages as they are now, with the room's position", async () => {
    const { h, alice, room, edit } = await setUp(6);
    await edit(5, 1);
    const last = await h.store.messages(room.key, { limit: 3 });
    expect(await h.store.history(room.key, 3)).toEqual({ seq: 6, rev: 8, messages: last });
    expect((await h.store.history(room.key, 50))?.messages).toHaveLength(6);
    const empty = await h.room(alice);
    expect(await h.store.history(empty.key, 50)).toEqual({ seq: 0, rev: 0, messages: [] });
    await h.delete(room);
    expect([await h.store.history(room.key, 50), await h.store.history(2 ** 40, 50)]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("the position of a room is its newest message and its last change", async () => {
    const { h, alice, room, edit } = await setUp(4);
    await edit(2);
    expect(await h.store.head(room.key)).toEqual({ seq: 4, rev: 5 });
    expect(await h.store.head((await h.room(alice)).key)).toEqual({ seq: 0, rev: 0 });
    await h.delete(room);
    expect([await h.store.head(room.key), await h.store.head(2 ** 40)]).toEqual([undefined, undefined]);
  });

  test("the changes after a rev are the messages that changed, each once as it is now, by rev", async () => {
    const { h, room, edit, alice } = await setUp(4);
    await edit(2, 1);
    await edit(2);
    await h.act(room, alice, send("five"));
    const changes = async (rev: number, limit = 99) =>
      (await h.changes(room, rev, limit)).map((each) => `${each.seq}@${each.rev}`);
    expect(await changes(0)).toEqual(["3@3", "4@4", "1@6", "2@7", "5@8"]);
    expect(await changes(0, 1)).toEqual(["3@3", "4@4", "1@6", "2@7", "5@8"]);
    expect(await changes(4)).toEqual(["1@6", "2@7", "5@8"]);
    expect(await changes(6)).toEqual(["2@7", "5@8"]);
  });

  test("at the end of a room and beyond it a page of changes is empty, and ends where it was asked to begin", async () => {
    const { h, room } = await setUp(3);
    for (const rev of [3, 4, 99])
      expect(await h.store.changes(room.key, rev, 9)).toEqual({ messages: [], rev });
    await h.delete(room);
    expect(await h.store.changes(room.key, 1, 9)).toEqual({ messages: [], rev: 1 });
  });

  test("a page of changes is not much longer than asked for, and moves on", async () => {
    const { h, room, edit } = await setUp(40);
    await edit(...range(1, 30), ...range(1, 30));
    let cursor = 0;
    for (let pages = 0; cursor < 100; pages++) {
      const { messages, rev } = await h.store.changes(room.key, cursor, 5);
      expect(messages.length).toBeLessThanOrEqual(10);
      expect(rev).toBeGreaterThan(cursor);
      expect(pages).toBeLessThan(100);
      cursor = rev;
    }
  });

  test("rooms are read apart", async () => {
    const { h, alice, room, texts } = await setUp(3);
    const other = await h.room(alice);
    const others = await h.fill(other, alice, 3);
    expect([await h.texts(room), await h.texts(other)]).toEqual([texts, others]);
    expect((await h.changes(other, 0)).map(({ text }) => text)).toEqual(others);
  });
}
