import { expect, test } from "bun:test";

import { Api, api } from "../../src/client/api.ts";
import { connect, type Fetch, ParleyError } from "../../src/client/index.ts";
import { operations } from "../../src/http/documents/openapi.ts";
import { newPrivateKey } from "../../src/push/vapid.ts";
import { newEmail } from "../support/api-users.ts";
import { checkResponse } from "../support/described.ts";
import { newRoomId, unlimited, useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";
import { outcome } from "./support/fake-server.ts";

// The methods of the HTTP API's client with a real server.

const server = useServer({
  env: { ...unlimited, PARLEY_PUSH_KEY: newPrivateKey(), PARLEY_PUSH_CONTACT: "mailto:admin@example.com" },
});

/** What was requested, as in `GET /api/rooms/:room`. */
const requested = new Set<string>();
/** Names of the methods that were called. */
const called = new Set<string>();

const routes = Object.keys(operations).map((route) => {
  const [method = "", path = ""] = route.split(" ");
  return { route, method, pattern: new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`) };
});

const recordingFetch: Fetch = async (url, init) => {
  const { pathname } = new URL(url);
  const response = await fetch(url, init);
  const text = await response.clone().text();
  checkResponse(init.method, pathname, { status: response.status, headers: response.headers, text });
  for (const { route, method, pattern } of routes)
    if (method === init.method && pattern.test(pathname)) requested.add(route);
  return response;
};

/** A user's client. It notes what is called. */
function clientOf(email: string, claims: Record<string, unknown> = {}): Api {
  const client = api({
    url: server.url,
    token: () => server.token(email, { claims }),
    fetch: recordingFetch,
  });
  return new Proxy(client, {
    get(target, name: keyof Api) {
      called.add(name);
      const method = target[name] as (...args: unknown[]) => unknown;
      return method.bind(target);
    },
  });
}

const scenarios: (() => Promise<void>)[] = [];

/** A test that runs once, for itself or for the one that looks at all calls, whichever comes first. */
function scenario(name: string, run: () => Promise<void>): void {
  let result: Promise<void> | undefined;
  const runOnce = () => (result ??= run());
  scenarios.push(runOnce);
  test(name, runOnce);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const textsOf = (messages: readonly { text: string }[]) => messages.map(({ text }) => text).join("");

/** A room of Alice's with Bob as a member, and the clients of both. */
async function createRoom() {
  const [alice, bob] = [newEmail(), newEmail()];
  const [alices, bobs] = [clientOf(alice), clientOf(bob)];
  const { id } = await alices.createRoom({ name: "Lobby" });
  await bobs.me();
  await alices.setMember(id, bob);
  return { id, alice, bob, alices, bobs };
}

scenario("rooms have settings, may be open to everybody, and are listed in pages", async () => {
  const { id, alices, bobs } = await createRoom();
  const carols = clientOf(newEmail());
  const settings = { access: "open", posting: "moderators", slow_mode: 30 } as const;
  const made = await alices.createRoom({ name: "News", ...settings });
  expect(made).toMatchObject({ name: "News", role: "owner", ...settings });
  expect(await alices.changeRoom(id, { name: "Hall", access: "open", slow_mode: 5 })).toMatchObject({
    name: "Hall",
    access: "open",
    posting: "members",
    slow_mode: 5,
  });
  expect(await carols.room(made.id)).toMatchObject({ role: null });
  expect((await collect(carols.listOpenRooms({ limit: 1 }))).map((room) => room.id)).toEqual(
    [id, made.id].toSorted(),
  );
  expect(await carols.joinRoom(made.id)).toMatchObject({ role: "member" });
  expect((await bobs.joinRoom(made.id)).role).toBe("member");
  const first = await bobs.listRooms({ limit: 1 }).page();
  const second = await bobs.listRooms({ limit: 1 }).page(first.next ?? "");
  expect([first.items.length, second.next]).toEqual([1, null]);
  expect((await bobs.rooms()).map((room) => room.id)).toEqual(
    [first, second].map(({ items }) => items[0]?.id ?? ""),
  );
  await bobs.leaveRoom(made.id);
  expect((await bobs.rooms()).map((room) => room.id)).toEqual([id]);
  await alices.deleteRoom(made.id);
  expect(await outcome(alices.room(made.id))).toMatchObject({ code: "room_not_found", status: 404 });
});

scenario("users who share a room have one direct conversation, whoever opens it", async () => {
  const { alice, bob, alices, bobs } = await createRoom();
  const opened = await alices.openDirect(bob);
  expect(opened).toMatchObject({ role: "member", direct: { email: bob }, unread: 0, last_message: null });
  const { id } = await alices.me();
  expect(await bobs.openDirect(`sub:${id}`)).toMatchObject({ id: opened.id, direct: { email: alice } });
  expect(await outcome(alices.openDirect(newEmail()))).toMatchObject({
    code: "member_not_found",
    status: 404,
  });
  const chat = connect({ url: server.url, token: () => server.token(alice) });
  const room = chat.open(opened.id);
  expect(room.direct).toBeUndefined();
  await room.ready;
  expect([room.direct?.email, chat.room(opened.id)?.direct?.email]).toEqual([bob, bob]);
  chat.close();
});

scenario("administrators create rooms once, see all of them, and name themselves", async () => {
  const admin = clientOf(newEmail(), { name: undefined, scope: "chat:admin" });
  expect(await admin.setOwnName("Back end")).toMatchObject({ name: "Back end", admin: true });
  const id = newRoomId();
  const room = { name: "Announcements", posting: "moderators" } as const;
  expect(await admin.ensureRoom(id, room)).toMatchObject({ id, ...room, role: null });
  expect(await admin.ensureRoom(id, { name: "Another" })).toMatchObject({ id, ...room });
  expect((await admin.listAllRooms().all()).map((each) => each.id)).toContain(id);
});

scenario("members are added one by one or at once, and listed in pages or all together", async () => {
  const { id, alice, bob, alices } = await createRoom();
  const members = Array.from({ length: 120 }, () => ({ who: newEmail() }));
  expect(await alices.setMembers(id, [...members, { who: bob, role: "moderator" }])).toEqual({
    added: 120,
    changed: 1,
  });
  const all = await alices.members(id);
  expect(all.slice(0, 2).map(({ email, role }) => [email, role])).toEqual([
    [alice, "owner"],
    [bob, "moderator"],
  ]);
  expect(all).toHaveLength(122);
  expect((await alices.listMembers(id).page()).items).toEqual(all.slice(0, 100));
  expect(await collect(alices.listMembers(id))).toEqual(all);
  expect(await alices.member(id, bob)).toEqual(all[1]!);
  await alices.removeMember(id, bob);
  expect(await outcome(alices.member(id, bob))).toMatchObject({ code: "member_not_found" });
});

scenario("a chat's room has all members, however many there are", async () => {
  const { id, alice, alices } = await createRoom();
  await alices.setMembers(
    id,
    Array.from({ length: 999 }, () => ({ who: newEmail() })),
  );
  const chat = connect({ url: server.url, token: () => server.token(alice) });
  expect(await chat.open(id).loadMembers()).toHaveLength(1001);
  expect(await api(chat).members(id)).toHaveLength(1001);
  chat.close();
  expect(await outcome(api(chat).me())).toMatchObject({ code: "closed" });
});

scenario("users are banned and muted, and the audit list tells it", async () => {
  const { id, bob, alices, bobs } = await createRoom();
  const until = "2100-01-01T00:00:00.000Z";
  expect(await alices.mute(id, bob, { until, reason: "Spam" })).toMatchObject({ until, reason: "Spam" });
  const refusal = await outcome(bobs.sendMessage(id, { text: "Hello?" }));
  expect(refusal).toBeInstanceOf(ParleyError);
  expect(refusal).toMatchObject({ code: "forbidden", status: 403, until });
  expect(await collect(alices.listMutes(id))).toMatchObject([{ user: { email: bob }, until }]);
  await alices.liftMute(id, bob);
  expect(await alices.ban(id, bob)).toMatchObject({ user: { email: bob }, until: null, reason: null });
  expect((await alices.listBans(id).all()).length).toBe(1);
  expect(await outcome(alices.setMember(id, bob))).toMatchObject({ code: "forbidden", until: undefined });
  await alices.liftBan(id, bob);
  const actions = ["ban_lifted", "banned", "mute_lifted", "muted"] as const;
  expect((await collect(alices.listAudit(id, { limit: 3 }))).map(({ action }) => action)).toEqual([
    ...actions,
  ]);
});

scenario("messages have metadata, are stored once, and are edited, deleted and reacted to", async () => {
  const { id, alices, bobs } = await createRoom();
  const message = { text: "Order 1042", client_id: "order-1042", meta: { card: "order", number: 1042 } };
  const sent = await alices.sendMessage(id, message);
  expect(sent).toMatchObject({ seq: 1, ...message });
  expect(await alices.sendMessage(id, message)).toEqual(sent);
  const conflict = await outcome(alices.sendMessage(id, { ...message, text: "Another" }));
  expect(conflict).toMatchObject({ code: "conflict", status: 409, seq: 1 });
  expect(await bobs.sendMessage(id, { text: "@room look", reply_to: 1 })).toMatchObject({
    reply_to: 1,
    mentions: { users: [], room: true },
  });
  const { id: me } = await bobs.me();
  expect((await bobs.react(id, 1, "👍")).reactions).toEqual([{ emoji: "👍", by: [me ?? ""] }]);
  expect((await bobs.react(id, 1, "👍", false)).reactions).toEqual([]);
  expect(await bobs.editMessage(id, 2, "Look!")).toMatchObject({ text: "Look!" });
  await bobs.deleteMessage(id, 2);
  expect(await bobs.message(id, 2)).toMatchObject({ text: "", deleted_at: expect.any(String) });
  expect(await alices.changes(id, 4)).toMatchObject({ rev: 6, messages: [{ seq: 2 }], more: false });
  expect(await bobs.markRead(id, 2)).toBe(2);
  expect((await alices.reads(id)).map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual([1, 2]);
});

scenario("messages are read in pages, in either direction", async () => {
  const { id, alices } = await createRoom();
  for (let n = 1; n <= 7; n++) await alices.sendMessage(id, { text: `${n}` });
  expect(textsOf(await alices.messages(id, { limit: 3 }))).toBe("567");
  const { items, next } = await alices.listMessages(id, { limit: 3 }).page();
  expect(textsOf(items)).toBe("567");
  expect(textsOf((await alices.listMessages(id, { limit: 3 }).page(next ?? "")).items)).toBe("234");
  const ranges = [{}, { before: 6 }, { after: 2, before: 6 }, { after: 2 }, { around: 4 }];
  const read = ranges.map(async (range) =>
    textsOf(await collect(alices.listMessages(id, { ...range, limit: 2 }))),
  );
  expect(await Promise.all(read)).toEqual(["7654321", "54321", "543", "34567", "4567"]);
});

scenario("messages are searched for", async () => {
  const { id, alices } = await createRoom();
  for (const text of ["deploy failed", "lunch", "deploy done"]) await alices.sendMessage(id, { text });
  const search = () => collect(alices.search({ q: "deploy", room: id, limit: 1 }));
  await waitUntil("the messages are indexed", async () => (await search()).length === 2);
  expect((await search()).map(({ room, message, snippet }) => [room, message.text, snippet.hits])).toEqual(
    expect.arrayContaining([[id, "deploy failed", [[0, 6]]]]),
  );
});

scenario("a browser is notified by web push, until that is ended", async () => {
  const alices = clientOf(newEmail());
  const endpoint = "https://fcm.googleapis.com/fcm/send/dIPd1OPd5Ho:APA91bF";
  // Those of RFC 8291, section 5.
  const keys = {
    p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
  };
  await alices.subscribePush({ endpoint, keys });
  const elsewhere = alices.subscribePush({ endpoint: "https://example.com/", keys });
  expect(await outcome(elsewhere)).toMatchObject({ code: "invalid_command", status: 400 });
  await alices.unsubscribePush(endpoint);
});

scenario("an email address that two members share is refused with their ids", async () => {
  const { id, alices } = await createRoom();
  const email = newEmail();
  const subs = ["first", "second"].map((each) => `${each} of ${email}`);
  for (const sub of subs) {
    const claims = { sub };
    await clientOf(email, claims).me();
    await alices.setMember(id, `sub:${sub}`);
  }
  const refusal = (await outcome(alices.removeMember(id, email))) as ParleyError;
  expect(refusal).toMatchObject({ code: "conflict", status: 409 });
  expect(refusal.users?.toSorted()).toEqual(subs);
});

test("each operation has a method, and each method was called", async () => {
  await Promise.all(scenarios.map((run) => run()));
  /** The cookie is for clients that are not this one. */
  const session = new Set(["POST /api/session", "DELETE /api/session"]);
  const wanted = Object.entries(operations).filter(
    ([route, { tag }]) => tag !== "Server" && !session.has(route),
  );
  expect([...requested].toSorted()).toEqual(wanted.map(([route]) => route).toSorted());
  const methods = Object.getOwnPropertyNames(Api.prototype).filter((name) => name !== "constructor");
  expect(methods.filter((name) => !called.has(name))).toEqual([]);
});
