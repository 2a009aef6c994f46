import { describe, expect, test } from "bun:test";

import type { Role } from "../../src/chat/model.ts";
import { callApi } from "../support/api.ts";
import { connectClassic, Refused } from "../support/client.ts";
import { newRoomId, useServer } from "../support/server.ts";

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0" } });

let names = 0;
/** A name that no other test uses. */
const fresh = (name: string) => `${name}-${++names}`;
const freshEmail = () => `${fresh("user")}@example.com`;

interface Claims {
  sub?: string;
  email?: string;
  [claim: string]: unknown;
}

/** A token with these claims, a new `sub` by default, and no email by default. */
const tokenOf = ({ sub = fresh("sub"), email, ...claims }: Claims) =>
  server.issuer.sign("", { claims: { sub, email, ...claims } });

/** Connects to a room. Resolves with 101, or the status of the refusal. */
async function enter(room: string, claims: Claims): Promise<number> {
  const token = await tokenOf(claims);
  try {
    const client = await connectClassic(server.host, room, { token });
    await client.close();
    return 101;
  } catch (error) {
    if (error instanceof Refused) return error.status;
    throw error;
  }
}

/** Grants a membership as the back end of an application does. `who` is an email or a `sub`. */
async function grant(room: string, who: string, role: Role = "member") {
  const token = await tokenOf({ scope: "chat:admin" });
  const request = `PUT /api/rooms/${room}/members/${encodeURIComponent(who)}`;
  const { status, body } = await callApi(server, request, { token, body: { role } });
  return { status, body };
}

/** The id, email and role of each member. */
async function membersOf(room: string): Promise<unknown[]> {
  const token = await tokenOf({ scope: "chat:admin" });
  const { body } = await callApi(server, `GET /api/rooms/${room}/members`, { token });
  return (body["members"] as { id: unknown; email: unknown; role: unknown }[]).map(({ id, email, role }) => [
    id,
    email,
    role,
  ]);
}

describe("an invitation by email", () => {
  test("is claimed for good by the first verified sub that presents it", async () => {
    const email = freshEmail();
    const room = await server.createRoom([email]);
    const first = { sub: fresh("first"), email };
    expect(await enter(room, first)).toBe(101);
    expect(await enter(room, { sub: fresh("second"), email })).toBe(404);
    expect(await enter(room, { sub: first.sub })).toBe(101);
  });

  test("goes to the user who presented the email last", async () => {
    const email = freshEmail();
    const [former, present] = [
      { sub: fresh("former"), email },
      { sub: fresh("present"), email },
    ];
    const room = await server.createRoom([email]);
    expect(await enter(room, former)).toBe(101);
    expect(await enter(room, present)).toBe(404);
    const later = await server.createRoom([]);
    expect((await grant(later, email)).body).toMatchObject({ id: present.sub, email });
    expect(await enter(later, present)).toBe(101);
    expect(await enter(later, { sub: former.sub })).toBe(404);
  });

  test("may come after the user has presented the email", async () => {
    const email = freshEmail();
    const first = { sub: fresh("first"), email };
    expect((await callApi(server, "GET /api/me", { token: await tokenOf(first) })).status).toBe(200);
    const room = await server.createRoom([email]);
    expect(await enter(room, { sub: fresh("second"), email })).toBe(404);
    expect(await enter(room, first)).toBe(101);
  });

  test("is claimed once when many present the email at the same time", async () => {
    const email = freshEmail();
    const room = await server.createRoom([email]);
    const all = await Promise.all(
      Array.from({ length: 12 }, () => enter(room, { sub: fresh("racer"), email })),
    );
    expect(all.filter((status) => status === 101).length).toBe(1);
    expect(all.filter((status) => status === 404).length).toBe(11);
  });

  test("matches in any case, and with spaces around the email", async () => {
    const name = fresh("Mixed");
    const room = await server.createRoom([]);
    expect((await grant(room, `${name}@Example.COM`)).body).toMatchObject({
      email: `${name.toLowerCase()}@example.com`,
    });
    expect(await enter(room, { email: `${name}x@example.com` })).toBe(404);
    expect(await enter(room, { email: ` ${name.toUpperCase()}@EXAMPLE.com` })).toBe(101);
  });

  test("reaches an email whose domain has no dot", async () => {
    const email = `${fresh("user")}@intranet`;
    const room = await server.createRoom([]);
    expect((await grant(room, email)).body).toMatchObject({ id: null, email });
    expect(await enter(room, { email })).toBe(101);
  });

  test("is not claimed by a token whose email is not verified, but its user is known by sub", async () => {
    const email = freshEmail();
    const room = await server.createRoom([email]);
    const impostor = { sub: fresh("impostor"), email, email_verified: false };
    expect(await enter(room, impostor)).toBe(404);
    const { body } = await callApi(server, "GET /api/me", { token: await tokenOf(impostor) });
    expect(body).toMatchObject({ id: impostor.sub, email: null });
    const another = await server.createRoom([]);
    await grant(another, impostor.sub);
    expect(await enter(another, impostor)).toBe(101);
    expect(await enter(room, { sub: fresh("owner"), email })).toBe(101);
  });
});

