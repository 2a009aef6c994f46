import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { ActivityFeed } from "../../src/chat/activity.ts";
import type { Activity, Change, Message, RoomKey } from "../../src/chat/model.ts";
import { message, range, settle } from "../support/samples.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const room = 7;

const later = async () => {
  jest.advanceTimersByTime(250);
  await settle();
};

/** A feed of one room, whose reads of the store the test answers, and what it published. */
function createFeed() {
  const messages: Message[] = [];
  const reads: ((fails: boolean) => void)[] = [];
  const state = { rev: 0, followers: 1 };
  const published: string[] = [];
  const activities: Activity[] = [];
  const failures: unknown[] = [];
  const newest = () => messages.findLast(({ deletedAt }) => deletedAt === null) ?? null;
  const read = <T>(find: () => T): Promise<T> => {
    const found = find();
    return new Promise((resolve, reject) => {
      reads.push((fails) => (fails ? reject(new Error("broken")) : resolve(found)));
    });
  };
  const feed = new ActivityFeed({
    store: {
      head: () => read(() => ({ seq: messages.length, rev: state.rev })),
      lastMessages: (keys) =>
        read(() => new Map<RoomKey, Message | null>(keys.map((key) => [key, newest()]))),
    },
    broadcaster: {
      followers: () => state.followers,
      publishActivity({ id }, activity) {
        const { seq, rev, lastMessage, deleted } = activity;
        activities.push(activity);
        const gone = deleted.map((each) => `${each.seq}@${each.rev}`).join(" ");
        published.push(`${id} ${seq}/${rev} last ${lastMessage?.seq ?? "none"}${gone && ` deleted ${gone}`}`);
      },
    },
    idOf: (key) => (key === room ? "lobby" : undefined),
    readFailed: (error) => void failures.push(error),
  });
  const create = (): Change => {
    const created = message(messages.length + 1, ++state.rev);
    messages.push(created);
    return { kind: "created", message: { ...created, editedAt: null } };
  };
  const change = (kind: "edited" | "deleted", seq: number): Change => {
    const deletedAt = kind === "deleted" ? 1 : null;
    const changed = { ...message(seq, ++state.rev), deletedAt };
    messages[seq - 1] = changed;
    return { kind, message: changed };
  };
  /** Answers reads until there are none. */
  const answer = async (fails = false) => {
    for (await settle(); reads.length > 0; await settle()) for (const each of reads.splice(0)) each(fails);
  };
  const hear = (...changes: Change[]) => feed.receive(room, changes);
  return { feed, state, reads, published, activities, failures, create, change, answer, hear };
}

test("the first change is published at once, later ones together after an interval", async () => {
  const { published, create, hear } = createFeed();
  hear(create());
  await settle();
  expect(published).toEqual(["lobby 1/1 last 1"]);
  for (let times = 0; times < 5; times++) hear(create(), create());
  await settle();
  expect(published).toHaveLength(1);
  await later();
  expect(published.slice(1)).toEqual(["lobby 11/11 last 11"]);
  // After an interval without changes, the next one is the first again.
  await later();
  hear(create());
  await settle();
  expect(published.slice(2)).toEqual(["lobby 12/12 last 12"]);
});

test("a room of many sessions is published once a second", async () => {
  const { state, published, create, hear } = createFeed();
  state.followers = 1000;
  const times: number[] = [];
  for (let quarter = 0; quarter <= 12; quarter++) {
    const before = published.length;
    hear(create());
    await later();
    if (published.length > before) times.push(quarter);
  }
  expect(times).toEqual([0, 3, 7, 11]);
});

test("nothing is read or published for a room that nobody follows", async () => {
  const { state, reads, published, create, change, hear, feed } = createFeed();
  state.followers = 0;
  hear(create());
  hear(change("deleted", 1));
  feed.receive(8, [create()]);
  await later();
  expect([published, reads]).toEqual([[], []]);
});

