import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { unwrap } from "../../src/chat/errors.ts";
import { type Actor, operator, type Room, type UserKey } from "../../src/chat/model.ts";
import type { Push, PushStore, PushSubscription } from "../../src/chat/push-store.ts";
import { EVERYONE } from "../../src/chat/room-mentions.ts";
import type { Store } from "../../src/chat/store.ts";
import { send } from "../support/samples.ts";
import { StoreHarness, subOf } from "./store-harness.ts";

export interface OpenedPushStore extends AsyncDisposable {
  store: Store;
  push: PushStore;
}

const DAY_MS = 86_400_000;
const NOW = 1_700_000_000_000;

/** What every store must do, as the comments of `PushStore` promise it. */
export function pushStoreContract(name: string, open: () => OpenedPushStore): void {
  describe(name, () => {
    let opened: OpenedPushStore;
    let h: StoreHarness;
    beforeAll(() => {
      opened = open();
      h = new StoreHarness(opened.store);
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    const subscription = (): PushSubscription => ({
      endpoint: `https://push.example.com/${h.name("endpoint")}`,
      p256dh: h.name("key"),
      auth: h.name("secret"),
    });

    async function subscribe(user: Actor, at = NOW, of = subscription()): Promise<PushSubscription> {
      await opened.push.subscribe(user.key, of, at, 10);
      return of;
    }

    const endpointsOf = async (room: Room, ...users: Actor[]) => {
      const keys = users.map(({ key }) => key);
      return (await opened.push.readersAmong(room.key, keys, 0)).map(({ endpoint }) => endpoint);
    };

    /** Pushes of a message to all subscriptions of a user. */
    async function pushesOf(room: Room, user: Actor, seq: number): Promise<Push[]> {
      const found = await opened.push.pushMessages(room.key, [seq]);
      const readers = await opened.push.readersAmong(room.key, [user.key], 0);
      return readers.map(({ subscription: key, endpoint }) => ({
        room: found?.room ?? { key: room.key, id: room.id, name: room.name, isDirect: false },
        message: found?.messages[0] ?? { seq, sender: user, text: "", mentioned: new Set() },
        user: user.key,
        subscription: key,
        endpoint,
      }));
    }

    const isWanted = async (push: Push | undefined) => push && (await opened.push.targetOf(push))?.endpoint;

    test("a subscription is its user's until they end it; another user cannot", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      const { endpoint } = await subscribe(alice);
      await opened.push.unsubscribe(bob.key, endpoint);
      expect(await endpointsOf(room, alice, bob)).toEqual([endpoint]);
      await opened.push.unsubscribe(alice.key, endpoint);
      await opened.push.unsubscribe(alice.key, endpoint);
      expect(await endpointsOf(room, alice, bob)).toEqual([]);
    });

    test("an endpoint belongs to the user who presented it last, with the keys that they presented", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      const { endpoint } = await subscribe(alice);
      await h.act(room, alice, send("for Bob"));
      const taken = await subscribe(bob, NOW, { ...subscription(), endpoint });
      expect(await endpointsOf(room, alice)).toEqual([]);
      const [push] = await pushesOf(room, bob, 1);
      expect(push && (await opened.push.targetOf(push))).toEqual({ ...taken, text: "for Bob" });
    });

    test("of more subscriptions than the limit, a user's oldest are dropped, and nobody else's", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      const bobs = await subscribe(bob);
      const all: PushSubscription[] = [];
      for (let each = 0; each < 11; each++) all.push(await subscribe(alice));
      // Presented again after a long time, it is the newest.
      const [, second] = all;
      if (second) await subscribe(alice, NOW + 2 * DAY_MS, second);
      await subscribe(alice);
      const kept = [...all.slice(3), second].map((each) => each?.endpoint);
      const expected = [...kept.slice(0, 8), second?.endpoint];
      const found = await endpointsOf(room, alice);
      expect(found).toHaveLength(10);
      expect(found).toEqual(expect.arrayContaining(expected));
      expect(await endpointsOf(room, bob)).toEqual([bobs.endpoint]);
    });

    test("a subscription counts for as long as it was presented", async () => {
      const alice = await h.user();
      const room = await h.room(alice);
      const old = await subscribe(alice, NOW);
      const readers = async (since: number) =>
        (await opened.push.readersAmong(room.key, [alice.key], since)).length;
      expect([await readers(NOW), await readers(NOW + 1)]).toEqual([1, 0]);
      await subscribe(alice, NOW + 2 * DAY_MS, old);
      expect(await readers(NOW + DAY_MS)).toBe(1);
    });

    test("only members are readers, each with their read mark, once for each subscription", async () => {
      const [alice, bob, carol] = [await h.user(), await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      await h.fill(room, alice, 3);
      await h.act(room, bob, { type: "read", seq: 2 });
      const own = [await subscribe(bob), await subscribe(bob)];
      await subscribe(carol);
      const users = [alice, bob, carol].map(({ key }) => key);
      const readers = await opened.push.readersAmong(room.key, users, 0);
      expect(readers.map(({ user, read, endpoint }) => [user, read, endpoint])).toEqual(
        own.map(({ endpoint }) => [bob.key, 2, endpoint]),
      );
    });

    test("the readers of a room come in pages of members, in which not everybody has a subscription", async () => {
      const users: Actor[] = [];
      for (let each = 0; each < 7; each++) users.push(await h.user());
      const room = await h.room(...users);
      for (const user of [users[1], users[2], users[6]]) if (user) await subscribe(user);
      const pages: UserKey[][] = [];
      let after: UserKey | undefined = 0;
      while (after !== undefined) {
        const { readers, next }: Awaited<ReturnType<PushStore["readers"]>> = await opened.push.readers(
          room.key,
          { after, limit: 3, since: 0 },
        );
        pages.push(readers.map(({ user }) => user));
        after = next;
      }
      const keys = users.map(({ key }) => key);
      expect(pages).toEqual([[keys[1] ?? 0, keys[2] ?? 0], [], [keys[6] ?? 0]]);
      expect((await opened.push.readers(room.key, { after: 0, limit: 9, since: NOW + 1 })).readers).toEqual(
        [],
      );
    });

    test("messages are read as they are now, with whom they mention, and without deleted ones", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      await h.act(
        room,
        alice,
        send(`@${bob.email} hello`),
        send("@room hello"),
        send("gone"),
        send("x".repeat(9999)),
      );
      await h.act(
        room,
        alice,
        { type: "delete", seq: 3 },
        { type: "edit", seq: 1, text: `@${bob.email} hello again` },
      );
      const found = await opened.push.pushMessages(room.key, [4, 3, 2, 1]);
      expect(found?.room).toEqual({ key: room.key, id: room.id, name: room.name, isDirect: false });
      const { key, id, email, name: named } = alice;
      expect(found?.messages.slice(0, 2)).toEqual([
        {
          seq: 1,
          sender: { key, id, email, name: named },
          text: `@${bob.email} hello again`,
          mentioned: new Set([bob.key]),
        },
        {
          seq: 2,
          sender: { key, id, email, name: named },
          text: "@room hello",
          mentioned: new Set([EVERYONE]),
        },
      ]);
      expect(found?.messages.map(({ seq }) => seq)).toEqual([1, 2, 4]);
      expect(found?.messages[2]?.text.length).toBeWithin(200, 1000);
    });

    test("a room says whether it is a direct conversation; a deleted one is not found", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const shared = await h.room(alice, bob);
      expect((await opened.push.pushMessages(shared.key, []))?.room.isDirect).toBe(false);
      const wanted = { by: alice, who: subOf(bob), id: h.name("room"), createdAt: 1, roomsPerUser: 0 };
      const { room } = unwrap(await opened.store.openDirect(wanted));
      expect((await opened.push.pushMessages(room, []))?.room.isDirect).toBe(true);
      unwrap(await opened.store.deleteRoom(room, operator));
      expect(await opened.push.pushMessages(room, [])).toBeUndefined();
    });

    test("a push is wanted until the message is read or deleted, or the user is no longer a member", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      const { endpoint } = await subscribe(bob);
      await h.fill(room, alice, 3);
      const pushes = [1, 2, 3].map(async (seq) => (await pushesOf(room, bob, seq))[0]);
      const [first, second, third] = await Promise.all(pushes);
      const wanted = () => Promise.all([first, second, third].map(isWanted));
      expect(await wanted()).toEqual([endpoint, endpoint, endpoint]);
      await h.act(room, bob, { type: "read", seq: 1 });
      await h.act(room, alice, { type: "delete", seq: 2 });
      expect(await wanted()).toEqual([undefined, undefined, endpoint]);
      await h.remove(room, subOf(bob));
      expect(await wanted()).toEqual([undefined, undefined, undefined]);
      await h.grant(room, subOf(bob));
    });

    test("a push is not wanted in a deleted room", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      await subscribe(bob);
      await h.fill(room, alice, 1);
      const [push] = await pushesOf(room, bob, 1);
      await h.delete(room);
      expect(await isWanted(push)).toBeUndefined();
    });

    test("a push is never sent to a browser that has become another user's", async () => {
      const [alice, bob, carol] = [await h.user(), await h.user(), await h.user()];
      const room = await h.room(alice, bob, carol);
      const own = await subscribe(alice);
      await h.fill(room, carol, 1);
      const [push] = await pushesOf(room, alice, 1);
      expect(await isWanted(push)).toBe(own.endpoint);
      await subscribe(bob, NOW, own);
      expect(await isWanted(push)).toBeUndefined();
    });

    test("a subscription that its push service has ended is forgotten, but not another one in its place", async () => {
      const [alice, bob] = [await h.user(), await h.user()];
      const room = await h.room(alice, bob);
      await subscribe(alice);
      await h.fill(room, bob, 1);
      const [push] = await pushesOf(room, alice, 1);
      if (!push) throw new Error("no push");
      await opened.push.forget({ ...push, endpoint: "https://push.example.com/another" });
      expect(await endpointsOf(room, alice)).toEqual([push.endpoint]);
      await opened.push.forget(push);
      await opened.push.forget(push);
      expect(await endpointsOf(room, alice)).toEqual([]);
    });
  });
}
