import { describe, expect, test } from "bun:test";

import { connectV2, refusedWith } from "../support/client.ts";
import { startIssuer } from "../support/issuer.ts";
import { fillRoom } from "../support/messages.ts";
import { openRaw } from "../support/raw.ts";
import { startTestServer, unlimited, useServer } from "../support/server.ts";
import { connectSession } from "../support/session-client.ts";
import { isPresence } from "../support/slow-reader.ts";
import { makeKey } from "../support/tokens.ts";

// Renewing the token of an open connection. How a connection ends with its token is in auth/lifetime.test.ts.

const server = useServer({ env: { ...unlimited, PARLEY_CLOCK_TOLERANCE: "0" } });

const alice = "alice@example.com";
const bob = "bob@example.com";
const EXPIRED = { code: 4401, reason: "token_expired" };
const admin = { scope: "chat:admin" };

/** An `exp` so many seconds from now. */
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
const tokenUntil = (email: string, exp: number, claims: Record<string, unknown> = {}) =>
  server.token(email, { claims: { exp, ...claims } });
const open = (room: string, token: string) => connectV2(server.host, room, { token });
const iso = (exp: number) => new Date(exp * 1000).toISOString();

describe("token.expiring", () => {
  test("comes once, a minute before the token expires", async () => {
    const room = await server.createRoom([alice]);
    const exp = inSeconds(63);
    const client = await open(room, await tokenUntil(alice, exp));
    expect(client.hello.token_expires_at).toBe(iso(exp));
    expect(await client.next("token.expiring")).toStrictEqual({
      type: "token.expiring",
      expires_at: iso(exp),
    });
    expect(Date.now()).toBeGreaterThanOrEqual((exp - 60) * 1000);
    expect(client.unread("token.expiring")).toEqual([]);
  }, 10_000);

  test("comes at once, and only once, when less is left; then the connection is closed", async () => {
    const room = await server.createRoom([alice]);
    const exp = inSeconds(3);
    const client = await open(room, await tokenUntil(alice, exp));
    const long = await open(room, await tokenUntil(alice, inSeconds(3600)));
    await client.next("token.expiring");
    await client.say("while it lasts");
    expect(await client.closed).toEqual(EXPIRED);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    for (const each of [client, long]) expect(each.unread("token.expiring")).toEqual([]);
  }, 10_000);
});

test("a token may expire after the last day that there is", async () => {
  const client = await open(await server.createRoom([alice]), await tokenUntil(alice, 9_999_999_999_999));
  expect(client.hello.token_expires_at).toBe("9999-12-31T00:00:00.000Z");
  await client.say("still here");
});

test("a fresh token keeps the connection open until that one expires", async () => {
  const room = await server.createRoom([alice, bob]);
  const [first, second] = [inSeconds(3), inSeconds(5)];
  const token = await tokenUntil(alice, first);
  const [renewed, forgotten] = [await open(room, token), await open(room, token)];
  const writer = await server.connectV2(room, bob);
  await writer.say("one");
  await renewed.next("token.expiring");
  const ack = await renewed.ack({ type: "auth", token: await tokenUntil(alice, second) });
  expect(ack).toMatchObject({ seq: 1, rev: 1 });
  // It expires soon, too.
  expect(await renewed.next("token.expiring")).toMatchObject({ expires_at: iso(second) });
  expect(await forgotten.closed).toEqual(EXPIRED);
  expect(Date.now()).toBeLessThan(second * 1000);
  await renewed.reach((await writer.say("two")).rev);
  expect(await renewed.closed).toEqual(EXPIRED);
  expect(Date.now()).toBeGreaterThanOrEqual(second * 1000);
}, 15_000);

test("the last of several fresh tokens counts, although it is verified first", async () => {
  const room = await server.createRoom([alice]);
  const exp = inSeconds(3);
  const [long, short] = [await server.token(alice), await tokenUntil(alice, exp)];
  // The server knows the long one already, so verifying it takes no time.
  const client = await open(room, long);
  const answered: string[] = [];
  const renew = (token: string) => client.ack({ type: "auth", token }).then(() => answered.push(token));
  await Promise.all([renew(short), renew(long)]);
  expect(answered).toEqual([short, long]);
  // The server looks every second.
  await Promise.race([client.closed, Bun.sleep(exp * 1000 + 1500 - Date.now())]);
  await client.say("still here");
}, 10_000);