describe("a user without an email", () => {
  test("is a member by sub, and sends under it", async () => {
    const sub = fresh("auth0|robot");
    const room = await server.createRoom([]);
    expect(await enter(room, { sub })).toBe(404);
    expect((await grant(room, sub)).body).toMatchObject({ id: sub, email: null });
    const robot = await connectClassic(server.host, room, { token: await tokenOf({ sub }) });
    expect(robot.history).toEqual([]);
    robot.send({ message: "beep" });
    expect(await robot.next()).toEqual({ message: "beep" });
    const again = await connectClassic(server.host, room, { token: await tokenOf({ sub }) });
    expect(again.history).toEqual([{ text: "beep", sender_email: sub }]);
  });

  test("is another one when the sub differs by case", async () => {
    const sub = fresh("Auth0|Robot");
    const room = await server.createRoom([]);
    await grant(room, sub);
    expect(await enter(room, { sub: sub.toLowerCase() })).toBe(404);
    expect(await enter(room, { sub })).toBe(101);
  });

  test("does not own the email that their sub looks like", async () => {
    const email = freshEmail();
    const [byEmail, bySub] = [await server.createRoom([email]), await server.createRoom([])];
    await grant(bySub, `sub:${email}`);
    expect([await enter(byEmail, { sub: email }), await enter(bySub, { sub: email })]).toEqual([404, 101]);
    expect([await enter(byEmail, { email }), await enter(bySub, { email })]).toEqual([101, 404]);
  });

  test("gets what was granted to their email once they present it", async () => {
    const sub = fresh("late");
    const email = freshEmail();
    const invited = await server.createRoom([email]);
    const own = newRoomId();
    expect(await enter(invited, { sub })).toBe(404);
    await server.createRoom([], { id: own });
    await grant(own, sub);
    expect(await enter(own, { sub })).toBe(101);
    expect([await enter(invited, { sub, email }), await enter(own, { sub, email })]).toEqual([101, 101]);
    expect(await membersOf(invited)).toEqual([[sub, email, "member"]]);
    // They keep it, whatever their later tokens say.
    expect(await enter(invited, { sub })).toBe(101);
    expect(await enter(invited, { email })).toBe(404);
  });

  test.each<[bySub: Role, byEmail: Role, then: Role]>([
    ["member", "member", "member"],
    ["owner", "member", "owner"],
    ["member", "owner", "owner"],
    ["member", "moderator", "moderator"],
    ["moderator", "owner", "owner"],
  ])("who is %s of a room, and invited to it as %s, becomes its %s", async (bySub, byEmail, then) => {
    const sub = fresh("both");
    const email = freshEmail();
    const room = await server.createRoom([]);
    await grant(room, email, byEmail);
    await grant(room, sub, bySub);
    expect((await membersOf(room)).length).toBe(2);
    expect(await enter(room, { sub, email })).toBe(101);
    expect(await membersOf(room)).toEqual([[sub, email, then]]);
  });
});

test("a user whose email changes keeps their memberships, and the former email until another user presents it", async () => {
  const sub = fresh("renamed");
  const [before, after] = [freshEmail(), freshEmail()];
  const [old, next] = [await server.createRoom([before]), await server.createRoom([after])];
  expect([await enter(old, { sub, email: before }), await enter(next, { sub, email: before })]).toEqual([
    101, 404,
  ]);
  expect([await enter(old, { sub, email: after }), await enter(next, { sub, email: after })]).toEqual([
    101, 101,
  ]);
  expect(await membersOf(old)).toEqual([[sub, after, "member"]]);
  for (const email of [before, after]) {
    const later = await server.createRoom([]);
    expect((await grant(later, email)).body).toMatchObject({ id: sub, email: after });
    const another = fresh("another");
    expect([await enter(old, { sub: another, email }), await enter(next, { sub: another, email })]).toEqual([
      404, 404,
    ]);
    const last = await server.createRoom([]);
    expect((await grant(last, email)).body).toMatchObject({ id: another, email });
  }
});

describe("chat:admin", () => {
  const granting: [name: string, claims: Claims][] = [
    ["alone in scope", { scope: "chat:admin" }],
    ["among others in scope", { scope: "openid chat:admin profile" }],
    ["in permissions", { permissions: ["read:x", "chat:admin"] }],
  ];
  test.each(granting)("%s acts on every room, over the socket and HTTP", async (_, claims) => {
    const member = freshEmail();
    const room = await server.createRoom([member]);
    const alice = await server.connectClassic(room, member);
    const admin = { sub: fresh("admin"), ...claims };
    const token = await tokenOf(admin);
    const back = await connectClassic(server.host, room, { token });
    expect(back.history).toEqual([]);
    back.send({ message: "from the back end" });
    expect(await alice.next()).toEqual({ message: "from the back end" });
    expect((await callApi(server, `GET /api/rooms/${room}/messages`, { token })).status).toBe(200);
    // The permission is the token's, not the user's.
    expect(await enter(room, { sub: admin.sub })).toBe(404);
    expect((await callApi(server, `DELETE /api/rooms/${room}`, { token })).status).toBe(204);
  });

  const other: Claims[] = [
    { scope: "chat:administrator" },
    { scope: "xchat:admin" },
    { scope: "chat:admin:read" },
    { scope: "chat:admin,openid" },
    { scope: "CHAT:ADMIN" },
    { scope: { "chat:admin": true } },
    { permissions: ["chat:administrator", "chat admin"] },
    { permissions: [["chat:admin"]] },
    { permissions: { "chat:admin": true } },
    { roles: ["chat:admin"], scp: "chat:admin" },
  ];
  test.each(other.map((claims) => [JSON.stringify(claims), claims] as const))(
    "is not %s",
    async (_, claims) => {
      const room = await server.createRoom([]);
      const token = await tokenOf(claims);
      expect(await enter(room, claims)).toBe(404);
      expect((await callApi(server, `GET /api/rooms/${room}`, { token })).status).toBe(404);
      expect((await callApi(server, `DELETE /api/rooms/${room}`, { token })).status).toBe(404);
      expect(await enter(room, { ...claims, scope: "chat:admin" })).toBe(101);
    },
  );
});
