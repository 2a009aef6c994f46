import { expect, test } from "bun:test";

import type { AckFrame, ErrorFrame, ServerFrame } from "../../src/protocol/frames.ts";
import { connectV2 } from "../support/client.ts";
import { connectRawV2, encodeFrame } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// How much a message can be reacted to.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
/** The `sub` of somebody at example.com. */
const id = (name: string) => `user|${name}@example.com`;
const emoji = (n: number) => String.fromCodePoint(0x1f600 + n);

const open = async (room: string, email: string) =>
  connectV2(server.host, room, { token: await token(email) });

/** Sends reactions of one user in one segment, and gives back their answers, in their order. */
async function react(room: string, email: string, wanted: string[]): Promise<(AckFrame | ErrorFrame)[]> {
  const raw = await connectRawV2(server.host, room, await token(email));
  raw.write(
    ...wanted.map((each, n) =>
      encodeFrame(JSON.stringify({ type: "react", id: `${n}`, seq: 1, emoji: each, on: true })),
    ),
  );
  const answers: (AckFrame | ErrorFrame)[] = [];
  while (answers.length < wanted.length) {
    const heard = (await raw.next()) as ServerFrame;
    if (heard.type === "ack" || heard.type === "error") answers.push(heard);
  }
  raw.destroy();
  return answers.toSorted((a, b) => Number(a.id) - Number(b.id));
}

test("twenty different emoji fit on a message, and the next is forbidden; of those that are there one may go on", async () => {
  const room = await createRoom([alice, "bob@example.com"]);
  const [me, other] = [await open(room, alice), await open(room, "bob@example.com")];
  await me.say("react to this");
  for (let n = 0; n < 20; n++) await me.ack({ type: "react", seq: 1, emoji: emoji(n), on: true });
  for (const client of [me, other])
    expect((await client.error({ type: "react", seq: 1, emoji: emoji(20), on: true })).code).toBe(
      "forbidden",
    );
  await other.ack({ type: "react", seq: 1, emoji: emoji(0), on: true });
  // One goes, and there is a place.
  await me.ack({ type: "react", seq: 1, emoji: emoji(19), on: false });
  await other.ack({ type: "react", seq: 1, emoji: emoji(20), on: true });
  await me.reach(24);
  expect(me.messages.get(1)?.reactions.map((reaction) => reaction.emoji)).toEqual(
    [...Array.from({ length: 19 }, (_, n) => n), 20].map(emoji),
  );
});

test("of ten thousand reactions to one message a thousand are kept; the room goes on, and no frame grows without end", async () => {
  const people = Array.from({ length: 52 }, (_, n) => `person-${n}@example.com`);
  const room = await createRoom([alice, ...people]);
  const listener = await open(room, alice);
  await listener.say("react to this");
  const wanted = Array.from({ length: 192 }, (_, n) => emoji(n));
  const answers: (AckFrame | ErrorFrame)[][] = [];
  for (const email of people) answers.push(await react(room, email, wanted));
  expect(answers.flat().length).toBeGreaterThan(9900);
  // Twenty of each, as long as there is a place.
  const done = answers.map((each) => each.filter(({ type }) => type === "ack").length);
  expect(done).toEqual([...Array.from({ length: 50 }, () => 20), 0, 0]);
  const codes = answers.flat().flatMap((answer) => (answer.type === "error" ? [answer.code] : []));
  expect(new Set(codes)).toEqual(new Set(["forbidden"]));
  await listener.reach(1001);
  const { reactions = [] } = listener.messages.get(1) ?? {};
  expect(reactions.map(({ by }) => by.length)).toEqual(Array.from({ length: 20 }, () => 50));
  expect(Math.max(...listener.texts.map((text) => text.length))).toBeLessThan(65_536);

  // Full as it is, it can be lived with.
  expect((await listener.say("next")).rev).toBe(1002);
  expect((await listener.error({ type: "react", seq: 1, emoji: emoji(0), on: true })).code).toBe("forbidden");
  const late = await open(room, people[0] ?? "");
  expect(late.hello.messages).toEqual(listener.known());
  await late.ack({ type: "react", seq: 1, emoji: emoji(0), on: false });
  await listener.ack({ type: "react", seq: 1, emoji: emoji(0), on: true });
  await listener.ack({ type: "edit", seq: 1, text: "thank you" });
  await late.reach(1005);
  expect(late.messages.get(1)?.reactions[0]?.by).toContain(`user|${alice}`);
  await listener.ack({ type: "delete", seq: 1 });
  expect(listener.messages.get(1)?.reactions).toEqual([]);
}, 60_000);

test("reactions and their people stand in the order in which they came, also after a restart of the connection", async () => {
  const people = ["ann", "ben", "cat"].map((name) => `${name}@example.com`);
  const room = await createRoom([...people]);
  const [ann, ben, cat] = await Promise.all(people.map((email) => open(room, email)));
  if (!ann || !ben || !cat) throw new Error("three are three");
  await ann.say("react to this");
  await cat.ack({ type: "react", seq: 1, emoji: "🎉", on: true });
  await ann.ack({ type: "react", seq: 1, emoji: "👍", on: true });
  await ben.ack({ type: "react", seq: 1, emoji: "🎉", on: true });
  await ann.ack({ type: "react", seq: 1, emoji: "🎉", on: true });
  // Whoever takes his back and gives it again stands last.
  await cat.ack({ type: "react", seq: 1, emoji: "🎉", on: false });
  await cat.ack({ type: "react", seq: 1, emoji: "🎉", on: true });
  const again = await open(room, people[0] ?? "");
  expect(again.messages.get(1)?.reactions).toEqual([
    { emoji: "🎉", by: [id("ben"), id("ann"), id("cat")] },
    { emoji: "👍", by: [id("ann")] },
  ]);
  await ann.reach(7);
  expect(ann.known()).toEqual(again.known());
});

test("with as many reactions as fit, of people with the longest ids there are, a message is no longer than a frame may be", async () => {
  const room = await createRoom([alice]);
  const listener = await open(room, alice);
  await listener.say("react to this");
  // The people do it past the server: a thousand reactions in a moment. Those that don't fit are refused.
  await server.asOperator(async (chat, operator) => {
    const { key } = (await chat.rooms.enter(operator, room)).room;
    for (let n = 0; n < 50; n++) {
      const sub = `${n}|`.padEnd(255, "x");
      await chat.rooms.setMember(operator, room, { sub }, "member");
      const actor = await chat.signIn({ sub, admin: false });
      const all = Array.from({ length: 20 }, (_, each) =>
        chat.execute(actor, key, { type: "react", seq: 1, emoji: emoji(each), on: true }),
      );
      await Promise.allSettled(all);
    }
  });
  const late = await open(room, alice);
  const [message] = late.known();
  expect(message?.reactions.length).toBeGreaterThan(0);
  expect(JSON.stringify(message).length).toBeLessThan(65_536);
});
