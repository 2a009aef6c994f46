import { describe, expect, test } from "bun:test";

import { type Change, History } from "../../src/client/history.ts";
import type { Message } from "../../src/client/index.ts";
import { createdAt, message, opened, openedRecreatedRoom } from "./support/fake-server.ts";

/** Kinds and `seq`s of changes. */
const kinds = (changes: unknown) => (changes as Change[]).map(({ kind, message: { seq } }) => [kind, seq]);

/** A history whose last message is `seq` 10, and whose window begins with 9. */
function historyOfTen(): History {
  const history = new History(100);
  history.applyOpened(opened(10, [message(9), message(10)]));
  return history;
}

describe("loading older messages", () => {
  test("a change received meanwhile is newer than the page", async () => {
    const history = historyOfTen();
    const { promise, resolve } = Promise.withResolvers<Message[]>();
    const older = history.loadOlder(50, () => promise);
    const edited = message(8, 12, { text: "newer" });
    history.applyChange({
      type: "change",
      room: "lobby",
      kind: "edited",
      message: message(8, 11, { text: "new" }),
    });
    history.applyChange({ type: "change", room: "lobby", kind: "edited", message: edited });
    resolve([message(7), message(8)]);
    expect(await older).toEqual([message(7), edited]);
    expect(history.messages).toEqual([message(7), edited, message(9), message(10)]);
  });

  test("a page may be newer than the live changes; the change that follows is still reported", async () => {
    const history = historyOfTen();
    const edited = message(8, 12, { text: "newer" });
    await history.loadOlder(50, () => Promise.resolve([edited]));
    for (const each of [message(8, 11, { text: "new" }), edited]) {
      const change = history.applyChange({ type: "change", room: "lobby", kind: "edited", message: each });
      expect(change).toMatchObject({ kind: "edited", message: each });
      expect(history.messages).toEqual([edited, message(9), message(10)]);
    }
    expect(history.cursor).toBe(12);
  });

  test("a page that arrives after a reset is ignored", async () => {
    const history = historyOfTen();
    const { promise, resolve } = Promise.withResolvers<Message[]>();
    const older = history.loadOlder(50, () => promise);
    history.applyOpened(opened(3, [message(3)]));
    resolve([message(2), message(8)]);
    expect(await older).toEqual([]);
    expect(history.messages).toEqual([message(3)]);
  });

  test("nothing is requested when the window is full", async () => {
    const history = new History(2);
    history.applyOpened(opened(10, [message(8), message(9), message(10)]));
    expect(history.messages).toEqual([message(9), message(10)]);
    expect(await history.loadOlder(50, () => Promise.reject(new Error("requested")))).toEqual([]);
  });
});

test("`messages` is the same array until one of them changes", () => {
  const history = historyOfTen();
  const { messages } = history;
  history.applyChange({ type: "change", room: "lobby", kind: "edited", message: message(3, 11) });
  expect(history.messages).toBe(messages);
  history.applyChange({ type: "change", room: "lobby", kind: "edited", message: message(9, 12) });
  expect(history.messages).not.toBe(messages);
  expect(messages).toEqual([message(9), message(10)]);
});

describe("a resume", () => {
  test("reports a message as created once, even if it is received twice", () => {
    const history = new History(10);
    history.applyOpened(opened(1, [message(1)]));
    // Message 3 is edited during the resume, and message 2 after that.
    const missed = [
      history.applyOpened(opened(3, [message(3)], { resumed: true })),
      history.applyChanges({ rev: 5, messages: [message(3, 5, { edited_at: "now" })] }),
      history.applyChanges({ rev: 6, messages: [message(2, 6, { edited_at: "now" })] }),
    ].flat() as Change[];
    expect(kinds(missed)).toEqual([
      ["created", 3],
      ["edited", 3],
      ["created", 2],
    ]);
    // The position stays before message 2 until it has been received.
    expect(missed.map(({ position }) => [position.seq, position.rev])).toEqual([
      [1, 1],
      [1, 1],
      [3, 6],
    ]);
  });

  test("reports messages as created once, even if they are no longer in the window", () => {
    const history = new History(3, { seq: 0, rev: 0, created_at: createdAt });
    const later = [2, 3, 4, 5, 6].map((seq) => message(seq));
    const missed = [
      history.applyOpened(opened(6, later, { resumed: true })),
      history.applyChanges({ rev: 8, messages: [message(1, 7), message(2, 8)] }),
    ].flat() as Change[];
    const created = missed.filter(({ kind }) => kind === "created").map((change) => change.message.seq);
    expect(created).toEqual([2, 3, 4, 5, 6, 1]);
    expect(history.position).toMatchObject({ seq: 6, rev: 8 });
  });

  test("reports as created only messages after the position", () => {
    const history = new History(10, { seq: 3, rev: 5, created_at: createdAt });
    const missed = [message(2, 6, { edited_at: "now" }), message(3, 7), message(4, 8)];
    expect(kinds(history.applyOpened(opened(8, missed, { resumed: true })))).toEqual([
      ["edited", 2],
      ["reacted", 3],
      ["created", 4],
    ]);
  });

  test("reports a message as edited only if its last edit is new", () => {
    const history = new History(10);
    const edited = message(1, 2, { edited_at: "then" });
    history.applyOpened(opened(2, [edited]));
    const missed = [{ ...edited, rev: 3 }];
    expect(kinds(history.applyOpened(opened(3, missed, { resumed: true })))).toEqual([["reacted", 1]]);
    // Message 3, received before message 2.
    const outOfOrder = message(3, 5, { edited_at: "then" });
    history.applyChanges({ rev: 5, messages: [outOfOrder] });
    const reacted = [{ ...outOfOrder, rev: 6 }];
    expect(kinds(history.applyChanges({ rev: 6, messages: reacted }))).toEqual([["reacted", 3]]);
  });

  test("moves the cursor to the frame's rev, and never back", () => {
    const history = new History(10);
    history.applyOpened(opened(1, [message(1)]));
    history.applyChanges({ rev: 4, messages: [] });
    expect(history.cursor).toBe(4);
    history.applyChanges({ rev: 2, messages: [] });
    expect(history.cursor).toBe(4);
  });

  test("holds no more out-of-order messages than the window may have", () => {
    const history = new History(2);
    history.applyOpened(opened(1, [message(1)]));
    history.applyOpened(opened(5, [message(3), message(4), message(5)], { resumed: true }));
    expect(history.messages).toEqual([message(4), message(5)]);
    const late = { rev: 7, messages: [message(6), message(2, 7)] };
    expect(history.applyChanges(late)).toMatchObject([{ kind: "created" }, { kind: "created" }]);
    expect(history.messages).toEqual([message(5), message(6)]);
  });
});

describe("a hello diverges, and the history is emptied,", () => {
  test.each([
    ["if the room was created at another time", openedRecreatedRoom(12, [message(11)])],
    ["if the room's rev is lower than the cursor", opened(9, [], { resumed: true })],
  ])("%s", (_, frame) => {
    const history = historyOfTen();
    expect(history.applyOpened(frame)).toBe("diverged");
    expect(history.cursor).toBeUndefined();
    expect(history.messages).toEqual([]);
  });
});

test("a hello that is not a resume replaces everything", () => {
  const history = historyOfTen();
  expect(history.applyOpened(opened(4, [message(4)]))).toBe("reset");
  expect(history.messages).toEqual([message(4)]);
  expect(history.cursor).toBe(4);
});
