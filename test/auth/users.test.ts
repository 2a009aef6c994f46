import { describe, expect, test } from "bun:test";

import type { Role } from "../../src/chat/model.ts";
import { call } from "../support/api.ts";
import { connect, Refused } from "../support/client.ts";
import { startParley } from "../support/parley.ts";
import { newRoomId, stage } from "../support/stage.ts";

const at = stage({ env: { PARLEY_MESSAGE_RATE: "0" } });

let names = 0;
/** A name that no other test uses. */
const fresh = (name: string) => `${name}-${++names}`;
const freshEmail = () => `${fresh("user")}@example.com`;

interface Who {
  sub?: string;
  email?: string;
  [claim: string]: unknown;
}

/** A token with these claims, and none of its own. */
const tokenOf = ({ sub = fresh("sub"), email, ...claims }: Who) =>
  at.issuer.sign("", { claims: { sub, email, ...claims } });

/** What somebody gets who wants to come in: 101, or the status of the refusal. */
async function enter(room: string, who: Who): Promise<number> {
  const client = await connect(at.parley.host, room, { token: await tokenOf(who) }).catch(
    (error: unknown) => error,
  );
  if (client instanceof Refused) return client.status;
  await (client as Awaited<ReturnType<typeof connect>>).close();
  return 101;
}

/** Grants a membership as the host application's back end does. `who` is an email, or a `sub`. */
async function grant(room: string, who: string, role: Role = "member") {
  const token = await tokenOf({ scope: "chat:admin" });
  const request = `PUT /api/rooms/${room}/members/${encodeURIComponent(who)}`;
  const { status, body } = await call(at.parley, request, { token, body: { role } });
  return { status, body };
}

async function membersOf(room: string): Promise<unknown[]> {
  const token = await tokenOf({ scope: "chat:admin" });
  const { body } = await call(at.parley, `GET /api/rooms/${room}/members`, { token });
  return (body["members"] as { id: unknown; email: unknown; role: unknown }[]).map(({ id, email, role }) => [
    id,
    email,
    role,
  ]);
}

