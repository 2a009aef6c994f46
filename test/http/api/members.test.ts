import { describe, expect, test } from "bun:test";

import { type ApiUser, createRoomWithRoles, createUser, newEmail } from "../../support/api-users.ts";
import { callApi } from "../../support/api.ts";
import { unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

let subs = 0;
const newSub = () => `auth0|${++subs}`;

/** Ids of a room's members, sorted. */
async function memberIds(user: ApiUser, room: string): Promise<string[]> {
  const { body } = await user.call(`GET /api/rooms/${room}/members`);
  return (body["members"] as { id: string }[]).map(({ id }) => id).toSorted();
}

/** A room with members who have presented the same verified address, one after the other. */
async function createRoomWithSharedEmail(members: number) {
  const { room, owner } = await createRoomWithRoles(server);
  const email = newEmail();
  const ids = Array.from({ length: members }, newSub);
  for (const sub of ids) {
    await owner.call(`PUT /api/rooms/${room}/members/${encodeURIComponent(sub)}`);
    await (await createUser(server, { sub }, email)).call("GET /api/me");
  }
  return { room, owner, email, ids };
}

describe("inviting", () => {
  test("a user who was invited by email is a member from their first token on", async () => {
    const { room, owner } = await createRoomWithRoles(server);
    const invited = newEmail();
    const put = await owner.call(`PUT /api/rooms/${room}/members/${invited.toUpperCase()}`);
    expect(put.status).toBe(201);
    const shown = { id: null, email: invited, name: null, role: "member", joined_at: expect.any(String) };
    expect(put.body).toEqual(shown);
    expect((await owner.call(`PUT /api/rooms/${room}/members/${invited}`)).status).toBe(200);
    const dave = await createUser(server, { name: "Dave" }, invited);
    expect((await dave.call(`GET /api/rooms/${room}`)).body["role"]).toBe("member");
    const { body } = await dave.call(`GET /api/rooms/${room}/members`);
    expect(body["members"]).toContainEqual({ ...shown, id: `user|${invited}`, name: "Dave" });
  });

  test("a user whose token has no email is invited by their id", async () => {
    const { room, owner } = await createRoomWithRoles(server);
    const sub = newSub();
    const machine = await createUser(server, { sub, email: undefined });
    const path = `/api/rooms/${room}/members/${encodeURIComponent(sub)}`;
    expect((await owner.call(`PUT ${path}`)).status).toBe(201);
    expect((await machine.call("GET /api/me")).body).toMatchObject({ id: sub, email: null });
    expect((await machine.call(`GET /api/rooms/${room}`)).status).toBe(200);
    expect((await owner.call(`DELETE ${path}`)).status).toBe(204);
    expect((await machine.call(`GET /api/rooms/${room}`)).status).toBe(404);
  });

  test("emails are compared in NFC", async () => {
    const { room, owner } = await createRoomWithRoles(server);
    const [decomposed, composed] = ["zoe\u0308@example.com", "zoë@example.com"];
    const put = await owner.call(`PUT /api/rooms/${room}/members/${encodeURIComponent(decomposed)}`);
    expect(put.body["email"]).toBe(composed);
    for (const email of [composed, decomposed]) {
      const zoe = await createUser(server, { sub: "zoe" }, email);
      expect((await zoe.call("GET /api/me")).body["email"]).toBe(composed);
      expect((await zoe.call(`GET /api/rooms/${room}`)).status).toBe(200);
    }
  });

  const emailReason = /email address.*@/;
  test.each([
    [" ", /user id/],
    ["sub:", /user id/],
    ["a\0b", /user id/],
    ["alice smith", /sub:/],
    ["al\u200bice", /user id/],
    ["a".repeat(256), /255 characters/],
    [`sub:${"a".repeat(256)}`, /255 characters/],
    ["@", emailReason],
    ["alice@", emailReason],
    ["@example.com", emailReason],
    ["alice@bob@example.com", emailReason],
    ["alice smith@example.com", emailReason],
    ["alice\u200b@example.com", emailReason],
    ["alice\u202e@example.com", emailReason],
    [`${"a".repeat(250)}@example.com`, /254 characters/],
  ])("nobody can be invited as %j, and the answer says why", async (who, reason) => {
    const { room, owner } = await createRoomWithRoles(server);
    const path = `/api/rooms/${room}/members/${encodeURIComponent(who)}`;
    const { status, body } = await owner.call(`PUT ${path}`);
    expect([status, body["code"]]).toEqual([400, "invalid_command"]);
    expect(body["detail"]).toMatch(reason);
  });

  test("a room has PARLEY_MEMBERS_PER_ROOM members, invited ones included", async () => {
    await using small = await server.startAnother({ env: { PARLEY_MEMBERS_PER_ROOM: "2" } });
    const owner = newEmail();
    const token = await server.token(owner);
    const room = await small.createRoom([owner], { role: "owner" });
    const invite = async (email: string) =>
      (await callApi(small, `PUT /api/rooms/${room}/members/${email}`, { token })).status;
    const first = newEmail();
    expect([await invite(first), await invite(newEmail()), await invite(first)]).toEqual([201, 403, 200]);
  });
});

describe("removing", () => {
  test("an owner may leave once there is another", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const leave = () => owner.call(`DELETE /api/rooms/${room}/members/${owner.email}`);
    expect(await leave()).toMatchObject({ status: 409, body: { code: "conflict" } });
    await owner.call(`PUT /api/rooms/${room}/members/${member.email}`, { body: { role: "owner" } });
    expect((await leave()).status).toBe(204);
    expect((await owner.call(`GET /api/rooms/${room}`)).status).toBe(404);
    expect((await member.call(`GET /api/rooms/${room}`)).body["role"]).toBe("owner");
  });

  test("by the email with which a member is shown, even when the address has another owner now", async () => {
    const { room, owner, email, ids } = await createRoomWithSharedEmail(1);
    await (await createUser(server, { sub: newSub() }, email)).call("GET /api/me");
    const before = await memberIds(owner, room);
    expect((await owner.call(`DELETE /api/rooms/${room}/members/${email}`)).status).toBe(204);
    expect(await memberIds(owner, room)).toEqual(before.filter((id) => !ids.includes(id)));
  });

  test("by an email with which two members are shown is a conflict that names them", async () => {
    const { room, owner, email, ids } = await createRoomWithSharedEmail(2);
    const before = await memberIds(owner, room);
    const { status, body } = await owner.call(`DELETE /api/rooms/${room}/members/${email}`);
    expect([status, body["code"]]).toEqual([409, "conflict"]);
    expect((body["users"] as string[]).toSorted()).toEqual(ids.toSorted());
    expect(await memberIds(owner, room)).toEqual(before);
    for (const id of ids) await owner.call(`DELETE /api/rooms/${room}/members/${encodeURIComponent(id)}`);
    expect(await memberIds(owner, room)).toEqual(before.filter((id) => !ids.includes(id)));
  });
});
