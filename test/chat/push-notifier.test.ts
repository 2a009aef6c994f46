import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { StoreError } from "../../src/chat/errors.ts";
import type { Change, RoomKey, UserKey } from "../../src/chat/model.ts";
import { PUSH_DELAY_MS, PushNotifier } from "../../src/chat/push-notifier.ts";
import type { PushMessage, PushReader } from "../../src/chat/push-store.ts";
import { EVERYONE } from "../../src/chat/room-mentions.ts";
import { actor, message, range, settle } from "../support/samples.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const [room, direct] = [7, 8];
const [alice, bob, carol] = [1, 2, 3];

interface Said {
  in?: RoomKey;
  by?: UserKey;
  /** Whom it mentions. */
  to?: readonly UserKey[];
}

/** A notifier on a store of two rooms in which Alice, Bob and Carol are members, each with one subscription. */
function createNotifier() {
  const stored = new Map<RoomKey, PushMessage[]>([
    [room, []],
    [direct, []],
  ]);
  let members: UserKey[] = [alice, bob, carol];
  const connected = new Set<UserKey>();
  const read = new Map<UserKey, number>();
  const calls: string[] = [];
  const sent: string[] = [];
  const failures: unknown[] = [];
  const state = { now: 0, dropped: 0, isBroken: false };
  const reader = (user: UserKey): PushReader => ({
    user,
    read: read.get(user) ?? 0,
    subscription: user * 10,
    endpoint: `https://push.example.com/${user}`,
  });
  const notifier = new PushNotifier({
    store: {
      async pushMessages(key, seqs) {
        calls.push(`messages ${key} ${seqs.join()}`);
        if (state.isBroken) throw new StoreError("broken");
        const messages = stored.get(key);
        if (!messages) return undefined;
        return {
          room: { key, id: `room-${key}`, name: "Room", isDirect: key === direct },
          messages: messages.filter(({ seq }) => seqs.includes(seq)),
        };
      },
      async readersAmong(key, users) {
        calls.push(`among ${key} ${users.join()}`);
        return members.filter((user) => users.includes(user)).map(reader);
      },
      async readers(key, { after, limit }) {
        calls.push(`readers ${key} ${after}`);
        const page = members.filter((user) => user > after).slice(0, limit);
        return { readers: page.map(reader), next: page.length < limit ? undefined : page.at(-1) };
      },
      async targetOf({ endpoint, message: { text } }) {
        return { endpoint, p256dh: "key", auth: "secret", text };
      },
    },
    isConnected: (user) => connected.has(user),
    send: (push) => void sent.push(`${push.user} ${push.room.id}/${push.message.seq} ${push.endpoint}`),
    dropped: () => void state.dropped++,
    failed: (error) => void failures.push(error),
    now: () => state.now,
    monotonic: () => state.now,
  });
  const say = ({ in: key = room, by = alice, to = [] }: Said = {}): Change => {
    const messages = stored.get(key) ?? [];
    const seq = messages.length + 1;
    messages.push({ seq, sender: actor(by), text: `text ${seq}`, mentioned: new Set(to) });
    const mentions = to.length > 0 ? JSON.stringify({ users: to.map((user) => `sub|${user}`) }) : null;
    const change: Change = { kind: "created", message: { ...message(seq), mentions } };
    notifier.receive({ kind: "changes", room: key, changes: [change] });
    return change;
  };
  const wait = async (ms = PUSH_DELAY_MS) => {
    state.now += ms;
    jest.advanceTimersByTime(ms);
    await settle();
  };
  /** Which pushes were sent since the last call: user, room and message. */
  const pushed = () => sent.splice(0).map((line) => line.split(" ").slice(0, 2).join(" "));
  const setMembers = (users: UserKey[]) => void (members = users);
  return { notifier, say, wait, pushed, sent, calls, connected, read, stored, failures, state, setMembers };
}

test("a member who is mentioned is notified after a short time, and nobody else", async () => {
  const { say, wait, sent } = createNotifier();
  say({ to: [bob] });
  await wait(PUSH_DELAY_MS - 1);
  expect(sent).toEqual([]);
  await wait(1);
  expect(sent).toEqual([`${bob} room-7/1 https://push.example.com/${bob}`]);
});

test("a mention of everyone notifies all members but the sender, page by page", async () => {
  const { say, wait, pushed, calls, setMembers } = createNotifier();
  setMembers(range(1, 1200));
  say({ by: 5, to: [EVERYONE] });
  await wait();
  await settle();
  // Nobody may have more than one.
  const users = pushed().map((line) => Number(line.split(" ")[0]));
  expect(users).toEqual(range(1, 1200).filter((user) => user !== 5));
  expect(calls).toEqual(["messages 7 1", "readers 7 0", "readers 7 500", "readers 7 1000"]);
});

test("any message in a direct conversation notifies the other member", async () => {
  const { say, wait, pushed, setMembers } = createNotifier();
  setMembers([alice, bob]);
  say({ in: direct, by: bob });
  await wait();
  expect(pushed()).toEqual(["1 room-8/1"]);
});

test("messages that mention nobody cost nothing, but for the first one of a room", async () => {
  const { say, wait, calls, pushed } = createNotifier();
  say();
  await wait();
  expect(calls.splice(0)).toEqual(["messages 7 1"]);
  for (let each = 0; each < 100; each++) say();
  await wait();
  expect([calls, pushed()]).toEqual([[], []]);
});

