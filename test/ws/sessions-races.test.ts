import { describe, expect, test } from "bun:test";

import type { Mute } from "../../src/chat/decide-posting.ts";
import { actor, settle } from "../support/samples.ts";
import { startSockets } from "../support/socket-harness.ts";
import { waitUntil } from "../support/wait.ts";

// What happens to a room at each moment of its being opened: between any two reads of the store.

const ROOM = "lobby";
/** More reads than any open here takes. */
const MAX_READS = 12;

type Sockets = Awaited<ReturnType<typeof startSession>>;

/** A session in a room with ten messages, and what is done to the room. */
async function startSession({ admin = false } = {}) {
  const at = startSockets({ messages: 10 });
  at.store.roles.set(2, "member");
  const session = await at.openSession(actor(2, admin));
  await at.store.answerAll();
  await session.until(() => session.model.isListed);
  const { store, room, bus, publish } = at;
  return {
    ...at,
    session,
    send: () => publish(store.add()),
    edit: () => publish(store.edit(3)),
    remove() {
      store.roles.delete(2);
      bus.publish({ kind: "member_removed", room, user: 2, reason: "removed" });
    },
    mute(mute: Mute | undefined) {
      store.mute = mute;
      bus.publish({ kind: "mute", room, user: 2, mute });
    },
    deleteRoom() {
      store.exists = false;
      bus.publish({ kind: "room_deleted", room });
    },
  };
}

/** Answers reads, and does something before the one with this index. Resolves with how many there were. */
async function answerReads({ store, session }: Sockets, index: number, happen: () => void): Promise<number> {
  let reads = 0;
  const isAnswered = () => session.unread("opened", "error").length > 0;
  while (reads < MAX_READS) {
    await waitUntil(
      "the store is asked, or the client answered",
      () => store.waiting.length > 0 || isAnswered(),
    );
    if (store.waiting.length === 0) break;
    if (reads === index) happen();
    store.answer();
    reads++;
    await settle();
  }
  return reads;
}

const nameOf = ({ seq, rev }: { seq: number; rev: number }) => `${seq}@${rev}`;
const byText = (a: string, b: string) => a.localeCompare(b);

describe.each([
  ["without a since", undefined],
  ["with a since", 2],
  ["with a since beyond the end", 99],
])("a room that is opened %s", (_, since) => {
  /** What the client is taken to know. */
  const knownRev = since === 2 ? since : 0;
  const open = { type: "open", room: ROOM, ...(since !== undefined && { since }) } as const;

  test.each(["call", "answer"] as const)(
    "is level, whenever messages come meanwhile (reads as of their %s)",
    async (readsAsOf) => {
      let reads = 1;
      for (let index = 0; index <= reads; index++) {
        await using at = await startSession();
        const { session, store } = at;
        store.readsAsOf = readsAsOf;
        const id = session.issue(open);
        reads = await answerReads(at, index, () => {
          at.send();
          at.edit();
          at.send();
        });
        await store.answerAll();
        expect((await session.answer(id)).type).toBe("opened");
        at.send();
        await store.answerAll();
        await session.reach(ROOM, store.rev);
        const known = [...session.opened(ROOM).messages.values()];
        expect(known.map(nameOf).toSorted(byText)).toEqual(
          store.stored
            .filter(({ rev }) => rev > knownRev)
            .map(nameOf)
            .toSorted(byText),
        );
        await waitUntil("the list is level", () => session.room(ROOM).rev === store.rev);
        expect(session.room(ROOM)).toMatchObject({ seq: store.position.seq, unread: store.position.seq });
      }
    },
  );

  test("tells its user of their mute, whenever it begins or ends", async () => {
    const mute = { until: null };
    for (const [before, after] of [
      [undefined, mute],
      [mute, undefined],
    ]) {
      let reads = 1;
      for (let index = 0; index <= reads; index++) {
        await using at = await startSession();
        const { session, store } = at;
        store.mute = before;
        session.issue(open);
        reads = await answerReads(at, index, () => at.mute(after));
        if (index === reads) at.mute(after);
        await store.answerAll();
        await session.ping();
        expect(session.opened(ROOM).mute).toEqual(after);
      }
    }
  });

  test.each([
    ["removed", (at: Sockets) => at.remove()],
    ["room_deleted", (at: Sockets) => at.deleteRoom()],
  ] as const)("is left and not opened, if its user is %s at any moment", async (reason, happen) => {
    for (let index = 0, reads = 1; index < reads; index++) {
      await using at = await startSession();
      const { session, store, chat, room } = at;
      const id = session.issue(open);
      const answered = await answerReads(at, index, () => happen(at));
      // It took fewer reads than the time before, so nothing has happened.
      if (answered <= index) break;
      reads = Math.max(reads, answered + 1);
      await store.answerAll();
      const answer = await session.answer(id);
      if (answer.type === "error") expect([reason, "room_not_found"]).toContain(answer.code);
      expect(await session.next("left")).toMatchObject({ room: ROOM, reason });
      expect(session.unread("left")).toEqual([]);
      // Nothing more comes, and nothing is kept.
      const { length } = session.texts;
      at.send();
      await store.answerAll();
      await session.ping();
      expect(session.texts.length).toBe(length + 1);
      expect(session.model.isOpen(ROOM)).toBeFalse();
      expect([chat.participants(room), chat.listOnline(room, 0)]).toEqual([[], []]);
    }
  });

  test("is not opened if the store fails at any moment, and can be opened again", async () => {
    for (let index = 0; index < 6; index++) {
      await using at = await startSession();
      const { session, store, chat, room } = at;
      const id = session.issue(open);
      let hasFailed = false;
      for (let reads = 0; reads < MAX_READS && session.unread("opened", "error").length === 0; reads++) {
        await waitUntil(
          "the store is asked",
          () => store.waiting.length > 0 || session.unread("opened", "error").length > 0,
        );
        hasFailed ||= reads === index && store.waiting.length > 0;
        if (reads === index) store.fail();
        else store.answer();
        await settle();
      }
      const answer = await session.answer(id);
      if (hasFailed) expect(answer).toMatchObject({ type: "error", code: "storage_unavailable", room: ROOM });
      if (answer.type === "error") expect(chat.participants(room)).toEqual([]);
      const again = session.open(ROOM);
      await store.answerAll();
      await waitUntil("the room has been read", async () => {
        await store.answerAll();
        return session.model.isOpen(ROOM);
      });
      await again;
      at.send();
      await session.reach(ROOM, store.rev);
    }
  });

  test("is left behind if its session ends at any moment", async () => {
    for (let index = 0; index < 6; index++) {
      await using at = await startSession();
      const { session, store, chat, room } = at;
      session.issue(open);
      for (let reads = 0; reads < index; reads++) {
        await settle();
        store.answer();
      }
      session.socket.terminate();
      await waitUntil("the connection is gone", () => at.connections.size === 0);
      await store.answerAll();
      expect([chat.participants(room), chat.sessions.hasUser(2)]).toEqual([[], false]);
    }
  });
});

