import { beforeAll, describe, expect, test } from "bun:test";

import type { Role } from "../../../src/chat/model.ts";
import type { ErrorFrame } from "../../../src/protocol/frames.ts";
import { type ApiUser, createUser } from "../../support/api-users.ts";
import type { CommandInput } from "../../support/client.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

// Who may do what in which room, over HTTP and over sockets. The tables are those of docs/protocol.md, written out again.

const server = useServer({ env: unlimited });

const people = ["owner", "moderator", "member", "admin", "stranger", "banned"] as const;
type Person = (typeof people)[number];
type Cast = Record<Person | "other", ApiUser>;

let cast: Cast;
beforeAll(async () => {
  const users = people.map((person) =>
    createUser(server, person === "admin" ? { scope: "openid chat:admin" } : {}),
  );
  const [owner, moderator, member, admin, stranger, banned, other] = await Promise.all([
    ...users,
    createUser(server),
  ]);
  cast = { owner, moderator, member, admin, stranger, banned, other } as Cast;
  // Users who are known to the server.
  for (const user of Object.values(cast)) await user.call("GET /api/me");
});

/** Makes a room with one member of each role, another member who owns it, and one user who is banned from it. */
async function createRoom(settings: object = {}): Promise<string> {
  const id = newRoomId();
  await expectStatus(cast.admin, `PUT /api/rooms/${id}`, 201, { name: id, ...settings });
  const roles: [Person | "other", Role][] = [
    ["owner", "owner"],
    ["moderator", "moderator"],
    ["member", "member"],
    ["other", "owner"],
  ];
  const members = roles.map(([person, role]) => ({ who: cast[person].email, role }));
  await expectStatus(cast.admin, `POST /api/rooms/${id}/members`, 200, { members });
  await expectStatus(cast.admin, `PUT /api/rooms/${id}/bans/${cast.banned.email}`, 201, {});
  return id;
}

async function expectStatus(user: ApiUser, request: string, status: number, body?: object) {
  const answer = await user.call(request, body ? { body } : {});
  expect([request, answer.status, answer.text]).toEqual([request, status, answer.text]);
  return answer;
}

/** Each request, with its body, and what owner, moderator, member, administrator, stranger and banned user get for it. */
const requests: [
  request: string,
  body: object | undefined,
  ...statuses: [number, number, number, number, number, number],
][] = [
  ["GET ROOM", undefined, 200, 200, 200, 200, 404, 404],
  ["PATCH ROOM", { name: "New" }, 200, 403, 403, 200, 404, 404],
  ["PATCH ROOM", { access: "open" }, 200, 403, 403, 200, 404, 404],
  ["PATCH ROOM", { posting: "moderators" }, 200, 403, 403, 200, 404, 404],
  ["PATCH ROOM", { slow_mode: 30 }, 200, 403, 403, 200, 404, 404],
  ["POST ROOM/join", undefined, 200, 200, 200, 201, 404, 404],
  ["GET ROOM/bans", undefined, 200, 200, 403, 200, 404, 404],
  ["GET ROOM/mutes", undefined, 200, 200, 403, 200, 404, 404],
  ["GET ROOM/audit", undefined, 200, 403, 403, 200, 404, 404],
  ["PUT ROOM/bans/new@example.com", {}, 201, 201, 403, 201, 404, 404],
  ["PUT ROOM/mutes/new@example.com", {}, 201, 201, 403, 201, 404, 404],
  ["PUT ROOM/bans/MEMBER", {}, 201, 201, 403, 201, 404, 404],
  ["PUT ROOM/mutes/MEMBER", {}, 201, 201, 403, 201, 404, 404],
  ["PUT ROOM/bans/MODERATOR", {}, 201, 403, 403, 201, 404, 404],
  ["PUT ROOM/mutes/MODERATOR", {}, 201, 403, 403, 201, 404, 404],
  ["PUT ROOM/bans/OTHER", {}, 201, 403, 403, 201, 404, 404],
  ["PUT ROOM/mutes/OTHER", {}, 201, 403, 403, 201, 404, 404],
  ["PUT ROOM/bans/BANNED", {}, 200, 200, 403, 200, 404, 404],
  ["PUT ROOM/bans/BANNED", { until: "2999-01-01T00:00:00Z" }, 200, 403, 403, 200, 404, 404],
  ["DELETE ROOM/bans/BANNED", undefined, 204, 403, 403, 204, 404, 404],
  ["DELETE ROOM/bans/nobody@example.com", undefined, 204, 403, 403, 204, 404, 404],
  ["DELETE ROOM/mutes/MEMBER", undefined, 204, 204, 403, 204, 404, 404],
  ["DELETE ROOM/mutes/nobody@example.com", undefined, 204, 204, 403, 204, 404, 404],
  ["PUT ROOM/members/BANNED", {}, 403, 403, 403, 403, 404, 404],
  [
    "POST ROOM/members",
    { members: [{ who: "a@example.com" }, { who: "BANNED" }] },
    403,
    403,
    403,
    403,
    404,
    404,
  ],
  ["DELETE ROOM/members/BANNED", undefined, 204, 204, 403, 204, 404, 404],
  ["DELETE ROOM", undefined, 204, 403, 403, 204, 404, 404],
];
const requestCases = requests.flatMap(([request, body, ...statuses]) =>
  people.map((person, index) => ({ person, request, body, status: statuses[index] ?? 0 })),
);