test("edits, deletions and reactions notify nobody", async () => {
  const { notifier, say, wait, calls } = createNotifier();
  const { message: said } = say();
  await wait();
  calls.length = 0;
  for (const kind of ["edited", "deleted", "reacted"] as const) {
    const changed = { ...said, mentions: '{"users":["sub|2"]}' };
    notifier.receive({ kind: "changes", room, changes: [{ kind, message: changed }] });
  }
  await wait();
  expect(calls).toEqual([]);
});

test("a user who is connected, or has read the message, is not notified", async () => {
  const { say, wait, pushed, connected, read } = createNotifier();
  say({ to: [bob, carol] });
  // Both during the delay.
  connected.add(bob);
  read.set(carol, 1);
  await wait();
  expect(pushed()).toEqual([]);
  say({ to: [carol] });
  await wait();
  expect(pushed()).toEqual(["3 room-7/2"]);
});

test("of all messages of a room within the delay, a user gets one push, for the newest one that is theirs", async () => {
  const { say, wait, pushed, read } = createNotifier();
  for (const to of [[bob], [bob, carol], [carol], []]) say({ to });
  say({ by: carol, to: [EVERYONE] });
  read.set(alice, 5);
  await wait();
  expect(pushed()).toEqual(["2 room-7/5", "3 room-7/3"]);
});

test("a message that is deleted, or whose mention is edited away, within the delay notifies nobody", async () => {
  const { say, wait, pushed, stored } = createNotifier();
  say({ to: [bob] });
  say({ to: [bob] });
  const [first] = stored.get(room) ?? [];
  stored.set(room, first ? [{ ...first, mentioned: new Set() }] : []);
  await wait();
  expect(pushed()).toEqual([]);
});

test("a room that is deleted within the delay notifies nobody", async () => {
  const { say, wait, pushed, stored } = createNotifier();
  say({ to: [bob] });
  stored.delete(room);
  await wait();
  expect(pushed()).toEqual([]);
});

test("a user whose connection turns out to be dead is notified of what they missed by it", async () => {
  const { notifier, say, wait, pushed, connected, read } = createNotifier();
  connected.add(bob).add(carol);
  for (let each = 0; each < 3; each++) say({ to: [bob, carol] });
  await wait();
  await wait(60_000);
  connected.clear();
  read.set(carol, 3);
  for (const user of [bob, carol, alice]) notifier.disconnected(user);
  // They may be reconnecting.
  expect(pushed()).toEqual([]);
  await wait();
  expect(pushed()).toEqual(["2 room-7/3"]);
  notifier.disconnected(bob);
  await wait();
  expect(pushed()).toEqual([]);
});

test("a user who reconnects at once, or goes a long time after a message, is not notified of it", async () => {
  const { notifier, say, wait, pushed, connected } = createNotifier();
  connected.add(bob);
  say({ to: [bob] });
  await wait();
  notifier.disconnected(bob);
  await wait();
  expect(pushed()).toEqual([]);
  await wait(80_000);
  connected.clear();
  notifier.disconnected(bob);
  await wait();
  expect(pushed()).toEqual([]);
});

test("a push that waits to be sent is not wanted once its user has connected", async () => {
  const { notifier, connected } = createNotifier();
  const push = {
    room: { key: room, id: "room-7", name: "Room", isDirect: false },
    message: { seq: 1, sender: actor(alice), text: "", mentioned: new Set([bob]) },
    user: bob,
    subscription: 20,
    endpoint: "https://push.example.com/2",
  };
  expect(await notifier.targetOf(push)).toMatchObject({ endpoint: push.endpoint });
  connected.add(bob);
  expect(await notifier.targetOf(push)).toBeUndefined();
});

test("a flood of mentions notifies a user no more often than they can use", async () => {
  const { say, wait, pushed, state } = createNotifier();
  for (let each = 0; each < 30; each++) {
    say({ to: [bob] });
    await wait(PUSH_DELAY_MS);
    // As if in many rooms at once.
    state.now -= PUSH_DELAY_MS;
  }
  expect([pushed().length, state.dropped]).toEqual([20, 10]);
  await wait(3000);
  say({ to: [bob] });
  await wait();
  expect(pushed()).toHaveLength(1);
});

test("of a flood of messages, only so many wait", async () => {
  const { notifier, say, wait, calls, state } = createNotifier();
  for (let each = 0; each < 600; each++) say({ to: [bob] });
  const created: Change[] = [{ kind: "created", message: { ...message(1), mentions: '{"users":[]}' } }];
  for (const key of range(1001, 11_001)) notifier.receive({ kind: "changes", room: key, changes: created });
  // Room 7 is one of 10,000.
  expect(state.dropped).toBe(2);
  await wait();
  expect(calls[0]).toBe(`messages 7 ${range(101, 600).join()}`);
});

test("when the storage fails, later messages notify all the same", async () => {
  const { say, wait, pushed, failures, state } = createNotifier();
  state.isBroken = true;
  say({ to: [bob] });
  await wait();
  expect([pushed(), failures.length]).toEqual([[], 1]);
  state.isBroken = false;
  say({ to: [bob] });
  await wait();
  expect(pushed()).toEqual(["2 room-7/2"]);
});

test("when the server stops, what waits is sent at once, and nothing afterwards", async () => {
  const { notifier, say, wait, pushed } = createNotifier();
  say({ to: [bob] });
  await notifier.stop();
  expect(pushed()).toEqual(["2 room-7/1"]);
  say({ to: [bob] });
  await wait();
  expect(pushed()).toEqual([]);
});
