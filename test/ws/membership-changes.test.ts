import { describe, expect, test } from "bun:test";

import { type ClassicClient, connect, dialects, refusedWith, type V2Client } from "../support/client.ts";
import { unlimited, useServer } from "../support/server.ts";

// Members and rooms that are removed while people are connected: over HTTP, or by the command line, which writes to the
// database alone.

const server = useServer({ env: unlimited });
const { token } = server;

const owner = "olga@example.com";
const alice = "alice@example.com";
const bob = "bob@example.com";

type Way = "over HTTP" | "on the command line";
const ways: Way[] = ["over HTTP", "on the command line"];

async function createRoom(members: string[]): Promise<string> {
  const id = await server.createRoom(members);
  await server.asOperator((chat, operator) => chat.rooms.setMember(operator, id, { email: owner }, "owner"));
  return id;
}

async function callApi(method: "DELETE" | "PUT", path: string): Promise<void> {
  const headers = { authorization: `Bearer ${await token(owner)}` };
  const response = await fetch(`${server.url}/api/rooms/${path}`, { method, headers });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

async function addMember(way: Way, room: string, email: string): Promise<void> {
  if (way === "over HTTP") await callApi("PUT", `${room}/members/${email}`);
  else await server.asOperator((chat, operator) => chat.rooms.setMember(operator, room, { email }, "member"));
}

async function removeMember(way: Way, room: string, email: string): Promise<void> {
  if (way === "over HTTP") await callApi("DELETE", `${room}/members/${email}`);
  else await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, room, { email }));
}

async function deleteRoom(way: Way, room: string): Promise<void> {
  if (way === "over HTTP") await callApi("DELETE", room);
  else await server.asOperator((chat, operator) => chat.rooms.delete(operator, room));
}

type Client = ClassicClient | V2Client;

/** How a connection ends, which must be within two seconds. */
function endOf({ closed }: Client) {
  return Promise.race([closed, Bun.sleep(2000).then(() => "still open")]);
}

/** Sends a message and reads it as the broadcast. */
async function say(client: Client, text: string): Promise<void> {
  client.post(text);
  expect(await client.nextText()).toBe(text);
}

const removed = { code: 4403, reason: "removed" };
const roomDeleted = { code: 4404, reason: "room_deleted" };

describe.each([...dialects])("%s", (dialect) => {
  const open = (room: string, email: string) => server.connect(dialect, room, email);
  const notFound = dialect === "classic" ? "404 room_not_found" : "4404 room_not_found";

  test.each(ways)("a member who is removed %s is closed with 4403 and cannot come back", async (way) => {
    const room = await createRoom([alice, bob]);
    const elsewhere = await createRoom([alice]);
    const closed = [await open(room, alice), await open(room, alice)];
    const others = [await open(room, bob), await open(elsewhere, alice)];
    await removeMember(way, room, alice);
    for (const client of closed) expect(await endOf(client)).toEqual(removed);
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

  test.each(ways)("what a member sends after they were removed %s is not stored", async (way) => {
    const room = await createRoom([alice, bob]);
    const [speaker, listener] = [await open(room, alice), await open(room, bob)];
    await removeMember(way, room, alice);
    // The connection may not be closed yet.
    if (speaker.socket.readyState === speaker.socket.OPEN) speaker.post("too late");
    expect(await endOf(speaker)).toEqual(removed);
    const errors = speaker.texts.filter((text) => text.includes('"code"'));
    for (const error of errors) expect(error).toContain('"code":"removed"');
    await say(listener, "in time");
    expect((await open(room, bob)).initialTexts).toEqual(["in time"]);
  });

  test.each(ways)("a member who is removed and added again %s finds everything", async (way) => {
    const room = await createRoom([alice]);
    const before = await open(room, alice);
    await say(before, "first");
    await removeMember(way, room, alice);
    expect(await endOf(before)).toEqual(removed);
    await addMember(way, room, alice);
    expect((await open(room, alice)).initialTexts).toEqual(["first"]);
  });

  test("a member who is added on the command line can connect at once", async () => {
    const room = await createRoom([bob]);
    expect(await refusedWith(open(room, alice))).toBe(notFound);
    await addMember("on the command line", room, alice);
    expect((await open(room, alice)).initialTexts).toEqual([]);
  });

  test("a change of role closes no connection", async () => {
    const room = await createRoom([alice, bob]);
    const [changed, gone] = [await open(room, alice), await open(room, bob)];
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, room, { email: alice }, "moderator"),
    );
    await removeMember("on the command line", room, bob);
    // The check that closes Bob's connection has seen Alice's role.
    expect(await endOf(gone)).toEqual(removed);
    await say(changed, "moderating");
  });

  test.each(ways)(
    "when a room is deleted %s its connections are closed with 4404, and no others",
    async (way) => {
      const [room, other] = [await createRoom([alice, bob]), await createRoom([alice, bob])];
      const closed = [await open(room, alice), await open(room, bob), await open(room, owner)];
      const kept = await open(other, alice);
      await deleteRoom(way, room);
      for (const client of closed) expect(await endOf(client)).toEqual(roomDeleted);
      expect(await refusedWith(open(room, alice))).toBe(notFound);
      await say(kept, "still here");
    },
  );

  test.each(ways)("a room that is deleted %s and created again with the same id is empty", async (way) => {
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
    expect(await endOf(before)).toEqual(roomDeleted);
    expect(before.texts.filter((text) => text.includes("in the new room"))).toEqual([]);
    expect(await refusedWith(open(room, bob))).toBe(notFound);
    expect((await open(room, alice)).initialTexts).toEqual(["in the new room"]);
  });

  type Change = (way: Way, room: string, email: string) => Promise<void>;
  test.each<[name: string, end: { code: number; reason: string }, change: Change]>([
    ["a member who is removed", removed, removeMember],
    ["a member whose room is deleted", roomDeleted, deleteRoom],
  ])(
    "%s while they connect does not stay connected",
    async (_, end, change) => {
      const bearer = await token(alice);
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
          if (client) expect(await endOf(client)).toEqual(end);
      };
      await Promise.all(ways.flatMap((way) => [1, 5, 9, 13].map((pause) => attempt(way, pause))));
    },
    20_000,
  );
});