describe("an invitation by email", () => {
  test("is claimed for ever by the first verified sub that brings it", async () => {
    const email = freshEmail();
    const room = await at.roomOf(email);
    const first = { sub: fresh("first"), email };
    const second = { sub: fresh("second"), email };
    expect(await enter(room, first)).toBe(101);
    expect(await enter(room, second)).toBe(404);
    expect(await enter(room, { sub: first.sub })).toBe(101);
    // Whatever is granted to the email later is the first one's, too.
    const later = await at.roomOf();
    expect((await grant(later, email)).body).toMatchObject({ id: first.sub, email });
    expect(await enter(later, second)).toBe(404);
    expect(await enter(later, first)).toBe(101);
  });

  test("is claimed even where nothing was granted yet", async () => {
    const email = freshEmail();
    const first = { sub: fresh("first"), email };
    expect((await call(at.parley, "GET /api/me", { token: await tokenOf(first) })).status).toBe(200);
    const room = await at.roomOf(email);
    expect(await enter(room, { sub: fresh("second"), email })).toBe(404);
    expect(await enter(room, first)).toBe(101);
  });

  test("is claimed once, however many bring it at the same moment", async () => {
    const email = freshEmail();
    const room = await at.roomOf(email);
    const all = await Promise.all(
      Array.from({ length: 12 }, () => enter(room, { sub: fresh("racer"), email })),
    );
    expect(all.filter((status) => status === 101).length).toBe(1);
    expect(all.filter((status) => status === 404).length).toBe(11);
  });

  test("does not look at upper and lower case, nor at blanks around it", async () => {
    const name = fresh("Mixed");
    const room = await at.roomOf();
    expect((await grant(room, `${name}@Example.COM`)).body).toMatchObject({
      email: `${name.toLowerCase()}@example.com`,
    });
    expect(await enter(room, { email: `${name}x@example.com` })).toBe(404);
    expect(await enter(room, { email: ` ${name.toUpperCase()}@EXAMPLE.com` })).toBe(101);
  });

  test("reaches an email whose domain has no dot", async () => {
    const email = `${fresh("user")}@intranet`;
    const room = await at.roomOf();
    expect((await grant(room, email)).body).toMatchObject({ id: null, email });
    expect(await enter(room, { email })).toBe(101);
  });

  test.each([[false], ["false"]])("is not claimed by a token with email_verified: %p", async (unverified) => {
    const email = freshEmail();
    const room = await at.roomOf(email);
    const impostor = { sub: fresh("impostor"), email, email_verified: unverified };
    expect(await enter(room, impostor)).toBe(404);
    const { body } = await call(at.parley, "GET /api/me", { token: await tokenOf(impostor) });
    expect(body).toMatchObject({ id: impostor.sub, email: null });
    // He is known by his `sub`.
    const another = await at.roomOf();
    await grant(another, impostor.sub);
    expect(await enter(another, impostor)).toBe(101);
    expect(await enter(room, { sub: fresh("owner"), email, email_verified: true })).toBe(101);
  });

  test.each([["nobody"], [""], [42], [["a@example.com"]], [null]])(
    "is not claimed by the email %p",
    async (email) => {
      const token = await at.issuer.sign("", { claims: { sub: fresh("odd"), email } });
      expect((await call(at.parley, "GET /api/me", { token })).body).toMatchObject({ email: null });
    },
  );

  test("is claimed through the claim that PARLEY_EMAIL_CLAIM names, and no other", async () => {
    const claim = "https://example.com/email";
    await using parley = await startParley({ issuer: at.issuer.issuer, env: { PARLEY_EMAIL_CLAIM: claim } });
    const email = freshEmail();
    await parley.room("lobby", [email]);
    const status = async (claims: Who) =>
      (await call(parley, "GET /api/rooms/lobby", { token: await tokenOf(claims) })).status;
    expect(await status({ email })).toBe(404);
    expect(await status({ [claim]: email, email_verified: false })).toBe(404);
    expect(await status({ [claim]: email })).toBe(200);
  });
});

describe("a user without an email", () => {
  test("is known by sub, may be a member by sub, and sends under it", async () => {
    const sub = fresh("auth0|robot");
    const room = await at.roomOf();
    expect(await enter(room, { sub })).toBe(404);
    expect((await grant(room, sub)).body).toMatchObject({ id: sub, email: null });
    const robot = await connect(at.parley.host, room, { token: await tokenOf({ sub }) });
    expect(await robot.next()).toEqual([]);
    robot.send({ message: "beep" });
    expect(await robot.next()).toEqual({ message: "beep" });
    const again = await connect(at.parley.host, room, { token: await tokenOf({ sub }) });
    expect(await again.next()).toEqual([{ text: "beep", sender_email: sub }]);
  });

  test("is not somebody whose sub has other letters", async () => {
    const sub = fresh("Auth0|Robot");
    const room = await at.roomOf();
    await grant(room, sub);
    expect(await enter(room, { sub: sub.toLowerCase() })).toBe(404);
    expect(await enter(room, { sub })).toBe(101);
  });

  test("whose sub looks like an email is not the owner of that email", async () => {
    const email = freshEmail();
    const [byEmail, bySub] = [await at.roomOf(email), await at.roomOf()];
    await grant(bySub, `sub:${email}`);
    expect([await enter(byEmail, { sub: email }), await enter(bySub, { sub: email })]).toEqual([404, 101]);
    expect([await enter(byEmail, { email }), await enter(bySub, { email })]).toEqual([101, 404]);
  });

  test("gets what was granted to his email as soon as he brings it", async () => {
    const sub = fresh("late");
    const email = freshEmail();
    const invited = await at.roomOf(email);
    const own = newRoomId();
    expect(await enter(invited, { sub })).toBe(404);
    await at.parley.room(own, []);
    await grant(own, sub);
    expect(await enter(own, { sub })).toBe(101);
    expect([await enter(invited, { sub, email }), await enter(own, { sub, email })]).toEqual([101, 101]);
    expect(await membersOf(invited)).toEqual([[sub, email, "member"]]);
    // And keeps it, whatever his later tokens say.
    expect(await enter(invited, { sub })).toBe(101);
    expect(await enter(invited, { email })).toBe(404);
  });

  test.each<[bySub: Role, byEmail: Role, then: Role]>([
    ["member", "member", "member"],
    ["owner", "member", "owner"],
    ["member", "owner", "owner"],
    ["member", "moderator", "moderator"],
    ["moderator", "owner", "owner"],
  ])("who is %s of a room, and invited to it as %s, is then its %s", async (bySub, byEmail, then) => {
    const sub = fresh("both");
    const email = freshEmail();
    const room = await at.roomOf();
    await grant(room, email, byEmail);
    await grant(room, sub, bySub);
    expect((await membersOf(room)).length).toBe(2);
    expect(await enter(room, { sub, email })).toBe(101);
    expect(await membersOf(room)).toEqual([[sub, email, then]]);
  });
});