test("deletions are gathered, and the last message is read only when the changes do not tell it", async () => {
  const { reads, published, create, change, answer, hear } = createFeed();
  hear(create(), create(), create());
  await settle();
  hear(change("deleted", 1), create());
  await later();
  expect(reads).toHaveLength(0);
  hear(change("deleted", 4), change("edited", 3));
  await later();
  expect(reads.length).toBeGreaterThan(0);
  await answer();
  expect(published).toEqual([
    "lobby 3/3 last 3",
    "lobby 4/5 last 4 deleted 1@4",
    "lobby 4/7 last 3 deleted 4@6",
  ]);
});

test("a last message that is changed before it is published is published as it is then", async () => {
  const { activities, create, change, hear } = createFeed();
  hear(create());
  await settle();
  hear(create(), change("edited", 2));
  await later();
  expect(activities.at(-1)).toMatchObject({ seq: 2, rev: 3, lastMessage: { rev: 3 } });
});

test("a read that fails is retried, with what has come meanwhile", async () => {
  const { published, failures, create, change, answer, hear } = createFeed();
  hear(create(), create());
  await settle();
  hear(change("deleted", 2));
  await later();
  await answer(true);
  expect(failures).toHaveLength(1);
  hear(change("deleted", 1));
  await later();
  await answer();
  expect(published).toEqual(["lobby 2/2 last 2", "lobby 2/4 last none deleted 2@3 1@4"]);
});

test("a publication that waits for the store is not overtaken: its deletions would be taken for old ones", async () => {
  const { activities, create, change, answer, hear } = createFeed();
  hear(create(), create(), create());
  await settle();
  hear(change("deleted", 3));
  await later();
  // The last message is being read.
  hear(create());
  await later();
  await answer();
  await later();
  await answer();
  const revs = activities.map(({ rev }) => rev);
  expect(revs).toEqual(revs.toSorted((a, b) => a - b));
  expect(activities.flatMap(({ deleted }) => deleted)).toEqual([{ seq: 3, rev: 4 }]);
  expect(activities.at(-1)).toMatchObject({ seq: 4, rev: 5, lastMessage: { seq: 4 } });
});

function mentioning(
  { kind, message: changed }: Change,
  mentions: string | null,
  before?: string | null,
): Change {
  const of = { kind, message: { ...changed, mentions } };
  return before === undefined ? of : { ...of, mentionsBefore: before };
}

test("changes of mentions are told in order, each as of its rev", async () => {
  const { activities, create, change, hear } = createFeed();
  const [me, all] = ['{"users":["me"]}', '{"users":[],"room":true}'];
  hear(create(), mentioning(create(), me), mentioning(create(), null));
  await settle();
  expect(activities.at(-1)?.mentions).toEqual([{ seq: 2, rev: 2, now: me, before: null }]);
  hear(mentioning(change("edited", 2), all, me), mentioning(change("edited", 2), all));
  hear(mentioning(create(), me), mentioning(change("deleted", 2), null, all));
  await later();
  expect(activities.at(-1)?.mentions).toEqual([
    { seq: 2, rev: 4, now: all, before: me },
    { seq: 4, rev: 6, now: me, before: null },
    { seq: 2, rev: 7, now: null, before: all },
  ]);
});

test.each([
  ["100 changes of mentions are told, and 101 are not", 100, '{"users":[]}'],
  ["16 Ki of mentions are told, and more are not", 16, `{"users":["${"x".repeat(1024 - 14)}"]}`],
])("%s", async (_, most, mentions) => {
  for (const [count, isTold] of [
    [most, true],
    [most + 1, false],
  ] as const) {
    const { activities, create, hear } = createFeed();
    const changes = range(1, count).map(create);
    hear(...changes.map((change) => mentioning(change, mentions)));
    await settle();
    expect(activities.at(-1)?.mentions?.length).toBe(isTold ? count : undefined);
  }
});

test("so many deletions that they would fill a frame do not wait", async () => {
  const { activities, create, change, answer, hear } = createFeed();
  hear(...range(1, 1500).map(create));
  await settle();
  hear(...range(1, 1200).map((seq) => change("deleted", seq)));
  await answer();
  expect(activities.at(-1)?.deleted).toHaveLength(1200);
});
