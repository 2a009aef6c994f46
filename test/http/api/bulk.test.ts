import { describe, expect, test } from "bun:test";

import { type ApiUser, createRoomWithRoles, createUser, newEmail } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

/** Reads a list page by page. */
async function readPages<T>(user: ApiUser, path: string, key: string, limit: number): Promise<T[]> {
  const items: T[] = [];
  for (let cursor = ""; ;) {
    const { status, body } = await user.call(
      `GET ${path}${path.includes("?") ? "&" : "?"}limit=${limit}${cursor}`,
    );
    expect(status).toBe(200);
    const page = body[key] as T[];
    expect(page.length).toBeLessThanOrEqual(limit);
    items.push(...page);
    const next = body["next"] as string | null;
    if (next === null) return items;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
}

describe("many members in one request", () => {
  const emails = Array.from({ length: 1000 }, (_, index) => `bulk-${index}@example.com`);
  const members = emails.map((who) => ({ who }));

  test("are added by owners and administrators, and listed in pages", async () => {
    const { room, owner, admin } = await createRoomWithRoles(server);
    const path = `/api/rooms/${room}/members`;
    const added = await owner.call(`POST ${path}`, { body: { members } });
    expect([added.status, added.body]).toEqual([200, { added: 1000, changed: 0 }]);
    const again = { members: [...members.slice(1), { who: emails[0], role: "moderator" }] };
    expect((await admin.call(`POST ${path}`, { body: again })).body).toEqual({ added: 0, changed: 1 });
    const listed = await readPages<{ email: string; role: string }>(owner, path, "members", 300);
    expect(listed.map(({ role }) => role)).toEqual([
      "owner",
      ...Array.from({ length: 2 }, () => "moderator"),
      ...Array.from({ length: 1000 }, () => "member"),
    ]);
    expect(new Set(listed.map(({ email }) => email)).size).toBe(1003);
  });

  test("are added together or not at all", async () => {
    const { room, owner, moderator, member, stranger } = await createRoomWithRoles(server);
    const path = `/api/rooms/${room}/members`;
    // Users who have signed in have their id from then on.
    for (const user of [moderator, member]) await user.call("GET /api/me");
    const before = (await owner.call(`GET ${path}`)).body;
    const [one, two] = [newEmail(), newEmail()];
    const demoted = { members: [{ who: one }, { who: owner.email, role: "member" }] };
    expectProblem(await owner.call(`POST ${path}`, { body: demoted }), 409, "conflict", { index: 1 });
    const promoted = { members: [{ who: one }, { who: two, role: "owner" }] };
    expectProblem(await moderator.call(`POST ${path}`, { body: promoted }), 403, "forbidden", { index: 1 });
    expectProblem(await member.call(`POST ${path}`, { body: { members: [{ who: one }] } }), 403, "forbidden");
    const hidden = await stranger.call(`POST ${path}`, { body: promoted });
    expectProblem(hidden, 404, "room_not_found");
    expect((await owner.call(`GET ${path}`)).body).toEqual(before);
    const user = await createUser(server, {}, one);
    expect((await user.call("GET /api/rooms")).body["rooms"]).toEqual([]);
  });

  test.each<[name: string, body: unknown]>([
    ["no list", {}],
    ["no members", { members: [] }],
    ["1,001 members", { members: [...members, { who: "one@more.example" }] }],
    ["a member without who", { members: [{ role: "member" }] }],
    ["an unknown role", { members: [{ who: "a", role: "guest" }] }],
    ["an address that is none", { members: [{ who: "a@" }] }],
    ["a number", { members: [7] }],
  ])("are refused with %s", async (_, body) => {
    const { room, owner } = await createRoomWithRoles(server);
    const answer = await owner.call(`POST /api/rooms/${room}/members`, { body });
    expectProblem(answer, 400, "invalid_command");
  });

  test("are refused with the place of the one that cannot be added", async () => {
    const { room, owner, moderator } = await createRoomWithRoles(server);
    const path = `POST /api/rooms/${room}/members`;
    const [banned, other] = [newEmail(), newEmail()];
    await owner.call(`PUT /api/rooms/${room}/bans/${banned}`, { body: {} });
    const refused = async (user: ApiUser, ...list: { who: string; role?: string }[]) => {
      const { status, body } = await user.call(path, { body: { members: list } });
      return [status, body["index"], body["detail"]];
    };
    expect(await refused(owner, { who: other }, { who: "a@" })).toEqual([
      400,
      1,
      expect.stringMatching(/^members\.1\.who: This is not an email address/),
    ]);
    const rule = "A banned user cannot be a member of this room.";
    expect(await refused(owner, { who: other }, { who: banned })).toEqual([403, 1, rule]);
    expect(await refused(owner, { who: banned })).toEqual([403, undefined, rule]);
    const role = "Your role in this room does not allow this.";
    expect(await refused(moderator, { who: other }, { who: newEmail(), role: "owner" })).toEqual([
      403,
      1,
      role,
    ]);
  });

  test("learn of it at once, and so does the room", async () => {
    const { room, owner, member } = await createRoomWithRoles(server);
    const user = await createUser(server);
    const inRoom = await server.connectV2(room, member.email);
    const session = await server.connectSession(user.email);
    await owner.call(`POST /api/rooms/${room}/members`, { body: { members: [{ who: user.email }] } });
    expect(await session.next("joined")).toMatchObject({ room: { id: room, role: "member" } });
    expect(await inRoom.next("member")).toMatchObject({ user: { email: user.email }, role: "member" });
  });

  test("cost their user as many commands as they are worth", async () => {
    await using limited = await server.startAnother({ env: { PARLEY_MESSAGE_RATE: "0.01" } });
    const owner = await createUser(limited);
    const { body } = await owner.call("POST /api/rooms", { body: { name: "Room" } });
    const path = `/api/rooms/${String(body["id"])}/members`;
    expect((await owner.call(`POST ${path}`, { body: { members } })).status).toBe(200);
    expectProblem(
      await owner.call(`POST ${path}`, { body: { members: members.slice(0, 1) } }),
      429,
      "rate_limited",
    );
  });
});

describe("pages of members", () => {
  test.each(["0", "1001", "x"])("a limit of %s is refused", async (limit) => {
    const { room, member } = await createRoomWithRoles(server);
    const answer = await member.call(`GET /api/rooms/${room}/members?limit=${limit}`);
    expectProblem(answer, 400, "invalid_command");
  });

  test.each(["1", "guest-1", "member-", "member-1e9", "owner-1;drop"])(
    "a cursor of %s is refused",
    async (cursor) => {
      const { room, member } = await createRoomWithRoles(server);
      const answer = await member.call(`GET /api/rooms/${room}/members?cursor=${encodeURIComponent(cursor)}`);
      expectProblem(answer, 400, "invalid_command");
    },
  );
});

describe("all rooms", () => {
  test("are listed for administrators by id, in pages, each with their own role", async () => {
    const { room, owner, admin } = await createRoomWithRoles(server);
    const own = newRoomId();
    await admin.call(`POST /api/rooms`, { body: { id: own, name: "Own" } });
    const listed = await readPages<{ id: string; role: string | null }>(
      admin,
      "/api/rooms?all=true",
      "rooms",
      1,
    );
    const ids = listed.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(listed).toContainEqual((await admin.call(`GET /api/rooms/${room}`)).body as never);
    expect(listed.find(({ id }) => id === own)?.role).toBe("owner");
    expect(listed.find(({ id }) => id === room)?.role).toBeNull();
    expectProblem(await owner.call("GET /api/rooms?all=true"), 403, "forbidden");
    // Without it, an administrator sees their own rooms, too.
    expect((await admin.call("GET /api/rooms?all=false")).body["rooms"]).toMatchObject([{ id: own }]);
    expectProblem(await admin.call("GET /api/rooms?all=yes"), 400, "invalid_command");
  });
});
