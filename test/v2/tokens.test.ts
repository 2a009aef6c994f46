import { expect, test } from "bun:test";

import { connectClassic, connectV2, refusedWith } from "../support/client.ts";
import { startIssuer } from "../support/issuer.ts";
import { fillRoom } from "../support/messages.ts";
import { connectRawV2 } from "../support/raw.ts";
import { startTestServer, useServer } from "../support/server.ts";
import { makeKey } from "../support/tokens.ts";
import { waitUntil } from "../support/wait.ts";

// Connections that outlive their tokens, or do not.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";
const bob = "bob@example.com";

/** The end of a token that is good for so many seconds more. */
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
const ending = (email: string, exp: number, claims: Record<string, unknown> = {}) =>
  server.issuer.sign(email, { claims: { exp, ...claims } });
const open = (room: string, bearer: string) => connectV2(server.host, room, { token: bearer });
const iso = (exp: number) => new Date(exp * 1000).toISOString();

test("hello says when the token ends, and nobody is told a long time ahead", async () => {
  const room = await createRoom([alice]);
  const exp = inSeconds(3600);
  const client = await open(room, await ending(alice, exp));
  expect(client.hello.token_expires_at).toBe(iso(exp));
  // Time enough for the server to look at its deadlines.
  const short = await open(room, await ending(alice, inSeconds(30)));
  await short.next("token.expiring");
  expect(client.unread("token.expiring")).toEqual([]);
});

test("a token that ends after the end of time is as good as any", async () => {
  const room = await createRoom([alice]);
  const client = await open(room, await ending(alice, 9_999_999_999_999));
  expect(client.hello.token_expires_at).toBe("9999-12-31T00:00:00.000Z");
  await client.say("still here");
});

test("a token that ends within a minute is told at once; at its end the connection is closed with 4401", async () => {
  const room = await createRoom([alice]);
  const exp = inSeconds(3);
  const client = await open(room, await ending(alice, exp));
  expect(await client.next("token.expiring")).toStrictEqual({ type: "token.expiring", expires_at: iso(exp) });
  expect(Date.now()).toBeLessThan(exp * 1000);
  await client.say("while it lasts");
  expect(await client.closed).toMatchObject({ code: 4401, reason: "token_expired" });
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  // Once was enough.
  expect(client.unread("token.expiring")).toEqual([]);
}, 10_000);

test("whose token ends later is told a minute ahead, not sooner", async () => {
  const room = await createRoom([alice]);
  const exp = inSeconds(63);
  const client = await open(room, await ending(alice, exp));
  expect(await client.next("token.expiring")).toMatchObject({ expires_at: iso(exp) });
  expect(Date.now()).toBeGreaterThanOrEqual((exp - 60) * 1000);
  await client.close();
}, 10_000);

test("a fresh token keeps the connection, past the end of the first one, until its own", async () => {
  const room = await createRoom([alice, bob]);
  const [first, second] = [inSeconds(3), inSeconds(5)];
  const bearer = await ending(alice, first);
  const [renewed, forgotten] = [await open(room, bearer), await open(room, bearer)];
  const speaker = await open(room, await token(bob));
  await speaker.say("one");
  await renewed.next("token.expiring");
  expect(await renewed.ack({ type: "auth", token: await ending(alice, second) })).toMatchObject({
    seq: 1,
    rev: 1,
  });
  // One that ends soon as well.
  expect(await renewed.next("token.expiring")).toMatchObject({ expires_at: iso(second) });
  expect(await forgotten.closed).toMatchObject({ code: 4401, reason: "token_expired" });
  expect(Date.now()).toBeLessThan(second * 1000);
  const { rev } = await speaker.say("two");
  await renewed.reach(rev);
  await renewed.say("three");
  expect(await renewed.closed).toMatchObject({ code: 4401, reason: "token_expired" });
  expect(Date.now()).toBeGreaterThanOrEqual(second * 1000);
}, 15_000);

test("of fresh tokens that come at once the last one stands, though it is verified sooner", async () => {
  const room = await createRoom([alice]);
  const exp = inSeconds(3);
  const [long, short] = [await token(alice), await ending(alice, exp)];
  // One that the server knows already.
  const client = await open(room, long);
  const answered: string[] = [];
  const renew = (bearer: string) =>
    client.ack({ type: "auth", token: bearer }).then(() => void answered.push(bearer));
  await Promise.all([renew(short), renew(long)]);
  expect(answered).toEqual([short, long]);
  // The server looks every second.
  const over = waitUntil("the short one is long over", () => Date.now() > exp * 1000 + 1500);
  expect(await Promise.race([over.then(() => "open"), client.closed])).toBe("open");
}, 10_000);

