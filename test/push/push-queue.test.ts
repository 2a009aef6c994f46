import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import type { Push } from "../../src/chat/push-store.ts";
import { PushQueue } from "../../src/push/push-queue.ts";
import type { Outcome } from "../../src/push/push-sender.ts";
import { actor, range, settle } from "../support/samples.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

let subscriptions = 0;

const pushTo = (endpoint: string, subscription = ++subscriptions, room = 1): Push => ({
  room: { key: room, id: "room", name: "Room", isDirect: false },
  message: { seq: 1, sender: actor(1), text: "", mentioned: new Set() },
  user: 2,
  subscription,
  endpoint,
});

async function wait(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  await settle();
}

/** A queue whose requests the test answers. */
function createQueue() {
  const requests: { endpoint: string; answer: (outcome: Outcome) => Promise<void> }[] = [];
  const settled: Record<string, number> = {};
  const queue = new PushQueue({
    send: ({ endpoint }) =>
      new Promise((resolve) => {
        const answer = async (outcome: Outcome) => {
          requests.splice(requests.indexOf(request), 1);
          resolve(outcome);
          await settle();
        };
        const request = { endpoint, answer };
        requests.push(request);
      }),
    settled: (outcome) => void (settled[outcome] = (settled[outcome] ?? 0) + 1),
  });
  const add = (host: string, count = 1, room = 1) => {
    for (let each = 0; each < count; each++) queue.add(pushTo(`https://${host}/${each}`, undefined, room));
  };
  /** Requests under way, by host. */
  const running = () =>
    Object.fromEntries(
      [...Map.groupBy(requests, ({ endpoint }) => new URL(endpoint).host)].map(([host, all]) => [
        host,
        all.length,
      ]),
    );
  const answerAll = async (outcome: Outcome) => {
    for (const { answer } of Array.from(requests)) await answer(outcome);
  };
  return { queue, requests, settled, add, running, answerAll };
}

const failed: Outcome = { retryAfterMs: undefined };

test("a bounded number of pushes is sent at a time, and fewer to one push service", async () => {
  const { add, running, requests, answerAll, settled } = createQueue();
  add("slow.example.com", 100);
  expect(running()).toEqual({ "slow.example.com": 8 });
  add("fast.example.com", 20);
  add("other.example.com", 1);
  expect(running()).toEqual({ "slow.example.com": 8, "fast.example.com": 8 });
  // The slow one holds up nobody but itself.
  for (const { endpoint, answer } of Array.from(requests))
    if (endpoint.includes("fast")) await answer("sent");
  expect(running()).toEqual({ "slow.example.com": 8, "fast.example.com": 7, "other.example.com": 1 });
  while (requests.length > 0) await answerAll("sent");
  expect(settled).toEqual({ sent: 121 });
});

test("beyond a number of pushes, new ones are dropped", async () => {
  const { add, settled, running, answerAll } = createQueue();
  for (const room of [1, 2, 3]) add("push.example.com", 7_000, room);
  expect([settled, running()]).toEqual([{ dropped: 1_000 }, { "push.example.com": 8 }]);
  await answerAll("gone");
  add("push.example.com", 9, 4);
  expect(settled).toEqual({ dropped: 1_001, gone: 8 });
});

test("a mention of everyone in a large room does not hold up the pushes of other rooms", async () => {
  const { add, settled, requests, answerAll } = createQueue();
  add("push.example.com", 10_100);
  expect(settled).toEqual({ dropped: 100 });
  add("push.example.com", 2, 2);
  await requests[0]?.answer("sent");
  await requests[0]?.answer("sent");
  // One of each room, in turn.
  expect(requests.map(({ endpoint }) => new URL(endpoint).pathname).slice(-2)).toEqual(["/8", "/0"]);
  while (requests.length > 0) await answerAll("sent");
  expect(settled).toEqual({ dropped: 100, sent: 10_002 });
  add("push.example.com", 10_100);
  expect(settled["dropped"]).toBe(200);
});

