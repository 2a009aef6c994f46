import { expect, test } from "bun:test";

import type { Role } from "../../src/chat/model.ts";
import { type CommandInput, connectV2, type V2Client } from "../support/client.ts";
import { unlimited, useServer } from "../support/server.ts";

// Who may do what to whose message.

const server = useServer({ env: unlimited });

const author = "author@example.com";
const actor = "actor@example.com";

const setRole = (room: string, email: string, role: Role) =>
  server.asOperator((chat, operator) => chat.rooms.setMember(operator, room, { email }, role));

const connectAs = async (room: string, email: string, claims: Record<string, unknown>) =>
  connectV2(server.host, room, { token: await server.token(email, { claims }) });

const actors = ["member", "moderator", "owner", "admin", "admin who is not a member"] as const;
type ActorKind = (typeof actors)[number];

/** A room with one message of the author's and one of the actor's, and a connection of each. */
async function roomWith(kind: ActorKind) {
  const room = await server.createRoom([author]);
  const isAdmin = kind === "admin" || kind === "admin who is not a member";
  if (kind !== "admin who is not a member") await setRole(room, actor, isAdmin ? "member" : kind);
  const listener = await server.connectV2(room, author);
  const client: V2Client = await connectAs(room, actor, isAdmin ? { scope: "openid chat:admin" } : {});
  const { seq: other } = await listener.say("the author's");
  const { seq: own } = await client.say("the actor's");
  return { own, other, client, listener };
}

const commandOf = (type: string, seq: number): CommandInput => {
  switch (type) {
    case "edit":
      return { type, seq, text: "edited" };
    case "react":
      return { type, seq, emoji: "👍", on: true };
    case "send":
      return { type, text: "an answer", reply_to: seq };
    case "read":
      return { type, seq };
    default:
      return { type: "delete", seq };
  }
};

/** Who may do it to another user's message. Everybody may do all of it to their own. */
const permissions: Record<string, readonly ActorKind[]> = {
  edit: [],
  delete: ["moderator", "owner", "admin", "admin who is not a member"],
  react: actors,
  send: actors,
  read: actors,
};

const cases = Object.entries(permissions).flatMap(([type, allowed]) =>
  actors.flatMap((kind) => [
    [kind, type, "own", true] as const,
    [kind, type, "other", allowed.includes(kind)] as const,
  ]),
);

test.each(cases)("%s: %s, %s message: %p", async (kind, type, whose, allowed) => {
  const { client, listener, ...seqs } = await roomWith(kind);
  const answer = await client.command(commandOf(type, seqs[whose]));
  if (allowed) expect(answer).toMatchObject({ type: "ack" });
  else expect(answer).toMatchObject({ type: "error", code: "forbidden" });
  // A change reaches everyone; a refusal changes nothing, so the next change has the next `rev`.
  const changes = allowed && type !== "read" ? 1 : 0;
  expect((await client.say("next")).rev).toBe(3 + changes);
  await listener.reach(3 + changes);
  expect(listener.known()).toEqual(client.known());
  await Promise.all([client.close(), listener.close()]);
});

test("a new role counts at once on an open connection", async () => {
  const room = await server.createRoom([author, actor]);
  const [listener, client] = [await server.connectV2(room, author), await server.connectV2(room, actor)];
  for (const text of ["one", "two"]) await listener.say(text);
  expect((await client.error({ type: "delete", seq: 1 })).code).toBe("forbidden");
  await setRole(room, actor, "moderator");
  await client.ack({ type: "delete", seq: 1 });
  await setRole(room, actor, "member");
  expect((await client.error({ type: "delete", seq: 2 })).code).toBe("forbidden");
});

test("a message belongs to the sub of its sender, not to the email", async () => {
  // Not an email of the other tests: it belongs to the `sub` that presented it last.
  const email = "shared@example.com";
  const room = await server.createRoom([email]);
  const { seq } = await (await server.connectV2(room, email)).say("mine");
  await server.asOperator((chat, operator) =>
    chat.rooms.setMember(operator, room, { sub: "another" }, "member"),
  );
  const other = await connectAs(room, email, { sub: "another" });
  for (const type of ["edit", "delete"])
    expect((await other.error(commandOf(type, seq))).code).toBe("forbidden");
});

test("users take back their own reactions alone, owners too", async () => {
  const { client, listener, other } = await roomWith("owner");
  const react = (on: boolean) => ({ type: "react", seq: other, emoji: "👍", on }) as const;
  await listener.ack(react(true));
  expect(await client.ack(react(false))).toMatchObject({ seq: other, rev: 3 });
  await client.ack(react(true));
  await client.reach(4);
  expect(client.messages.get(other)?.reactions).toEqual([
    { emoji: "👍", by: [`user|${author}`, `user|${actor}`] },
  ]);
  await listener.ack(react(false));
  await client.ack(react(false));
  await client.reach(6);
  expect(client.messages.get(other)?.reactions).toEqual([]);
});
