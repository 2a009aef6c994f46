import { expect, test } from "bun:test";

import type { Role } from "../../src/chat/model.ts";
import { type CommandInput, connectV2, type V2Client } from "../support/client.ts";
import { newRoomId, useServer } from "../support/server.ts";

// Who may do what to whose message.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });

const author = "author@example.com";
const actor = "actor@example.com";

const setRole = (room: string, email: string, role: Role) =>
  server.asOperator((chat, operator) => chat.rooms.setMember(operator, room, { email }, role));

const open = async (room: string, email: string, claims = {}) =>
  connectV2(server.host, room, { token: await server.issuer.sign(email, { claims }) });

type Who = Role | "admin" | "admin who is no member";
const admin = { scope: "openid chat:admin" };

/** A room with a message of the author's and one of the actor's, and a connection of each. */
async function roomWith(who: Who): Promise<{ own: number; other: number; me: V2Client; listener: V2Client }> {
  const room = newRoomId();
  await server.createRoom([author], { id: room });
  if (who !== "admin who is no member") await setRole(room, actor, who === "admin" ? "member" : who);
  const listener = await open(room, author);
  const me = await open(room, actor, who.startsWith("admin") ? admin : {});
  const { seq: other } = await listener.say("the author's");
  const { seq: own } = await me.say("mine");
  return { own, other, me, listener };
}

const everyone: Who[] = ["member", "moderator", "owner", "admin", "admin who is no member"];
const may: Record<string, Record<"own" | "other", readonly Who[]>> = {
  edit: { own: everyone, other: everyone.slice(3) },
  delete: { own: everyone, other: everyone.slice(1) },
  react: { own: everyone, other: everyone },
  send: { own: everyone, other: everyone },
  read: { own: everyone, other: everyone },
};

const command = (type: string, seq: number): CommandInput => {
  if (type === "edit") return { type, seq, text: "edited" };
  if (type === "react") return { type, seq, emoji: "👍", on: true };
  if (type === "send") return { type, text: "an answer", reply_to: seq };
  return type === "read" ? { type, seq } : { type: "delete", seq };
};

const rows = Object.entries(may).flatMap(([type, targets]) =>
  (["own", "other"] as const).flatMap((whose) =>
    everyone.map((who) => [who, type, whose, targets[whose].includes(who)] as const),
  ),
);

test.each(rows)("%s, %s, %s message: %p", async (who, type, whose, allowed) => {
  const { me, listener, ...seqs } = await roomWith(who);
  const answer = await me.command(command(type, seqs[whose]));
  if (allowed) expect(answer).toMatchObject({ type: "ack" });
  else expect(answer).toMatchObject({ type: "error", code: "forbidden" });
  // What was done was told to everyone; what was refused to nobody, and the next change is the next `rev`.
  const changed = allowed && type !== "read" ? 1 : 0;
  expect((await me.say("next")).rev).toBe(3 + changed);
  await listener.reach(3 + changed);
  expect(listener.known()).toEqual(me.known());
  await Promise.all([me.close(), listener.close()]);
});

test("an edit of another's message does not make it the editor's", async () => {
  const { me, listener, other } = await roomWith("admin");
  await me.ack({ type: "edit", seq: other, text: "put right" });
  await listener.reach(3);
  expect(listener.messages.get(other)).toMatchObject({ text: "put right", sender: { email: author } });
  await listener.ack({ type: "edit", seq: other, text: "as I want it" });
});

test("a new role counts at once, without another connection", async () => {
  const room = newRoomId();
  await server.createRoom([author, actor], { id: room });
  const [listener, me] = [await open(room, author), await open(room, actor)];
  await listener.say("one");
  await listener.say("two");
  expect((await me.error({ type: "delete", seq: 1 })).code).toBe("forbidden");
  await setRole(room, actor, "moderator");
  await me.ack({ type: "delete", seq: 1 });
  await setRole(room, actor, "member");
  expect((await me.error({ type: "delete", seq: 2 })).code).toBe("forbidden");
});

test("whose message it is goes by the sub: another user with the same email may not touch it", async () => {
  const room = newRoomId();
  await server.createRoom([author], { id: room });
  const first = await open(room, author);
  const { seq } = await first.say("mine");
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { sub: "another" }, "member"),
  );
  const other = await open(room, author, { sub: "another" });
  expect((await other.error({ type: "edit", seq, text: "no, mine" })).code).toBe("forbidden");
  expect((await other.error({ type: "delete", seq })).code).toBe("forbidden");
});

test("a reaction is only ever taken back from one's own", async () => {
  const { me, listener, other } = await roomWith("owner");
  await listener.ack({ type: "react", seq: other, emoji: "👍", on: true });
  // So it is already, for him.
  expect(await me.ack({ type: "react", seq: other, emoji: "👍", on: false })).toMatchObject({
    seq: other,
    rev: 3,
  });
  await me.ack({ type: "react", seq: other, emoji: "👍", on: true });
  await me.reach(4);
  expect(me.messages.get(other)?.reactions).toEqual([
    { emoji: "👍", by: [`user|${author}`, `user|${actor}`] },
  ]);
  await listener.ack({ type: "react", seq: other, emoji: "👍", on: false });
  await me.ack({ type: "react", seq: other, emoji: "👍", on: false });
  await me.reach(6);
  expect(me.messages.get(other)?.reactions).toEqual([]);
});