test("a push that fails is sent again, later each time, and given up in the end", async () => {
  const { add, requests, answerAll, settled } = createQueue();
  add("push.example.com");
  for (const delay of [1000, 4000, 16_000]) {
    await answerAll(failed);
    await wait(delay - 1);
    expect(requests).toHaveLength(0);
    await wait(1);
    expect(requests).toHaveLength(1);
  }
  expect(settled).toEqual({});
  await answerAll(failed);
  await wait(100_000);
  expect([requests.length, settled]).toEqual([0, { failed: 1 }]);
});

test("a later push of a room replaces one that waits, also to be sent again", async () => {
  const { queue, add, requests, answerAll, settled } = createQueue();
  const url = "https://push.example.com/device";
  queue.add(pushTo(url, 1));
  await answerAll(failed);
  queue.add(pushTo(url, 1));
  // Another browser, and another room.
  queue.add(pushTo(url, 2));
  queue.add({ ...pushTo(url, 1), room: { key: 2, id: "other", name: "Other", isDirect: false } });
  expect(requests).toHaveLength(3);
  await answerAll("sent");
  await wait(100_000);
  expect([requests.length, settled]).toEqual([0, { sent: 3, unwanted: 1 }]);
  add("push.example.com");
  expect(requests).toHaveLength(1);
});

test("thousands of pushes that were replaced are passed over at once", async () => {
  const { queue, requests, settled } = createQueue();
  for (let each = 0; each < 10_000; each++) queue.add(pushTo("https://push.example.com/1", each % 10));
  await requests[0]?.answer("sent");
  while (requests.length > 0) await requests[0]?.answer("sent");
  // The first eight were on their way already.
  expect(settled).toEqual({ sent: 18, unwanted: 9_982 });
});

test("a push service that asks to wait gets nothing until then, and the others theirs", async () => {
  const { add, requests, running, answerAll, settled } = createQueue();
  add("busy.example.com", 10);
  await requests[0]?.answer({ retryAfterMs: 60_000 });
  expect(running()).toEqual({ "busy.example.com": 7 });
  await answerAll("sent");
  add("push.example.com");
  await wait(59_999);
  expect(running()).toEqual({ "push.example.com": 1 });
  await wait(1);
  expect(running()).toEqual({ "push.example.com": 1, "busy.example.com": 3 });
  await answerAll("sent");
  expect(settled).toEqual({ sent: 11 });
});

test("a push service that asks to wait for a day is asked again after five minutes", async () => {
  const { add, requests, answerAll } = createQueue();
  add("busy.example.com");
  await answerAll({ retryAfterMs: 86_400_000 });
  await wait(299_999);
  expect(requests).toHaveLength(0);
  await wait(1);
  expect(requests).toHaveLength(1);
});

test("a push service that asks to wait no time is given some all the same", async () => {
  const { add, requests, answerAll } = createQueue();
  add("busy.example.com");
  await answerAll({ retryAfterMs: 0 });
  await wait(999);
  expect(requests).toHaveLength(0);
  await wait(1);
  expect(requests).toHaveLength(1);
});

test("a queue that stops sends what waits, and nothing a second time", async () => {
  const { queue, add, requests, answerAll, settled } = createQueue();
  add("push.example.com", 10);
  const stopped = queue.stop(60_000);
  add("push.example.com");
  await requests[0]?.answer(failed);
  while (requests.length > 0) await answerAll("sent");
  await stopped;
  expect(settled).toEqual({ dropped: 1, failed: 1, sent: 9 });
});

test("a queue that stops does not wait for a push service that hangs", async () => {
  jest.useRealTimers();
  const { queue, add, requests } = createQueue();
  add("push.example.com", 10);
  await queue.stop(1);
  expect(requests).toHaveLength(8);
  await Promise.all([...requests].map(({ answer }) => answer("sent")));
  expect(requests).toHaveLength(0);
});

test("nothing remains of push services that were sent to", async () => {
  const { queue, requests, answerAll, settled } = createQueue();
  for (const n of range(1, 500)) queue.add(pushTo(`https://${n}.example.com/`));
  while (requests.length > 0) await answerAll("gone");
  expect(settled).toEqual({ gone: 500 });
  expect(Bun.inspect(queue)).not.toContain("499.example.com");
});
