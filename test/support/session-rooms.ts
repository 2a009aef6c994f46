import { Database } from "bun:sqlite";

import type { SessionFrame } from "../../src/protocol/frames.ts";
import { handshake, RawConnection } from "./raw.ts";
import { newRoomId, type ServerFixture } from "./server.ts";
import { SessionModel } from "./session-model.ts";

/** Writes rooms with these members straight into the database. With `text`, each has one message, of the first member. */
export async function createRooms(
  server: Pick<ServerFixture, "config" | "createRoom">,
  members: readonly string[],
  count: number,
  text?: string,
): Promise<string[]> {
  // So that the users are there.
  const ids = [await server.createRoom(members)];
  using database = new Database(server.config.database);
  database.run("PRAGMA busy_timeout = 5000");
  const addRoom = database.query<{ pk: number }, [string, string, number]>(
    "INSERT INTO rooms (id, name, seq, rev, created_at) VALUES (?, ?, 0, 0, ?) RETURNING pk",
  );
  const addMember = database.query(
    "INSERT INTO members (room_pk, user_pk, role, joined_at) SELECT ?, user_pk, 'member', 0 FROM emails WHERE email = ?",
  );
  const addMessage = database.query(
    "INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at) SELECT ?, 1, 1, user_pk, ?, ? FROM emails WHERE email = ?",
  );
  database.transaction(() => {
    while (ids.length < count) {
      const id = newRoomId();
      const at = Date.now() + ids.length;
      const pk = addRoom.get(id, id, at)?.pk ?? 0;
      for (const email of members) addMember.run(pk, email);
      if (text !== undefined) {
        addMessage.run(pk, text, at, members[0] ?? "");
        database.run("UPDATE rooms SET seq = 1, rev = 1 WHERE pk = ?", [pk]);
      }
      ids.push(id);
    }
  })();
  return ids;
}

/** Starts a session on a TCP connection that can be paused. `hello` is still to be read. */
export async function openRawSession(
  server: Pick<ServerFixture, "host" | "token">,
  email: string,
): Promise<RawConnection> {
  const raw = await RawConnection.open(server.host);
  const authorization = `Bearer ${await server.token(email)}`;
  raw.write(handshake(server.host, "/ws/", { authorization, "sec-websocket-protocol": "chat.v2" }));
  const { status } = await raw.answer();
  if (status !== 101) throw new Error(`refused with ${status}`);
  return raw;
}

/** A session on a TCP connection, and what its client knows. */
export class RawSession {
  readonly model = new SessionModel();
  readonly frames: SessionFrame[] = [];

  constructor(readonly raw: RawConnection) {}

  /** Reads and applies the next frame. Rejects when it breaks the rules. */
  async next(): Promise<SessionFrame> {
    const frame = (await this.raw.next()) as SessionFrame;
    this.frames.push(frame);
    this.model.apply(frame);
    return frame;
  }

  /** Reads frames until a condition holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.next();
  }
}
