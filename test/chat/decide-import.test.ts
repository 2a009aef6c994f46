import { describe, expect, test } from "bun:test";

import { findImported, type NumberedMessage, Numbering, Restoration } from "../../src/chat/decide-import.ts";

test("messages of another product follow the newest one; changed ones take two revs", () => {
  const numbering = new Numbering({ seq: 4, rev: 9 });
  expect(numbering.next(false)).toEqual({ seq: 5, rev: 10, changedRev: null });
  expect(numbering.next(true)).toEqual({ seq: 6, rev: 11, changedRev: 12 });
  expect(numbering.nextRev()).toBe(13);
  expect(numbering).toEqual(expect.objectContaining({ seq: 6, rev: 13 }));
});

test("an imported message is known by its key and time, whoever is its sender now", () => {
  const earlier = [
    { seq: 1, sender: 1, sentAt: 10 },
    { seq: 2, sender: 2, sentAt: 20 },
  ];
  expect(findImported({ sender: 1, sentAt: 20 }, earlier)).toEqual({ seq: 2, sender: 2, sentAt: 20 });
  expect(findImported({ sender: 1, sentAt: 30 }, earlier)).toBe("key_taken");
  expect(findImported({ sender: 3, sentAt: 30 }, earlier)).toBeUndefined();
});

/** A message in short: its `seq`, `rev` and `changedRev`. */
function message(seq: number, rev: number, changedRev: number | null = null): NumberedMessage {
  return { seq, rev, changedRev, sender: 1, sentAt: seq, hasReactions: false };
}

/** The steps of a restoration in one line. `here` are the messages of the chat. */
function steps(
  { seq, rev }: { seq: number; rev: number },
  file: NumberedMessage[],
  here: NumberedMessage[] = [],
): string {
  const newest = Math.max(0, ...here.map((each) => each.changedRev ?? each.rev));
  const restoration = new Restoration({ seq, rev }, { seq: here.length, rev: newest });
  const done: string[] = [];
  for (const each of file) {
    const step = restoration.next(each, here[each.seq - 1]);
    if (typeof step === "object") return `${done.join(" ")} | ${step.invalid}`;
    done.push(step);
  }
  const end = restoration.end();
  return end ? `${done.join(" ")} | ${end.invalid}` : `${done.join(" ")} ${JSON.stringify(restoration.head)}`;
}

const old = [message(1, 1), message(2, 2)];

describe("a room from Parley", () => {
  test.each<[string, string, string]>([
    [
      "that is new is inserted, with a rev beyond its last message's",
      steps({ seq: 2, rev: 7 }, [message(1, 1, 3), message(2, 2)]),
      'insert insert {"seq":2,"rev":7}',
    ],
    ["that is the same is kept", steps({ seq: 2, rev: 2 }, old, old), 'keep keep {"seq":2,"rev":2}'],
    [
      "that is newer updates and adds",
      steps({ seq: 3, rev: 4 }, [message(1, 1, 3), message(2, 2), message(3, 4)], old),
      'update keep insert {"seq":3,"rev":4}',
    ],
    [
      "that is older changes nothing",
      steps({ seq: 2, rev: 2 }, old, [message(1, 1, 3), message(2, 2), message(3, 4)]),
      'keep keep {"seq":3,"rev":4}',
    ],
    [
      "that went on differently is refused at the message that shows it",
      steps({ seq: 3, rev: 3 }, [...old, message(3, 3)], [message(1, 1, 3), message(2, 2)]),
      "| Message 1 differs",
    ],
    [
      "in which an earlier message was changed at a rev that is something else here is refused",
      steps({ seq: 2, rev: 4 }, [message(1, 1, 3), message(2, 2, 4)], [message(1, 1), message(2, 2, 3)]),
      "| Message 1 differs",
    ],
    [
      "of which a message has another sender here is refused",
      steps({ seq: 2, rev: 2 }, old, [{ ...message(1, 1), sender: 2 }, message(2, 2)]),
      "| Message 1 differs",
    ],
    [
      "of which a message was sent at another time here is refused",
      steps({ seq: 2, rev: 2 }, old, [message(1, 1), { ...message(2, 2), sentAt: 9 }]),
      "keep | Message 2 differs",
    ],
    [
      "of which a message was created at another rev here is refused",
      steps({ seq: 1, rev: 5 }, [message(1, 1, 5)], [message(1, 2, 5)]),
      "| Message 1 differs",
    ],
    [
      "with a new message at a rev that is something else here is refused",
      steps({ seq: 2, rev: 4 }, [message(1, 1, 4), message(2, 2)], [message(1, 1, 3)]),
      "update | Message 2 differs",
    ],
    [
      "with a gap is refused",
      steps({ seq: 3, rev: 3 }, [message(1, 1), message(3, 3)]),
      "insert | Message 2 is missing",
    ],
    ["without its end is refused", steps({ seq: 3, rev: 3 }, old), "insert insert | Message 3 is missing"],
    [
      "without its beginning is refused",
      steps({ seq: 2, rev: 2 }, [message(2, 2)]),
      "| Message 1 is missing",
    ],
    [
      "whose revs fall is refused",
      steps({ seq: 2, rev: 9 }, [message(1, 5), message(2, 4)]),
      "insert | Message 2 has rev 4",
    ],
    [
      "with a change beyond its head is refused",
      steps({ seq: 1, rev: 2 }, [message(1, 1, 3)]),
      "| Message 1 is beyond",
    ],
    [
      "with reactions to a message that never changed is refused",
      steps({ seq: 1, rev: 1 }, [{ ...message(1, 1), hasReactions: true }]),
      "| Message 1 has reactions",
    ],
    [
      "that has fewer messages and yet a higher rev is refused",
      steps({ seq: 1, rev: 9 }, [message(1, 1, 9)], old),
      "update | Neither the room in the file",
    ],
  ])("%s", (_, result, expected) => {
    expect(result).toContain(expected);
  });
});
