import { describe, expect, test } from "bun:test";

import { type ClassicClient, connect, dialects, refusedWith, type V2Client } from "../support/client.ts";
import { closeOf, owner, roomChanges, type Way, ways } from "../support/room-changes.ts";
import { unlimited, useServer } from "../support/server.ts";

// Members and rooms that are removed while people are connected: over HTTP, or by the command line, which writes to the
// database alone.

const server = useServer({ env: unlimited });
const { createRoom, addMember, removeMember, deleteRoom } = roomChanges(server);

const alice = "alice@example.com";
const bob = "bob@example.com";
const REMOVED = "4403 removed";
const DELETED = "4404 room_deleted";

type Client = ClassicClient | V2Client;

/** Sends a message and reads it as the broadcast. */
async function say(client: Client, text: string): Promise<void> {
  client.post(text);
  expect(await client.nextText()).toBe(text);
}

describe.each([...dialects])("%s", (dialect) => {
  const open = (room: string, email: string) => server.connect(dialect, room, email);
  const notFound = dialect === "classic" ? "404 room_not_found" : "4404 room_not_found";

  test.each([...ways])("a member who is removed %s is closed with 4403 and cannot come back", async (way) => {
    const room = await createRoom([alice, bob]);
    const elsewhere = await createRoom([alice]);
    const closed = [await open(room, alice), await open(room, alice)];
    const others = [await open(room, bob), await open(elsewhere, alice)];
    await removeMember(way, room, alice);
    for (const client of closed) expect(await closeOf(client)).toBe(REMOVED);
    expect(await refusedWith(open(room, alice))).toBe(notFound);
    // Other members stay, and the removed one stays where they still are a member.
    for (const client of others) await say(client, "still here");
  });

  test("a member who was removed over HTTP hears nothing that is said after the answer", async () => {
    const room = await createRoom([alice, bob]);
    const [listener, speaker] = [await open(room, alice), await open(room, bob)];
    await say(speaker, "before");
    expect(await listener.nextText()).toBe("before");
    await removeMember("over HTTP", room, alice);
    await say(speaker, "after");
    await listener.closed;
    expect(listener.texts.filter((text) => text.includes('"after"'))).toEqual([]);
  });

  test.each([...ways])("what a member sends after they were removed %s is not stored", async (way) => {
    const room = await createRoom([alice, bob]);
    const [speaker, listener] = [await open(room, alice), await open(room, bob)];
    await removeMember(way, room, alice);
    // The connection may not be closed yet.
    if (speaker.socket.readyState === speaker.socket.OPEN) speaker.post("too late");
    expect(await closeOf(speaker)).toBe(REMOVED);
    const errors = speaker.texts.filter((text) => text.includes('"code"'));
    for (const error of errors) expect(error).toContain('"code":"removed"');
    await say(listener, "in time");
    expect((await open(room, bob)).initialTexts).toEqual(["in time"]);
  });

  test.each([...ways])("a member who is removed and added again %s finds everything", async (way) => {
    const room = await createRoom([alice]);
    const before = await open(room, alice);
    await say(before, "first");
    await removeMember(way, room, alice);
    expect(await closeOf(before)).toBe(REMOVED);
    await addMember(way, room, alice);
    expect((await open(room, alice)).initialTexts).toEqual(["first"]);
  });

  test("a member who is added on the command line can connect at once", async () => {
    const room = await createRoom([bob]);
    expect(await refusedWith(open(room, alice))).toBe(notFound);
    await addMember("by the command line", room, alice);
    expect((await open(room, alice)).initialTexts).toEqual([]);
  });

  test("a change of role closes no connection", async () => {
    const room = await createRoom([alice, bob]);
    const [changed, gone] = [await open(room, alice), await open(room, bob)];
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, room, { email: alice }, "moderator"),
    );
    await removeMember("by the command line", room, bob);
    // The check that closes Bob's connection has seen Alice's role.
    expect(await closeOf(gone)).toBe(REMOVED);
    await say(changed, "moderating");
  });

  test.each([...ways])(
    "when a room is deleted %s its connections are closed with 4404, and no others",
    async (way) => {
      const [room, other] = [await createRoom([alice, bob]), await createRoom([alice, bob])];
      const closed = [await open(room, alice), await open(room, bob), await open(room, owner)];
      const kept = await open(other, alice);
      await deleteRoom(way, room);
      for (const client of closed) expect(await closeOf(client)).toBe(DELETED);
      expect(await refusedWith(open(room, alice))).toBe(notFound);
      await say(kept, "still here");
    },
  );

  test.each([...ways])(
    "a room that is deleted %s and created again with the same id is empty",
    async (way) => {
      const room = await createRoom([alice, bob]);
      const before = await open(room, alice);
      await say(before, "in the old room");
      await deleteRoom(way, room);
      await server.createRoom([alice], { id: room });
      const after = await open(room, alice);
      expect(after.initialTexts).toEqual([]);
      await say(after, "in the new room");
      // A connection to the old room has no part in the new one.
      if (before.socket.readyState === before.socket.OPEN) before.post("lost");
      expect(await closeOf(before)).toBe(DELETED);
      expect(before.texts.filter((text) => text.includes("in the new room"))).toEqual([]);
      expect(await refusedWith(open(room, bob))).toBe(notFound);
      expect((await open(room, alice)).initialTexts).toEqual(["in the new room"]);
    },
  );

  type Change = (way: Way, room: string, email: string) => Promise<void>;
  test.each<[name: string, end: string, change: Change]>([
    ["a member who is removed", REMOVED, removeMember],
    ["a member whose room is deleted", DELETED, deleteRoom],
  ])(
    "%s while they connect does not stay connected",
    async (_, end, change) => {
      const bearer = await server.token(alice);
      const attempt = async (way: Way, pause: number): Promise<void> => {
        const room = await createRoom([alice, bob]);
        const tryToConnect = () =>
          connect(dialect, server.host, room, { token: bearer }).catch(() => undefined);
        const before = await tryToConnect();
        const changing = change(way, room, alice);
        const meanwhile: Promise<Client | undefined>[] = [];
        while (meanwhile.length < 8) {
          meanwhile.push(tryToConnect());
          for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve));
        }
        await changing;
        expect(await tryToConnect()).toBeUndefined();
        expect(before).toBeDefined();
        for (const client of [before, ...(await Promise.all(meanwhile))])
          if (client) expect(await closeOf(client)).toBe(end);
      };
      await Promise.all(ways.flatMap((way) => [1, 5, 9, 13].map((pause) => attempt(way, pause))));
    },
    20_000,
  );
});