test("an invalid token, or one of another user, is refused and changes nothing", async () => {
  const room = await server.createRoom([alice, bob]);
  const exp = inSeconds(3);
  const client = await open(room, await tokenUntil(alice, exp));
  const [later, token] = [inSeconds(3600), await server.token(alice)];
  for (const [code, wrong] of [
    ["forbidden", await server.token(bob)],
    // The `sub` says who a user is, not the email.
    ["forbidden", await tokenUntil("other@example.com", later, { sub: "another" })],
    ["token_expired", await tokenUntil(alice, inSeconds(-60))],
    ["unauthorized", `${token.slice(0, -8)}AAAAAAAA`],
    ["unauthorized", await tokenUntil(alice, later, { aud: "another" })],
    ["unauthorized", await server.token(alice, { key: await makeKey() })],
    ["unauthorized", ""],
    ["unauthorized", "not a token"],
  ] as const)
    expect((await client.error({ type: "auth", token: wrong })).code).toBe(code);
  const { seq } = await client.say("still Alice");
  expect(client.messages.get(seq)?.sender.email).toBe(alice);
  expect(await client.closed).toEqual(EXPIRED);
  expect(Date.now()).toBeLessThan((exp + 30) * 1000);
}, 15_000);

test("a token of an unknown key is refused while the keys are not available; the connection lives", async () => {
  await using issuer = await startIssuer();
  const keys = { unknownKeyCooldownMs: 0, minRetryMs: 0 };
  await using parley = await startTestServer({ issuer: issuer.issuer, keys });
  const room = await parley.createRoom([alice]);
  const client = await connectV2(parley.host, room, { token: await issuer.sign(alice) });
  const known = await issuer.sign(alice, { claims: { jti: "another" } });
  await issuer.rotate({ keepOld: true });
  const token = await issuer.sign(alice);
  await issuer.kill();
  expect(await client.error({ type: "auth", token })).toMatchObject({ code: "keys_unavailable" });
  expect(await refusedWith(connectV2(parley.host, room, { token }))).toBe("1013 keys_unavailable");
  await client.say("still here");
  await client.ack({ type: "auth", token: known });
  await issuer.revive();
  await client.ack({ type: "auth", token });
});

describe("an administrator", () => {
  test("who is not a member is removed when their new token is an ordinary one", async () => {
    const room = await server.createRoom([bob]);
    const [adminToken, token] = [await tokenUntil(alice, inSeconds(3600), admin), await server.token(alice)];
    const [client, tab] = [await open(room, adminToken), await open(room, adminToken)];
    expect(client.hello.room.role).toBeNull();
    await client.say("as an administrator");
    client.send({ type: "auth", id: "ordinary", token });
    expect(await client.closed).toEqual({ code: 4403, reason: "removed" });
    expect(client.unread("ack")).toEqual([]);
    // The other connection has its own token.
    await tab.ack({ type: "auth", token: adminToken });
    await tab.say("still an administrator");
  });

  test("has their rights for as long as their token is in use", async () => {
    const room = await server.createRoom([alice, bob]);
    const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
    for (const text of ["one", "two"]) await other.say(text);
    const remove = (seq: number) => client.command({ type: "delete", seq });
    expect(await remove(1)).toMatchObject({ type: "error", code: "forbidden" });
    await client.ack({ type: "auth", token: await tokenUntil(alice, inSeconds(3600), admin) });
    expect(await remove(1)).toMatchObject({ type: "ack" });
    await client.ack({ type: "auth", token: await tokenUntil(alice, inSeconds(3601)) });
    expect(await remove(2)).toMatchObject({ type: "error", code: "forbidden" });
    await client.say("still a member");
  });
});

