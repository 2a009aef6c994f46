import { expect, test } from "bun:test";

import { StoreError } from "../../src/chat/errors.ts";
import type { Push, PushStore } from "../../src/chat/push-store.ts";
import { pushStoreContract } from "../contract/push.ts";
import { StoreHarness } from "../contract/store-harness.ts";
import { openSqliteStore } from "../support/sqlite-store.ts";

pushStoreContract("push subscriptions in a SQLite file", () => {
  const opened = openSqliteStore();
  return {
    store: opened.store,
    push: opened.store.push,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
});

test("a subscription that is presented again within a day is not written again", async () => {
  await using opened = openSqliteStore();
  const { store, client } = opened;
  const { key } = await new StoreHarness(store).user();
  const subscription = { endpoint: "https://push.example.com/1", p256dh: "key", auth: "secret" };
  const changes = () => client.query("SELECT total_changes()").values()[0]?.[0];
  await store.push.subscribe(key, subscription, 1, 10);
  const before = changes();
  await store.push.subscribe(key, subscription, 2, 10);
  expect(changes()).toBe(before as never);
  await store.push.subscribe(key, { ...subscription, auth: "another" }, 3, 10);
  expect(changes()).not.toBe(before as never);
});

test("methods for web push reject with a StoreError when the file cannot be read or written", async () => {
  await using opened = openSqliteStore();
  const { push } = opened.store;
  for (const table of ["rooms", "members", "push_subscriptions"])
    opened.client.run(`ALTER TABLE ${table} RENAME TO hidden_${table}`);
  const subscription = { endpoint: "https://push.example.com/1", p256dh: "key", auth: "secret" };
  const sent: Push = {
    room: { key: 1, id: "room", name: "Room", isDirect: false },
    message: {
      seq: 1,
      sender: { key: 1, id: null, email: null, name: null },
      text: "",
      mentioned: new Set(),
    },
    user: 1,
    subscription: 1,
    endpoint: subscription.endpoint,
  };
  const calls: Record<keyof PushStore, () => Promise<unknown>> = {
    subscribe: () => push.subscribe(1, subscription, 1, 1),
    unsubscribe: () => push.unsubscribe(1, subscription.endpoint),
    forget: () => push.forget(sent),
    pushMessages: () => push.pushMessages(1, [1]),
    readersAmong: () => push.readersAmong(1, [1], 1),
    readers: () => push.readers(1, { after: 0, limit: 1, since: 1 }),
    targetOf: () => push.targetOf(sent),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await call().catch((reason: unknown) => reason);
    expect([name, error instanceof StoreError]).toEqual([name, true]);
  }
});