test("a token of somebody else, or a bad one, is refused, and changes nothing", async () => {
  const room = await createRoom([alice, bob]);
  const exp = inSeconds(3);
  const client = await open(room, await ending(alice, exp));
  const long = inSeconds(3600);
  const bearer = await token(alice);
  const code = async (wrong: string) => (await client.error({ type: "auth", token: wrong })).code;
  expect(await code(await token(bob))).toBe("forbidden");
  // Who he is says the `sub`, not the email.
  expect(await code(await ending(alice, long, { sub: "another" }))).toBe("forbidden");
  expect(await code(await ending(alice, inSeconds(-60)))).toBe("token_expired");
  expect(await code(`${bearer.slice(0, -8)}AAAAAAAA`)).toBe("unauthorized");
  expect(await code(await ending(alice, long, { aud: "somebody else" }))).toBe("unauthorized");
  expect(await code(await server.issuer.sign(alice, { key: await makeKey() }))).toBe("unauthorized");
  expect(await code("")).toBe("unauthorized");
  expect(await code("not a token")).toBe("unauthorized");
  const { seq } = await client.say("still alice");
  expect(client.messages.get(seq)?.sender.email).toBe(alice);
  expect(await client.closed).toMatchObject({ code: 4401, reason: "token_expired" });
  expect(Date.now()).toBeLessThan((exp + 30) * 1000);
}, 15_000);

test("while the issuer's keys can't be had a token of an unknown key is refused for that, and the connection lives", async () => {
  await using issuer = await startIssuer();
  await using parley = await startTestServer({
    issuer: issuer.issuer,
    keys: { unknownKeyCooldownMs: 0, minRetryMs: 0 },
  });
  await parley.createRoom([alice], { id: "room" });
  const client = await connectV2(parley.host, "room", { token: await issuer.sign(alice) });
  const old = await issuer.sign(alice, { claims: { jti: "another" } });
  await issuer.rotate({ keepOld: true });
  const fresh = await issuer.sign(alice);
  await issuer.kill();
  expect(await client.error({ type: "auth", token: fresh })).toMatchObject({ code: "keys_unavailable" });
  expect(await refusedWith(connectV2(parley.host, "room", { token: fresh }))).toBe("1013 keys_unavailable");
  await client.say("still here");
  // The keys that are known stay good.
  await client.ack({ type: "auth", token: old });
  await issuer.revive();
  await client.ack({ type: "auth", token: fresh });
});

const admin = { scope: "chat:admin" };

test("an administrator's token that is replaced by a plain one of somebody who is no member is the end", async () => {
  const room = await createRoom([bob]);
  const tokens = [await ending(alice, inSeconds(3600), admin), await token(alice)] as const;
  const [client, tab] = [await open(room, tokens[0]), await open(room, tokens[0])];
  expect(client.hello.room.role).toBeNull();
  await client.say("as an administrator");
  client.send({ type: "auth", id: "plain", token: tokens[1] });
  expect(await client.closed).toMatchObject({ code: 4403, reason: "removed" });
  expect(client.unread("ack")).toEqual([]);
  // The other one has its token still.
  await tab.ack({ type: "auth", token: tokens[0] });
  await tab.say("still an administrator");
});

test("a token brings its rights, and takes them away again", async () => {
  const room = await createRoom([alice, bob]);
  const [client, other] = [await open(room, await token(alice)), await open(room, await token(bob))];
  const { seq } = await other.say("mine");
  const edit = (text: string) => client.command({ type: "edit", seq, text });
  expect(await edit("yours")).toMatchObject({ type: "error", code: "forbidden" });
  await client.ack({ type: "auth", token: await ending(alice, inSeconds(3600), admin) });
  expect(await edit("yours")).toMatchObject({ type: "ack" });
  await client.ack({ type: "auth", token: await ending(alice, inSeconds(3601)) });
  expect(await edit("ours")).toMatchObject({ type: "error", code: "forbidden" });
  await client.say("a member still");
});

test("the name in a fresh token is the name from then on, in messages and among who is there", async () => {
  const room = await createRoom([alice, bob]);
  const [client, other] = [await open(room, await token(alice)), await open(room, await token(bob))];
  await client.ack({ type: "auth", token: await ending(alice, inSeconds(3600), { name: "Alice A." }) });
  await client.say("hello");
  const named = { id: `user|${alice}`, email: alice, name: "Alice A." };
  expect(await other.next("change")).toMatchObject({ message: { sender: named } });
  expect((await open(room, await token(bob))).hello.online).toContainEqual(named);
});

test("who speaks classic has nothing to renew, and ends with his token", async () => {
  const room = await createRoom([alice]);
  const exp = inSeconds(2);
  const client = await connectClassic(server.host, room, { token: await ending(alice, exp) });
  client.send({ type: "auth", id: "1", token: await token(alice) });
  expect(await client.next()).toMatchObject({ error: { code: "invalid_message" } });
  expect(await client.closed).toEqual({ code: 4401, reason: "token_expired" });
}, 10_000);

test("a token ends, too, for whoever is still being sent what he missed, and stands still", async () => {
  const room = await createRoom([alice, bob]);
  const length = 100_000;
  fillRoom(server, room, length);
  const watcher = await open(room, await token(bob));
  const exp = inSeconds(2);
  const raw = await connectRawV2(server.host, room, await ending(alice, exp), 0);
  raw.socket.pause();
  await watcher.next((frame) => frame.type === "presence" && frame.user.email === alice && !frame.online);
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  // The close frame stands behind all that he has not read, and may be lost with it.
  raw.destroy();
}, 15_000);
