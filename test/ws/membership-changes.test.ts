import { expect, test } from "bun:test";

import { type ClassicClient, connectClassic, refusal } from "../support/client.ts";
import { useServer } from "../support/server.ts";

// What changes while people are connected: over HTTP, or by the command line, which acts on the database alone.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { token } = server;

const owner = "olga@example.com";
const alice = "alice@example.com";
const bob = "bob@example.com";

type Path = "over HTTP" | "on the command line";
const paths: [Path][] = [["over HTTP"], ["on the command line"]];

async function createRoom(members: string[]): Promise<string> {
  const id = await server.createRoom(members);
  await server.asOperator((chat, operator) => chat.rooms.setMember(operator, id, { email: owner }, "owner"));
  return id;
}

async function api(method: "DELETE" | "PUT", path: string): Promise<void> {
  const headers = { authorization: `Bearer ${await token(owner)}` };
  const response = await fetch(`${server.url}/api/rooms/${path}`, { method, headers });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

async function removeMember(how: Path, room: string, email: string): Promise<void> {
  if (how === "over HTTP") await api("DELETE", `${room}/members/${email}`);
  else await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, room, { email }));
}

async function deleteRoom(how: Path, room: string): Promise<void> {
  if (how === "over HTTP") await api("DELETE", room);
  else await server.asOperator((chat, operator) => chat.rooms.delete(operator, room));
}

/** How it ended, which must be within the two seconds that are promised. */
async function endOf(client: ClassicClient) {
  const late = Bun.sleep(2000).then(() => "still connected");
  return Promise.race([client.closed, late]);
}

const open = async (room: string, email: string) =>
  connectClassic(server.host, room, { token: await token(email) });

test.each(paths)("a member who is removed %s is closed with 4403, and can't come back", async (how) => {
  const room = await createRoom([alice, bob]);
  const elsewhere = await createRoom([alice]);
  const gone = [await server.connectClassic(room, alice), await server.connectClassic(room, alice)];
  const others = [
    await server.connectClassic(room, bob),
    await server.connectClassic(elsewhere, alice),
  ] as const;
  await removeMember(how, room, alice);
  for (const client of gone) expect(await endOf(client)).toEqual({ code: 4403, reason: "removed" });
  expect((await refusal(open(room, alice))).status).toBe(404);
  // Nobody else is touched, and he stays where he still is.
  for (const client of others) {
    client.send({ message: "still here" });
    expect(await client.next()).toEqual({ message: "still here" });
  }
  expect(gone.flatMap((client) => client.unread())).toEqual([]);
});

test("a member who was removed over HTTP hears nothing that is said after the answer", async () => {
  const room = await createRoom([alice, bob]);
  const [removed, speaker] = [
    await server.connectClassic(room, alice),
    await server.connectClassic(room, bob),
  ];
  speaker.send({ message: "before" });
  expect(await removed.next()).toEqual({ message: "before" });
  expect(await speaker.next()).toEqual({ message: "before" });
  await removeMember("over HTTP", room, alice);
  speaker.send({ message: "behind his back" });
  expect(await speaker.next()).toEqual({ message: "behind his back" });
  await removed.closed;
  expect(removed.unread()).toEqual([]);
});

test.each(paths)(
  "what a member says after he was removed %s is not stored, and nobody hears it",
  async (how) => {
    const room = await createRoom([alice, bob]);
    const [removed, listener] = [
      await server.connectClassic(room, alice),
      await server.connectClassic(room, bob),
    ];
    const removing = removeMember(how, room, alice);
    await removing;
    // He may not know yet.
    if (removed.socket.readyState === removed.socket.OPEN) removed.send({ message: "too late" });
    expect(await endOf(removed)).toEqual({ code: 4403, reason: "removed" });
    for (const frame of removed.unread()) expect(frame).toMatchObject({ error: { code: "removed" } });
    listener.send({ message: "in time" });
    expect(await listener.next()).toEqual({ message: "in time" });
    const late = await open(room, bob);
    expect(late.history).toEqual([{ text: "in time", sender_email: bob }]);
  },
);