describe("a session", () => {
  // Of its own user, since it shows them as online in all of their rooms.
  const carol = "carol@example.com";

  test("is warned, kept open by a fresh token, and closed when that one expires", async () => {
    const room = await server.createRoom([carol]);
    const [first, second] = [inSeconds(3), inSeconds(5)];
    const client = await connectSession(server.host, { token: await tokenUntil(carol, first) });
    expect(client.hello.token_expires_at).toBe(iso(first));
    expect(await client.next("token.expiring")).toStrictEqual({
      type: "token.expiring",
      expires_at: iso(first),
    });
    const token = await tokenUntil(carol, second);
    // It is about no room.
    expect(await client.command({ type: "auth", id: "a", token })).toStrictEqual({ type: "ack", id: "a" });
    await client.next("token.expiring");
    expect(Date.now()).toBeLessThan(second * 1000);
    await client.ack({ type: "send", room, text: "still here" });
    expect(await client.closed).toEqual(EXPIRED);
    expect(Date.now()).toBeGreaterThanOrEqual(second * 1000);
  }, 15_000);

  test("does not accept another user's token, and lives on", async () => {
    const room = await server.createRoom([carol]);
    const client = await server.connectSession(carol);
    const answer = await client.error({ type: "auth", id: "a", token: await server.token(bob) });
    expect(answer).toEqual({ type: "error", id: "a", code: "forbidden", message: expect.any(String) });
    await client.ack({ type: "send", room, text: "still Carol" });
  });

  test("of an administrator loses the open rooms that they are no member of with an ordinary token", async () => {
    const [mine, others] = [await server.createRoom([carol]), await server.createRoom([bob])];
    const client = await connectSession(server.host, {
      token: await tokenUntil(carol, inSeconds(3600), admin),
    });
    for (const room of [mine, others]) await client.open(room);
    await client.ack({ type: "send", room: others, text: "as an administrator" });
    await client.ack({ type: "auth", token: await tokenUntil(carol, inSeconds(3601)) });
    expect(await client.next("left")).toEqual({ type: "left", room: others, reason: "removed" });
    expect(await client.error({ type: "send", room: others, text: "x" })).toMatchObject({
      room: others,
      code: "room_not_found",
    });
    const writer = await server.connectV2(others, bob);
    const { rev } = await writer.say("not for Carol");
    await client.reach(mine, (await client.ack({ type: "send", room: mine, text: "still here" })).rev);
    expect([rev, client.texts.filter((text) => text.includes("not for Carol"))]).toEqual([2, []]);
  });

  test("shows the name in its fresh token in the rooms that it has open", async () => {
    const room = await server.createRoom([carol, bob]);
    const client = await server.connectSession(carol);
    await client.open(room);
    await client.ack({ type: "auth", token: await tokenUntil(carol, inSeconds(3600), { name: "Carol C." }) });
    const user = { id: `user|${carol}`, email: carol, name: "Carol C." };
    expect((await server.connectV2(room, bob)).hello.online).toContainEqual(user);
  });
});

test("the name in a fresh token is shown from then on", async () => {
  const room = await server.createRoom([alice, bob]);
  const [client, other] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
  await client.ack({ type: "auth", token: await tokenUntil(alice, inSeconds(3600), { name: "Alice A." }) });
  await client.say("hello");
  const user = { id: `user|${alice}`, email: alice, name: "Alice A." };
  expect(await other.next("change")).toMatchObject({ message: { sender: user } });
  expect((await server.connectV2(room, bob)).hello.online).toContainEqual(user);
});

test("a token expires, too, for a client that catches up and has paused", async () => {
  const room = await server.createRoom([alice, bob]);
  // More than the kernel's buffers take.
  fillRoom(server, room, 20_000, "x".repeat(2000));
  const watcher = await server.connectV2(room, bob);
  const exp = inSeconds(2);
  const raw = await openRaw("chat.v2", server.host, room, await tokenUntil(alice, exp), 0);
  raw.socket.pause();
  await watcher.next(isPresence(alice, true));
  await watcher.next(isPresence(alice, false));
  expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  raw.destroy();
}, 15_000);
