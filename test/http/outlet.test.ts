import { expect, test } from "bun:test";

import type { Message } from "../../src/chat/model.ts";
import { createOutlet } from "../../src/ws/broadcast.ts";
import { message } from "../support/people.ts";

/** An outlet to so many listeners of each dialect, and what was published. */
function open({ classic, v2 }: { classic: number; v2: number }) {
  const published: [topic: string, frame: unknown][] = [];
  const server = {
    subscriberCount: (topic: string) => (topic.endsWith("classic") ? classic : v2),
    publish: (topic: string, frame: string) => published.push([topic, JSON.parse(frame)]),
  };
  return { published, outlet: createOutlet(() => server as never) };
}

/** A message that counts how often it is encoded. */
function counting(made: Message) {
  const count = { reads: 0 };
  const counted = Object.defineProperty({ ...made }, "text", {
    get: () => (count.reads++, made.text),
    enumerable: true,
  });
  return { count, counted };
}

test("a change is encoded once for each dialect and published once, however many listen, and not at all for nobody", () => {
  for (const [classic, v2] of [
    [1000, 1000],
    [0, 1000],
    [1000, 0],
    [0, 0],
  ] as const) {
    const { published, outlet } = open({ classic, v2 });
    const { count, counted } = counting(message(3));
    outlet.live(7, [{ kind: "created", message: counted }]);
    const times = (classic && 1) + (v2 && 1);
    expect([published.length, count.reads]).toEqual([times, times]);
  }
});

test("who speaks classic hears of what was missed only what is new and still there; who speaks v2 all of it", () => {
  const { published, outlet } = open({ classic: 1, v2: 1 });
  const gone: Message = { ...message(5, 8), text: null, deletedAt: 1 };
  const [fresh, late] = [message(4), message(6, 9, "made and edited")];
  const messages = [fresh, message(2, 7, "edited"), gone, late];
  outlet.missed(7, { messages, rev: 9 }, [fresh, gone, late]);
  const heard = (dialect: string) =>
    published.filter(([topic]) => topic.endsWith(dialect)).map(([, frame]) => frame);
  expect(heard("classic")).toEqual([{ message: "text 4" }, { message: "made and edited" }]);
  expect(heard("v2")).toMatchObject([
    { type: "changes", rev: 9, messages: messages.map(({ seq }) => ({ seq })) },
  ]);
});
