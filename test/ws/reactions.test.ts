import { describe, expect, test } from "bun:test";

import type { AckFrame, ErrorFrame } from "../../src/protocol/frames.ts";
import { connectRaw, encodeFrame } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";

// Reactions: which there may be, in which order they are shown, and how many.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";
const emails = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n}@example.com`);
const emoji = (n: number) => String.fromCodePoint(0x1f600 + n);
const react = (each: string, on = true) => ({ type: "react", seq: 1, emoji: each, on }) as const;

test.each([
  ["a joined emoji", "👩‍👩‍👧‍👦"],
  ["a flag", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"],
  ["an emoji with a skin tone", "👍🏽"],
  ["a word", ":shipit:"],
  ["a letter", "x"],
  ["32 UTF-16 units", "👍".repeat(16)],
  ["quotes and a backslash", `"'\\`],
  ["a word that every object has", "__proto__"],
])("%s is a reaction and is shown as it was sent", async (_, each) => {
  const room = await server.createRoom([alice]);
  const client = await server.connectV2(room, alice);
  await client.say("react to this");
  await client.ack(react(each));
  expect(client.messages.get(1)?.reactions).toEqual([{ emoji: each, by: [`user|${alice}`] }]);
  expect((await server.connectV2(room, alice)).known()).toEqual(client.known());
  await client.ack(react(each, false));
  expect(client.messages.get(1)?.reactions).toEqual([]);
});

test("an emoji is the same with and without a presentation selector, shown as it came first", async () => {
  const room = await server.createRoom([alice, bob]);
  const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  await client.say("react to this");
  await client.ack(react("❤️"));
  expect(await client.ack(react("❤"))).toMatchObject({ rev: 2 });
  await other.ack(react("❤"));
  await client.reach(3);
  expect(client.messages.get(1)?.reactions).toEqual([{ emoji: "❤️", by: [`user|${alice}`, `user|${bob}`] }]);
  await client.ack(react("❤", false));
  expect(client.messages.get(1)?.reactions).toEqual([{ emoji: "❤️", by: [`user|${bob}`] }]);
});

test("reactions and their users are in the order in which they came, for new connections, too", async () => {
  const [ann = "", ben = "", cat = ""] = emails("user", 3);
  const room = await server.createRoom([ann, ben, cat]);
  const clients = new Map(
    await Promise.all(
      [ann, ben, cat].map(async (email) => [email, await server.connectV2(room, email)] as const),
    ),
  );
  await clients.get(ann)?.say("react to this");
  const steps: [email: string, emoji: string, on?: boolean][] = [
    [cat, "🎉"],
    [ann, "👍"],
    [ben, "🎉"],
    [ann, "🎉"],
    // A reaction that is taken back and given again comes last.
    [cat, "🎉", false],
    [cat, "🎉"],
  ];
  for (const [email, each, on] of steps) await clients.get(email)?.ack(react(each, on));
  const late = await server.connectV2(room, ann);
  expect(late.messages.get(1)?.reactions).toEqual([
    { emoji: "🎉", by: [ben, ann, cat].map((email) => `user|${email}`) },
    { emoji: "👍", by: [`user|${ann}`] },
  ]);
  await clients.get(ann)?.reach(7);
  expect(clients.get(ann)?.known()).toEqual(late.known());
});

describe("a message", () => {
  test("has up to twenty different emoji; more users may join those", async () => {
    const room = await server.createRoom([alice, bob]);
    const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
    await client.say("react to this");
    for (let n = 0; n < 20; n++) await client.ack(react(emoji(n)));
    for (const each of [client, other]) expect((await each.error(react(emoji(20)))).code).toBe("forbidden");
    await other.ack(react(emoji(0)));
    await client.ack(react(emoji(19), false));
    await other.ack(react(emoji(20)));
    await client.reach(24);
    expect(client.messages.get(1)?.reactions.map((each) => each.emoji)).toEqual(
      [...Array.from({ length: 19 }, (_, n) => n), 20].map(emoji),
    );
  });

  test("has up to a thousand reactions, and can still be used like any other", async () => {
    const [last, ...late] = emails("late", 3);
    const room = await server.createRoom([alice, last ?? "", ...late]);
    const client = await server.connectV2(room, alice);
    await client.say("react to this");
    await fillReactions(
      room,
      Array.from({ length: 49 }, (_, n) => `fan|${n}`),
    );
    const wanted = Array.from({ length: 22 }, (_, n) => emoji(n));
    for (const [email, accepted] of [
      [last ?? "", 20],
      [late[0] ?? "", 0],
      [late[1] ?? "", 0],
    ] as const) {
      const answers = await reactAtOnce(room, email, wanted);
      expect(answers.filter(({ type }) => type === "ack")).toHaveLength(accepted);
      for (const answer of answers) if (answer.type === "error") expect(answer.code).toBe("forbidden");
    }
    await client.reach(1001);
    const { reactions = [] } = client.messages.get(1) ?? {};
    expect(reactions.map(({ by }) => by.length)).toEqual(Array.from({ length: 20 }, () => 50));
    expect(Math.max(...client.texts.map((text) => text.length))).toBeLessThan(65_536);

    expect((await client.say("next")).rev).toBe(1002);
    expect((await client.error(react(emoji(0)))).code).toBe("forbidden");
    const other = await server.connectV2(room, last ?? "");
    expect(other.hello.messages).toEqual(client.known());
    await other.ack(react(emoji(0), false));
    await client.ack(react(emoji(0)));
    await client.ack({ type: "edit", seq: 1, text: "thank you" });
    await other.reach(1005);
    expect(other.messages.get(1)?.reactions[0]?.by).toContain(`user|${alice}`);
    await client.ack({ type: "delete", seq: 1 });
    expect(client.messages.get(1)?.reactions).toEqual([]);
  });

  test("with as many reactions as fit, of users with the longest ids, is shorter than a frame may be", async () => {
    const room = await server.createRoom([alice]);
    await (await server.connectV2(room, alice)).say("react to this");
    await fillReactions(
      room,
      Array.from({ length: 50 }, (_, n) => `${n}|`.padEnd(255, "x")),
    );
    const [message] = (await server.connectV2(room, alice)).known();
    expect(message?.reactions.flatMap(({ by }) => by).length).toBeWithin(150, 1000);
    expect(JSON.stringify(message).length).toBeLessThan(65_536);
  });
});

/** Twenty reactions of each of these users to message 1, straight into the database. Those that do not fit are refused. */
async function fillReactions(room: string, subs: string[]): Promise<void> {
  await server.asOperator(async (chat, operator) => {
    const { key } = (await chat.rooms.enter(operator, room)).room;
    for (const sub of subs) {
      await chat.rooms.setMember(operator, room, { sub }, "member");
      const user = await chat.signIn({ sub, admin: false });
      await Promise.allSettled(
        Array.from({ length: 20 }, (_, each) => chat.execute(user, key, react(emoji(each)))),
      );
    }
  });
}

/** Sends all reactions of one user in one segment. Returns the answers in the order of the reactions. */
async function reactAtOnce(
  room: string,
  email: string,
  wanted: string[],
): Promise<(AckFrame | ErrorFrame)[]> {
  const raw = await connectRaw("chat.v2", server.host, room, await server.token(email));
  raw.write(...wanted.map((each, n) => encodeFrame(JSON.stringify({ ...react(each), id: `${n}` }))));
  const answers: (AckFrame | ErrorFrame)[] = [];
  while (answers.length < wanted.length) answers.push(await raw.nextOf("ack", "error"));
  raw.destroy();
  return answers.toSorted((a, b) => Number(a.id) - Number(b.id));
}
