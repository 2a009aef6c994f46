import { callApi } from "./api.ts";
import type { ClassicClient, V2Client } from "./client.ts";
import { newRoomId, type ServerFixture } from "./server.ts";

/** The command line writes to the database from another process, without asking the server. */
export const ways = ["over HTTP", "by the command line"] as const;
export type Way = (typeof ways)[number];

/** The owner of the rooms that `roomChanges` creates. */
export const owner = "olga@example.com";

/** Changes of rooms and members, each over HTTP or by the command line. */
export function roomChanges(server: ServerFixture) {
  async function request(line: string): Promise<void> {
    const { status, text } = await callApi(server, line, { token: await server.token(owner) });
    if (status >= 300) throw new Error(`${line}: ${status} ${text}`);
  }

  async function createRoom(members: string[], id = newRoomId()): Promise<string> {
    await server.createRoom(members, { id });
    await server.asOperator((chat, operator) =>
      chat.rooms.setMember(operator, id, { email: owner }, "owner"),
    );
    return id;
  }

  async function addMember(way: Way, room: string, email: string): Promise<void> {
    if (way === "over HTTP") await request(`PUT /api/rooms/${room}/members/${email}`);
    else
      await server.asOperator((chat, operator) => chat.rooms.setMember(operator, room, { email }, "member"));
  }

  async function removeMember(way: Way, room: string, email: string): Promise<void> {
    if (way === "over HTTP") await request(`DELETE /api/rooms/${room}/members/${email}`);
    else await server.asOperator((chat, operator) => chat.rooms.removeMember(operator, room, { email }));
  }

  async function deleteRoom(way: Way, room: string): Promise<void> {
    if (way === "over HTTP") await request(`DELETE /api/rooms/${room}`);
    else await server.asOperator((chat, operator) => chat.rooms.delete(operator, room));
  }

  return { createRoom, addMember, removeMember, deleteRoom };
}

/** How the server closed a connection, such as `4403 removed`. A change must show within two seconds. */
export async function closeOf({ closed }: ClassicClient | V2Client): Promise<string> {
  const late = Bun.sleep(2000).then(() => ({ code: 0, reason: "still open" }));
  const { code, reason } = await Promise.race([closed, late]);
  return `${code} ${reason}`;
}
