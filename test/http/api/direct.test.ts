import { describe, expect, test } from "bun:test";

import { type ApiUser, createUser, newEmail } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

/** Users who are members of one room. */
async function createTeam(): Promise<{ alice: ApiUser; bob: ApiUser; room: string }> {
  const [alice, bob] = [
    await createUser(server, { name: "Alice" }),
    await createUser(server, { name: "Bob" }),
  ];
  // They sign in: an invited user has neither an id nor a name.
  await bob.call("GET /api/me");
  const room = newRoomId();
  await alice.call("POST /api/rooms", { body: { id: room, name: "Team" } });
  await alice.call(`PUT /api/rooms/${room}/members/${bob.email}`, { body: {} });
  return { alice, bob, room };
}

const userOf = async (user: ApiUser) => {
  const { id, email, name } = (await user.call("GET /api/me")).body;
  return { id, email, name };
};

/** Opens the conversation of the first with the second. */
async function open(from: ApiUser, to: ApiUser) {
  const answer = await from.call(`PUT /api/direct/${to.email}`);
  return { ...answer, id: String(answer.body["id"]), path: `/api/rooms/${String(answer.body["id"])}` };
}

describe("opening", () => {
  test("a conversation is created once, and listed with its other user", async () => {
    const { alice, bob } = await createTeam();
    const [first, bobsUser, alicesUser] = [await open(alice, bob), await userOf(bob), await userOf(alice)];
    expect(first.status).toBe(201);
    expect(first.headers.get("location")).toBe(first.path);
    expect(first.body).toMatchObject({
      name: "Alice, Bob",
      role: "member",
      access: "members",
      direct: bobsUser,
      unread: 0,
      last_message: null,
    });
    const second = await bob.call(`PUT /api/direct/${encodeURIComponent(`sub:${String(alicesUser.id)}`)}`);
    expect(second.status).toBe(200);
    expect(second.body).toEqual({ ...first.body, direct: alicesUser });
    const { body } = await bob.call("GET /api/rooms");
    const listed = (body["rooms"] as Record<string, unknown>[]).filter((each) => "direct" in each);
    expect(listed).toEqual([second.body]);
    expect((await alice.call(`GET ${first.path}`)).body).toMatchObject({ direct: bobsUser });
  });

  test("both may open it at the same time", async () => {
    const { alice, bob } = await createTeam();
    const answers = await Promise.all([open(alice, bob), open(bob, alice), open(alice, bob)]);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  test("nobody learns who exists: strangers and unknown users are refused alike", async () => {
    const [alice, stranger] = [await createUser(server), await createUser(server)];
    await stranger.call("GET /api/me");
    const answers = [await open(alice, stranger), await alice.call(`PUT /api/direct/${newEmail()}`)];
    for (const answer of answers) expectProblem(answer, 404, "member_not_found");
    expect(answers[0]?.text).toBe(answers[1]?.text ?? "");
    const admin = await createUser(server, { scope: "chat:admin" });
    expect((await open(admin, stranger)).status).toBe(201);
    expect((await open(stranger, admin)).status).toBe(200);
    expectProblem(await admin.call(`PUT /api/direct/${newEmail()}`), 404, "member_not_found");
  });

  test("a conversation with oneself, and with what is no user's name, is refused", async () => {
    const alice = await createUser(server);
    expectProblem(await open(alice, alice), 403, "forbidden");
    expectProblem(await alice.call("PUT /api/direct/a@b@c"), 400, "invalid_command");
  });

  test("counts against PARLEY_ROOMS_PER_USER", async () => {
    await using small = await server.startAnother({ env: { PARLEY_ROOMS_PER_USER: "1" } });
    const [alice, bob] = [await createUser(small), await createUser(small)];
    const admin = await createUser(small, { scope: "chat:admin" });
    const room = newRoomId();
    await admin.call(`PUT /api/rooms/${room}`, { body: { name: "Team" } });
    for (const { email } of [alice, bob, admin])
      await admin.call(`PUT /api/rooms/${room}/members/${email}`, { body: {} });
    expect((await open(alice, bob)).status).toBe(201);
    expectProblem(await open(alice, admin), 403, "forbidden");
    expect((await open(admin, alice)).status).toBe(201);
    expect((await open(alice, admin)).status).toBe(200);
  });
});

describe("a conversation", () => {
  test("has fixed members and settings; an administrator may delete it", async () => {
    const { alice, bob } = await createTeam();
    const { path, id } = await open(alice, bob);
    const admin = await createUser(server, { scope: "chat:admin" });
    const carol = await createUser(server);
    const requests: [request: string, body?: object][] = [
      [`PATCH ${path}`, { name: "x" }],
      [`PUT ${path}/members/${carol.email}`, {}],
      [`PUT ${path}/members/${bob.email}`, { role: "owner" }],
      [`POST ${path}/members`, { members: [{ who: carol.email }] }],
      [`DELETE ${path}/members/${bob.email}`],
      [`DELETE ${path}/members/${alice.email}`],
      [`PUT ${path}/mutes/${bob.email}`, {}],
      [`PUT ${path}/bans/${bob.email}`, {}],
      [`DELETE ${path}/bans/${bob.email}`],
    ];
    for (const user of [alice, admin]) {
      for (const [request, body] of requests) {
        const answer = await user.call(request, body && { body });
        expectProblem(answer, 403, "forbidden");
        expect(answer.body["detail"]).toContain("direct conversation");
      }
    }
    expectProblem(await admin.call(`POST ${path}/join`), 403, "forbidden");
    for (const request of [`GET ${path}`, `POST ${path}/join`])
      expectProblem(await carol.call(request), 404, "room_not_found");
    expectProblem(await alice.call(`DELETE ${path}`), 403, "forbidden");
    expect((await admin.call(`GET ${path}`)).body).not.toHaveProperty("direct");
    expect((await admin.call(`DELETE ${path}`)).status).toBe(204);
    const again = await open(bob, alice);
    expect([again.status, again.id === id]).toEqual([201, false]);
  });

  test("is told to the sessions of both, and shows the other user when it is opened", async () => {
    const { alice, bob } = await createTeam();
    const [alices, bobs] = [
      await server.connectSession(alice.email, { token: alice.token }),
      await server.connectSession(bob.email, { token: bob.token }),
    ];
    const { id } = await open(alice, bob);
    expect(await alices.next("joined")).toMatchObject({ room: { id, direct: await userOf(bob) } });
    expect(await bobs.next("joined")).toMatchObject({ room: { id, direct: await userOf(alice) } });
    const opened = await bobs.open(id);
    expect(opened).toMatchObject({ room: { id, direct: await userOf(alice) } });
    await alices.say(id, "Hello");
    await bobs.until(() => bobs.room(id).last_message?.text === "Hello");
    const later = await server.connectSession(bob.email, { token: bob.token });
    expect(later.hello.rooms[0]).toMatchObject({ id, unread: 1, direct: await userOf(alice) });
    const single = await server.connectV2(id, alice.email, { token: alice.token });
    expect(single.hello.room).toMatchObject({ id, direct: await userOf(bob) });
    await Promise.all([alices.close(), bobs.close(), later.close(), single.close()]);
  });
});