test.each(paths)(
  "a member who is removed and let in again %s can come back and finds everything",
  async (how) => {
    const room = await createRoom([alice]);
    const before = await server.connectClassic(room, alice);
    before.send({ message: "first" });
    await before.next();
    await removeMember(how, room, alice);
    expect(await endOf(before)).toMatchObject({ code: 4403 });
    if (how === "over HTTP") await api("PUT", `${room}/members/${alice}`);
    else
      await server.asOperator((chat, operator) =>
        chat.rooms.setMember(operator, room, { email: alice }, "member"),
      );
    expect((await open(room, alice)).history).toEqual([{ text: "first", sender_email: alice }]);
  },
);

test("whoever is let in on the command line can connect at once", async () => {
  const room = await createRoom([bob]);
  expect((await refusal(open(room, alice))).status).toBe(404);
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { email: alice }, "member"),
  );
  expect((await open(room, alice)).history).toEqual([]);
});

test("a change of role closes nobody", async () => {
  const room = await createRoom([alice, bob]);
  const [changed, removed] = [
    await server.connectClassic(room, alice),
    await server.connectClassic(room, bob),
  ];
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { email: alice }, "moderator"),
  );
  await removeMember("on the command line", room, bob);
  // The same look at the room that closes bob has seen alice.
  expect(await endOf(removed)).toMatchObject({ code: 4403 });
  changed.send({ message: "moderating" });
  expect(await changed.next()).toEqual({ message: "moderating" });
});

test.each(paths)(
  "when a room is deleted %s everyone in it is closed with 4404, and nobody else",
  async (how) => {
    const [room, other] = [await createRoom([alice, bob]), await createRoom([alice, bob])];
    const gone = [
      await server.connectClassic(room, alice),
      await server.connectClassic(room, bob),
      await server.connectClassic(room, owner),
    ];
    const staying = await server.connectClassic(other, alice);
    await deleteRoom(how, room);
    for (const client of gone) expect(await endOf(client)).toEqual({ code: 4404, reason: "room_deleted" });
    expect((await refusal(open(room, alice))).status).toBe(404);
    staying.send({ message: "still here" });
    expect(await staying.next()).toEqual({ message: "still here" });
  },
);

test.each(paths)("a room that is deleted %s and made again is an empty one of the same id", async (how) => {
  const room = await createRoom([alice, bob]);
  const before = await server.connectClassic(room, alice);
  before.send({ message: "of the old room" });
  await before.next();
  await deleteRoom(how, room);
  await server.createRoom([alice], { id: room });
  const fresh = await open(room, alice);
  expect(fresh.history).toEqual([]);
  // The old connection hears nothing of the new room, and is none of it.
  fresh.send({ message: "of the new room" });
  expect(await fresh.next()).toEqual({ message: "of the new room" });
  if (before.socket.readyState === before.socket.OPEN) before.send({ message: "lost" });
  expect(await endOf(before)).toEqual({ code: 4404, reason: "room_deleted" });
  for (const frame of before.unread()) expect(frame).toMatchObject({ error: { code: "room_deleted" } });
  expect((await refusal(open(room, bob))).status).toBe(404);
  const [late] = (await open(room, alice)).history;
  expect(late).toEqual({ text: "of the new room", sender_email: alice });
});

type Change = (how: Path, room: string, email: string) => Promise<void>;
const changes: [string, number, Change][] = [
  ["is removed", 4403, removeMember],
  ["loses the room", 4404, (how, room) => deleteRoom(how, room)],
];

test.each(changes)(
  "whoever connects in the very moment in which he %s does not stay",
  async (_, code, change) => {
    const bearer = await token(alice);
    const attempt = async (round: number): Promise<void> => {
      const room = await createRoom([alice, bob]);
      const knock = () => connectClassic(server.host, room, { token: bearer }).catch(() => undefined);
      const before = await knock();
      const changing = change(round % 2 ? "over HTTP" : "on the command line", room, alice);
      const between: Promise<ClassicClient | undefined>[] = [];
      while (between.length < 8) {
        between.push(knock());
        for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      await changing;
      // Whoever came before is closed, whoever comes after is refused; either may happen to those in between.
      expect(await knock()).toBeUndefined();
      for (const client of [before, ...(await Promise.all(between))])
        if (client) expect(await endOf(client)).toMatchObject({ code });
      expect(before).toBeDefined();
    };
    await Promise.all(Array.from({ length: 16 }, (__, round) => attempt(round + 1)));
  },
  20_000,
);