/** Puts rooms and emails in place of their names. */
function fill(text: string, room: string): string {
  return text
    .replace("ROOM", `/api/rooms/${room}`)
    .replace(/MODERATOR|MEMBER|OTHER|BANNED/, (name) => cast[name.toLowerCase() as Person].email);
}

describe("room and moderation routes", () => {
  let unchanged: string;
  beforeAll(async () => {
    unchanged = await createRoom();
  });

  test.each(requestCases)("$person: $request $body is $status", async ({ person, request, body, status }) => {
    const isChange = status < 300 && !request.startsWith("GET");
    const room = isChange ? await createRoom() : unchanged;
    const sent = body && { body: JSON.parse(fill(JSON.stringify(body), room)) as object };
    const answer = await cast[person].call(fill(request, room), sent);
    expect([answer.status, answer.text]).toEqual([status, answer.text]);
    if (status !== 404) return;
    // A room that does not exist is answered in the same way.
    const nowhere = await cast[person].call(fill(request, newRoomId()), sent);
    expect([nowhere.status, nowhere.body]).toEqual([404, answer.body]);
    expect(answer.body["code"]).toBe("room_not_found");
  });
});

describe("an open room", () => {
  let room: string;
  beforeAll(async () => {
    room = await createRoom({ access: "open" });
  });

  test.each<[request: string, stranger: number, banned: number]>([
    ["GET ROOM", 200, 200],
    ["GET ROOM/messages", 404, 404],
    ["GET ROOM/members", 404, 404],
    ["GET ROOM/bans", 404, 404],
    ["GET ROOM/audit", 404, 404],
    ["GET ROOM/changes", 404, 404],
    ["GET ROOM/reads", 404, 404],
    ["PATCH ROOM", 404, 404],
    ["PUT ROOM/bans/MEMBER", 404, 404],
    ["DELETE ROOM", 404, 404],
    ["POST ROOM/messages", 404, 404],
  ])("shows a user who is not in it itself alone: %s", async (request, stranger, banned) => {
    const body = request.startsWith("GET") ? undefined : { text: "x", name: "x" };
    for (const [person, status] of [
      ["stranger", stranger],
      ["banned", banned],
    ] as const)
      await expectStatus(cast[person], fill(request, room), status, body);
  });

  test("may be joined by anyone who is not banned", async () => {
    const id = await createRoom({ access: "open" });
    const joined = await expectStatus(cast.stranger, `POST /api/rooms/${id}/join`, 201);
    expect(joined.body).toMatchObject({ id, role: "member", access: "open" });
    await expectStatus(cast.stranger, `POST /api/rooms/${id}/join`, 200);
    await expectStatus(cast.banned, `POST /api/rooms/${id}/join`, 403);
    await expectStatus(cast.stranger, `GET /api/rooms/${id}/messages`, 200);
  });
});

const roles = ["owner", "moderator", "member", "admin"] as const;
type Writer = (typeof roles)[number];
const everyone: readonly Writer[] = roles;
const moderators: readonly Writer[] = ["owner", "moderator", "admin"];
const administrators: readonly Writer[] = ["admin"];

/** What a user does with messages, and who may do it: as usual, where only moderators post, and while muted. */
const writing: Record<
  string,
  [usual: readonly Writer[], readOnly: readonly Writer[], muted: readonly Writer[]]
> = {
  send: [everyone, moderators, administrators],
  "edit their own": [everyone, moderators, administrators],
  react: [everyone, everyone, administrators],
  "take a reaction back": [everyone, everyone, everyone],
  read: [everyone, everyone, everyone],
  "delete their own": [everyone, everyone, everyone],
  "delete another's": [moderators, moderators, moderators],
};
type Action = keyof typeof writing;
const conditions = ["usual", "readOnly", "muted"] as const;
type Condition = (typeof conditions)[number];

/** A room with messages of the writer and of another member, which gets its condition after they were sent. */
async function createWritingRoom(writer: Writer, condition: Condition) {
  const room = await createRoom();
  const path = `/api/rooms/${room}`;
  const own = await expectStatus(cast[writer], `POST ${path}/messages`, 201, { text: "mine" });
  const others = await expectStatus(cast.other, `POST ${path}/messages`, 201, { text: "another's" });
  const seqs = { own: Number(own.body["seq"]), other: Number(others.body["seq"]) };
  const reaction = encodeURIComponent("🎉");
  await expectStatus(cast[writer], `PUT ${path}/messages/${seqs.other}/reactions/${reaction}`, 200);
  if (condition === "readOnly")
    await expectStatus(cast.admin, `PATCH ${path}`, 200, { posting: "moderators" });
  // An administrator cannot mute themselves.
  const by = writer === "admin" ? cast.other : cast.admin;
  if (condition === "muted") await expectStatus(by, `PUT ${path}/mutes/${cast[writer].email}`, 201, {});
  return { room, path, ...seqs };
}
type WritingRoom = Awaited<ReturnType<typeof createWritingRoom>>;

