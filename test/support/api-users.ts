import type { Role } from "../../src/chat/model.ts";
import { type ApiRequest, type ApiResponse, callApi } from "./api.ts";
import type { ServerFixture } from "./server.ts";

/** A user with a token of their own. */
export interface ApiUser {
  email: string;
  token: string;
  /** Sends a request with the user's token: `call("GET /api/me")`. */
  call: (request: string, options?: ApiRequest) => Promise<ApiResponse>;
}

let users = 0;

/** An email that no other user of this process has. */
export const newEmail = () => `user-${++users}@example.com`;

export async function createUser(
  server: Pick<ServerFixture, "url" | "token">,
  claims: Record<string, unknown> = {},
  email = newEmail(),
): Promise<ApiUser> {
  const token = await server.token(email, { claims });
  return { email, token, call: (request, options) => callApi(server, request, { token, ...options }) };
}

/** A room with one member of each role, and two users who are not in it; `admin` has `chat:admin`. */
export async function createRoomWithRoles(server: ServerFixture) {
  const [owner, moderator, member, stranger, admin] = await Promise.all([
    createUser(server),
    createUser(server),
    createUser(server),
    createUser(server),
    createUser(server, { scope: "openid chat:admin" }),
  ]);
  const { body } = await owner.call("POST /api/rooms", { body: { name: "Room" } });
  const room = String(body["id"]);
  const roles: [ApiUser, Role][] = [
    [moderator, "moderator"],
    [member, "member"],
  ];
  for (const [{ email }, role] of roles)
    await owner.call(`PUT /api/rooms/${room}/members/${email}`, { body: { role } });
  return { room, owner, moderator, member, stranger, admin };
}