/** Begins a resume of 2,000 changes, and resolves with the answer to `open` when a part of them has been sent. */
async function beginResume({ session, store }: Awaited<ReturnType<typeof startSession>>) {
  for (let n = 0; n < 2000; n++) store.add();
  const opening = session.open(ROOM, 1);
  while (session.unread("changes").length === 0) {
    await waitUntil(
      "the store is asked",
      () => store.waiting.length > 0 || session.unread("changes").length > 0,
    );
    store.answer();
    await settle();
  }
  return await opening;
}

test("a member who is removed while a resume runs is told nothing more of the room, and their session lives", async () => {
  await using at = await startSession();
  const { session, store } = at;
  expect(await beginResume(at)).toMatchObject({ resumed: true });
  at.remove();
  await session.next("left");
  const { length } = session.texts;
  await store.answerAll();
  at.send();
  await session.ping();
  expect(session.texts.length).toBe(length + 1);
});

test("a user who is muted while a resume runs is told at once", async () => {
  await using at = await startSession();
  await beginResume(at);
  at.mute({ until: null });
  expect(await at.session.next("mute")).toMatchObject({ room: ROOM, mute: { until: null } });
  await at.store.answerAll();
});

test("an administrator is not told of a mute: it does not bind them", async () => {
  await using at = await startSession({ admin: true });
  const { session, store } = at;
  const id = session.issue({ type: "open", room: ROOM });
  await answerReads(at, 0, () => at.mute({ until: null }));
  await store.answerAll();
  await session.answer(id);
  at.mute({ until: null });
  await session.ping();
  expect(session.opened(ROOM).mute).toBeUndefined();
});

test("a failing store during a resume ends the session, which goes on where it was", async () => {
  await using at = await startSession();
  const { session, store } = at;
  await beginResume(at);
  await waitUntil("the store is asked", () => store.waiting.length > 0);
  store.fail();
  expect(await session.closed).toEqual({ code: 1013, reason: "storage_unavailable" });
  expect(session.opened(ROOM).cursor).toBeLessThan(store.rev);
});

describe("when another process has written", () => {
  test.each([false, true])(
    "a user who is found to be no member is told so before their list is read again (added again: %p)",
    async (isAddedAgain) => {
      await using at = await startSession();
      const { session, store, bus } = at;
      const opening = session.open(ROOM);
      await waitUntil("the room has been read", async () => {
        await store.answerAll();
        return session.model.isOpen(ROOM);
      });
      await opening;
      store.roles.delete(2);
      bus.publish({ kind: "invalidate" });
      await settle();
      if (isAddedAgain) store.roles.set(2, "member");
      store.answer(store.waiting.indexOf("memberKeys"));
      expect(await session.next("left")).toMatchObject({ room: ROOM, reason: "removed" });
      store.readsAsOf = "answer";
      await store.answerAll();
      if (isAddedAgain) expect(await session.next("joined")).toMatchObject({ room: { id: ROOM } });
      await session.ping();
      expect(session.unread("left")).toEqual([]);
      expect(session.model.rooms.has(ROOM)).toBe(isAddedAgain);
    },
  );

  test("an open of a user whose list is read without the room is answered", async () => {
    await using at = await startSession();
    const { session, store, bus } = at;
    const id = session.issue({ type: "open", room: ROOM });
    await waitUntil("the open reads", () => store.waiting.length > 0);
    store.answer();
    await settle();
    store.roles.delete(2);
    bus.publish({ kind: "invalidate" });
    await settle();
    // The list and what follows from it come first.
    for (const name of ["roomsOf", "lastMessages", "role", "head"])
      for (
        let index = store.waiting.lastIndexOf(name);
        index >= 0 && session.unread("left").length === 0;
        index = -1
      ) {
        store.answer(index);
        await settle();
      }
    await store.answerAll();
    expect(await session.answer(id)).toMatchObject({ type: "error", room: ROOM });
    await session.next("left");
  });
});