const httpRequests: Record<Action, (at: WritingRoom) => [request: string, body?: object]> = {
  send: ({ path }) => [`POST ${path}/messages`, { text: "new" }],
  "edit their own": ({ path, own }) => [`PATCH ${path}/messages/${own}`, { text: "edited" }],
  react: ({ path, own }) => [`PUT ${path}/messages/${own}/reactions/${encodeURIComponent("👍")}`],
  "take a reaction back": ({ path, other }) => [
    `DELETE ${path}/messages/${other}/reactions/${encodeURIComponent("🎉")}`,
  ],
  read: ({ path, other }) => [`PUT ${path}/read`, { seq: other }],
  "delete their own": ({ path, own }) => [`DELETE ${path}/messages/${own}`],
  "delete another's": ({ path, other }) => [`DELETE ${path}/messages/${other}`],
};

const commands: Record<
  Action,
  (at: WritingRoom) => Exclude<CommandInput, { type: "open" | "close" | "auth" | "ping" }>
> = {
  send: () => ({ type: "send", text: "new" }),
  "edit their own": ({ own }) => ({ type: "edit", seq: own, text: "edited" }),
  react: ({ own }) => ({ type: "react", seq: own, emoji: "👍", on: true }),
  "take a reaction back": ({ other }) => ({ type: "react", seq: other, emoji: "🎉", on: false }),
  read: ({ other }) => ({ type: "read", seq: other }),
  "delete their own": ({ own }) => ({ type: "delete", seq: own }),
  "delete another's": ({ other }) => ({ type: "delete", seq: other }),
};

const messages: Record<Condition, string> = {
  usual: "Only the sender, a moderator or an owner may delete a message.",
  readOnly: "Only moderators and owners may post in this room.",
  muted: "You are muted in this room.",
};

const writingCases = conditions.flatMap((condition) => roles.map((writer) => ({ writer, condition })));
/** What each action comes to: "done", or the reason of the refusal. */
const expected = (writer: Writer, condition: Condition): Record<Action, string> =>
  Object.fromEntries(
    Object.entries(writing).map(([action, allowed]) => {
      const reason = messages[action === "delete another's" ? "usual" : condition];
      return [action, allowed[conditions.indexOf(condition)]?.includes(writer) ? "done" : reason];
    }),
  );

describe.each(writingCases)("$writer, $condition", ({ writer, condition }) => {
  test("over HTTP", async () => {
    const at = await createWritingRoom(writer, condition);
    const outcomes: Record<Action, string> = {};
    for (const [action, request] of Object.entries(httpRequests)) {
      const [line, body] = request(at);
      const answer = await cast[writer].call(line, body && { body });
      if (answer.status >= 400) expect([answer.status, answer.body["code"]]).toEqual([403, "forbidden"]);
      outcomes[action] = answer.status < 300 ? "done" : String(answer.body["detail"]);
    }
    expect(outcomes).toEqual(expected(writer, condition));
  });

  test.each(["a room's URL", "a session"])("over %s", async (url) => {
    const at = await createWritingRoom(writer, condition);
    const { token } = cast[writer];
    const { email } = cast[writer];
    const outcomes: Record<Action, string> = {};
    const note = (action: Action, answer: { type: string }) => {
      if (answer.type === "error") expect(answer).toMatchObject({ code: "forbidden" });
      outcomes[action] = answer.type === "error" ? (answer as ErrorFrame).message : "done";
    };
    if (url === "a session") {
      const session = await server.connectSession(email, { token });
      for (const [action, command] of Object.entries(commands))
        note(action, await session.command({ ...command(at), room: at.room }));
      await session.close();
    } else {
      const client = await server.connectV2(at.room, email, { token });
      for (const [action, command] of Object.entries(commands))
        note(action, await client.command(command(at)));
      await client.close();
    }
    expect(outcomes).toEqual(expected(writer, condition));
  });

  test("typing, and sending in classic", async () => {
    const { room } = await createWritingRoom(writer, condition);
    const { email, token } = cast[writer];
    const isAllowed = writing["send"]?.[conditions.indexOf(condition)]?.includes(writer);
    const client = await server.connectV2(room, email, { token });
    client.send({ type: "typing", id: "t" });
    const answer = await client.next((frame) => frame.type === "typing" || frame.type === "error");
    if (isAllowed) expect(answer).toMatchObject({ type: "typing", room });
    else expect(answer).toMatchObject({ id: "t", code: "forbidden", message: messages[condition] });
    const classic = await server.connectClassic(room, email, { token });
    classic.post("new");
    const error = { error: { code: "forbidden", message: messages[condition] } };
    expect(await classic.next()).toEqual(isAllowed ? { message: "new" } : error);
    await Promise.all([client.close(), classic.close()]);
  });
});