test("a user whose email changes keeps what he had, and both emails stay his", async () => {
  const sub = fresh("renamed");
  const [before, after] = [freshEmail(), freshEmail()];
  const [old, next] = [await at.roomOf(before), await at.roomOf(after)];
  expect([await enter(old, { sub, email: before }), await enter(next, { sub, email: before })]).toEqual([
    101, 404,
  ]);
  expect([await enter(old, { sub, email: after }), await enter(next, { sub, email: after })]).toEqual([
    101, 101,
  ]);
  expect(await membersOf(old)).toEqual([[sub, after, "member"]]);
  for (const email of [before, after]) {
    expect([await enter(old, { email }), await enter(next, { email })]).toEqual([404, 404]);
    const later = await at.roomOf();
    expect((await grant(later, email)).body).toMatchObject({ id: sub, email: after });
  }
});

describe("chat:admin", () => {
  const everywhere: [name: string, claims: Who][] = [
    ["alone in scope", { scope: "chat:admin" }],
    ["among others in scope", { scope: "openid chat:admin profile" }],
    ["in permissions", { permissions: ["read:x", "chat:admin"] }],
  ];
  test.each(everywhere)("%s acts on every room, over the socket and HTTP", async (_, claims) => {
    const member = freshEmail();
    const room = await at.roomOf(member);
    const alice = await at.join(room, member);
    const admin = { sub: fresh("admin"), ...claims };
    const token = await tokenOf(admin);
    const back = await connect(at.parley.host, room, { token });
    expect(await back.next()).toEqual([]);
    back.send({ message: "from the back end" });
    expect(await alice.next()).toEqual({ message: "from the back end" });
    expect((await call(at.parley, `GET /api/rooms/${room}/messages`, { token })).status).toBe(200);
    // It is the token that may, not the user.
    expect(await enter(room, { sub: admin.sub })).toBe(404);
    expect((await call(at.parley, `DELETE /api/rooms/${room}`, { token })).status).toBe(204);
  });

  const nowhere: Who[] = [
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
  test.each(nowhere.map((claims) => [JSON.stringify(claims), claims] as const))(
    "is not %s",
    async (_, claims) => {
      const room = await at.roomOf();
      const token = await tokenOf(claims);
      expect(await enter(room, claims)).toBe(404);
      expect((await call(at.parley, `GET /api/rooms/${room}`, { token })).status).toBe(404);
      expect((await call(at.parley, `DELETE /api/rooms/${room}`, { token })).status).toBe(404);
      expect(await enter(room, { ...claims, scope: "chat:admin" })).toBe(101);
    },
  );
});
