import { beforeAll, describe, expect, test } from "bun:test";

import { createRoomWithRoles, newEmail } from "../../support/api-users.ts";
import { newRoomId, unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

type Cast = Awaited<ReturnType<typeof createRoomWithRoles>>;
type Person = Exclude<keyof Cast, "room">;
const people: Person[] = ["owner", "moderator", "member", "stranger", "admin"];

/** A room that no test changes. */
let shared: Cast;
beforeAll(async () => {
  shared = await createRoomWithRoles(server);
});

/** Each request, and what the owner, moderator, member, stranger and administrator get for it. */
const table: [request: string, ...statuses: [number, number, number, number, number]][] = [
  ["GET /api/rooms/ROOM", 200, 200, 200, 404, 200],
  ["GET /api/rooms/ROOM/messages", 200, 200, 200, 404, 200],
  ["GET /api/rooms/ROOM/members", 200, 200, 200, 404, 200],
  ["PUT /api/rooms/ROOM/members/NEW", 201, 201, 403, 404, 201],
  ["PUT /api/rooms/ROOM/members/NEW as member", 201, 201, 403, 404, 201],
  ["PUT /api/rooms/ROOM/members/NEW as moderator", 201, 403, 403, 404, 201],
  ["PUT /api/rooms/ROOM/members/NEW as owner", 201, 403, 403, 404, 201],
  ["PUT /api/rooms/ROOM/members/MEMBER as member", 200, 200, 403, 404, 200],
  ["PUT /api/rooms/ROOM/members/MEMBER as moderator", 200, 403, 403, 404, 200],
  ["PUT /api/rooms/ROOM/members/MODERATOR as member", 200, 403, 403, 404, 200],
  ["PUT /api/rooms/ROOM/members/OWNER as member", 409, 403, 403, 404, 409],
  ["PUT /api/rooms/ROOM/members/OWNER as owner", 200, 403, 403, 404, 200],
  ["DELETE /api/rooms/ROOM/members/NEW", 204, 204, 403, 404, 204],
  ["DELETE /api/rooms/ROOM/members/MEMBER", 204, 204, 204, 404, 204],
  ["DELETE /api/rooms/ROOM/members/MODERATOR", 204, 204, 403, 404, 204],
  ["DELETE /api/rooms/ROOM/members/OWNER", 409, 403, 403, 404, 409],
  ["DELETE /api/rooms/ROOM", 204, 403, 403, 404, 204],
];
const cases = table.flatMap(([request, ...statuses]) =>
  people.map((who, index) => ({ who, request, status: statuses[index] ?? 0 })),
);

/** Sends a request of the table. */
function send(cast: Cast, who: Person, request: string) {
  const [path = "", role] = request
    .replace("ROOM", cast.room)
    .replace("NEW", newEmail())
    .replace("MEMBER", cast.member.email)
    .replace("MODERATOR", cast.moderator.email)
    .replace("OWNER", cast.owner.email)
    .split(" as ");
  return cast[who].call(path, role === undefined ? {} : { body: { role } });
}

async function rolesIn({ admin, room }: Cast): Promise<unknown> {
  const { body } = await admin.call(`GET /api/rooms/${room}/members`);
  return (body["members"] as { email: string; role: string }[]).map(({ email, role }) => [email, role]);
}

test.each(cases)("$who: $request is $status", async ({ who, request, status }) => {
  if (status < 400 && !request.startsWith("GET")) {
    expect((await send(await createRoomWithRoles(server), who, request)).status).toBe(status);
    return;
  }
  const before = await rolesIn(shared);
  expect((await send(shared, who, request)).status).toBe(status);
  expect(await rolesIn(shared)).toEqual(before);
});

describe("a room that the user is not in looks like one that does not exist", () => {
  test.each([
    "GET /api/rooms/ROOM",
    "DELETE /api/rooms/ROOM",
    "GET /api/rooms/ROOM/members",
    "PUT /api/rooms/ROOM/members/carol@example.com",
    "DELETE /api/rooms/ROOM/members/carol@example.com",
    "GET /api/rooms/ROOM/messages",
  ])("%s", async (request) => {
    const answerFor = async (room: string) => {
      const { headers, ...answer } = await shared.stranger.call(request.replace("ROOM", room));
      return { ...answer, headers: { ...Object.fromEntries(headers), date: "" } };
    };
    const hidden = await answerFor(shared.room);
    expect(hidden.status).toBe(404);
    expect(hidden).toEqual(await answerFor(newRoomId()));
    expect((await shared.member.call(`GET /api/rooms/${shared.room}`)).status).toBe(200);
  });
});
