import { expect, test } from "bun:test";

import type { FakeConnection } from "../support/chat-harness.ts";
import type { V2Client } from "../support/client.ts";
import { actor, range } from "../support/samples.ts";
import { startSockets } from "../support/socket-harness.ts";

// Whom a moved read mark is announced to, on a room's URL.

const [alice, bob] = [actor(1), actor(2)];

/** A room with a history, and these many members online: Alice with two connections, Bob, and others. */
async function openRoom(online: number) {
  const at = startSockets({ messages: 9 });
  const users = range(1, online).map((key) => actor(key));
  for (const { key } of users) at.store.roles.set(key, "member");
  const crowd: FakeConnection[] = users.slice(2).map((user) => at.connect({ user }));
  const clients = {
    first: await at.openV2({ user: alice }),
    second: await at.openV2({ user: alice }),
    bobs: await at.openV2({ user: bob }),
  };
  await at.store.answerAll();
  for (const client of Object.values(clients)) await client.next("hello");
  return { at, crowd, ...clients };
}

/** The marks that a client has been told of. Its own message is sent first, so that none is still under way. */
async function marksOf(client: V2Client): Promise<number[]> {
  await client.say("fence");
  return client.unread("read").flatMap((frame) => (frame.type === "read" ? frame.seq : []));
}

test("with up to 100 users online everyone is told, once for each connection", async () => {
  const { at, first, second, bobs } = await openRoom(100);
  await using _ = at;
  await first.ack({ type: "read", seq: 4 });
  for (const client of [bobs, second, first]) expect(await marksOf(client)).toEqual([4]);
});

test("with more users online only the user's own connections are told, once each", async () => {
  const { at, crowd, first, second, bobs } = await openRoom(101);
  await using _ = at;
  await first.ack({ type: "read", seq: 4 });
  expect(await first.next("read")).toEqual({
    type: "read",
    room: "lobby",
    user: { id: "sub|1", email: "user-1@example.com", name: null },
    seq: 4,
    unread: 5,
    mentions: 0,
    room_seq: 9,
    room_rev: 9,
  });
  expect(await marksOf(bobs)).toEqual([]);
  expect(await marksOf(second)).toEqual([4]);
  expect(await marksOf(first)).toEqual([]);
  crowd[0]?.close();
  const { seq } = await bobs.say("for Alice to read");
  await first.ack({ type: "read", seq });
  expect(await marksOf(bobs)).toEqual([seq]);
});

test("a connection that is still joining is not told: its first frame is yet to come", async () => {
  const { at, bobs } = await openRoom(101);
  await using _ = at;
  const late = await at.openV2({ user: bob });
  await bobs.ack({ type: "read", seq: 4 });
  expect(late.texts).toEqual([]);
  await at.store.answerAll();
  await late.next("hello");
  expect(await marksOf(late)).toEqual([]);
});

test("classic is told nothing", async () => {
  const { at, first } = await openRoom(101);
  await using _ = at;
  const classic = await at.openClassic({ user: alice });
  await at.store.answerAll();
  await first.ack({ type: "read", seq: 4 });
  await first.say("fence");
  await classic.nextText();
  // The history comes first.
  expect(classic.texts.slice(1)).toEqual(['{"message":"fence"}']);
});
