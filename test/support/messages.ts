import { Database } from "bun:sqlite";

import type { Chat } from "../../src/chat/chat.ts";
import { type Message, operator } from "../../src/chat/model.ts";
import type { Range } from "../../src/chat/store.ts";
import type { MessageBody } from "../../src/protocol/frames.ts";
import { messageBody } from "../../src/protocol/serialize.ts";
import type { V2Client, V2Frame } from "./client.ts";
import type { TestServer } from "./server.ts";

/** Writes messages straight into the database, which is much faster than sending them. Each text begins with its `seq`. */
export function fillRoom(
  server: Pick<TestServer, "config">,
  room: string,
  count: number,
  text = "text",
): void {
  if (count === 0) return;
  using database = new Database(server.config.database);
  database.run("PRAGMA busy_timeout = 5000");
  // One transaction, so that the server sees all of it or nothing.
  database.transaction(() => {
    const target = database
      .query<{ pk: number; seq: number; rev: number }, [string]>(
        "SELECT pk, seq, rev FROM rooms WHERE id = ? AND deleted_at IS NULL",
      )
      .get(room);
    if (!target) throw new Error(`no room ${room}`);
    const { pk, seq, rev } = target;
    database.run(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO messages (room_pk, seq, created_rev, sender_pk, text, sent_at)
       SELECT ?, ? + i, ? + i, (SELECT min(user_pk) FROM members WHERE room_pk = ?), (? + i) || ' ' || ?, 1790000000000 + i
       FROM n`,
      [count, pk, seq, rev, pk, seq, text],
    );
    database.run("UPDATE rooms SET seq = seq + ?, rev = rev + ? WHERE pk = ?", [count, count, pk]);
  })();
}

/** Reads messages as the operator. */
export async function readRange(chat: Chat, room: string, range: Range): Promise<Message[]> {
  return chat.messages.range((await chat.messages.enter(operator, room)).key, range);
}

/** Every message of a room as it is stored, by `seq`. */
export async function storedMessages(
  server: Pick<TestServer, "asOperator">,
  room: string,
): Promise<MessageBody[]> {
  const messages = await server.asOperator((chat) =>
    readRange(chat, room, { after: 0, limit: 2_000_000, oldest: true }),
  );
  return messages.map(messageBody);
}

/**
 * Checks all frames that a resumed client received. Throws when a change came twice, out of order, or beyond the `rev` of its
 * frame. Returns the `rev`s of each message in the order in which they came.
 */
export function replay({ texts }: Pick<V2Client, "texts">, since: number): Map<number, number[]> {
  let cursor = since;
  const seen = new Map<number, number[]>();
  for (const text of texts) {
    const frame = JSON.parse(text) as V2Frame;
    if (frame.type !== "hello" && frame.type !== "changes" && frame.type !== "change") continue;
    if (frame.type === "hello" && !frame.resumed) throw new Error("the client did not resume");
    const messages = frame.type === "change" ? [frame.message] : frame.messages;
    for (const { seq, rev } of messages) {
      if (rev <= cursor) throw new Error(`${rev} came after ${cursor}`);
      if (frame.type === "change" && rev !== cursor + 1) throw new Error(`live ${rev} after ${cursor}`);
      cursor = rev;
      seen.set(seq, [...(seen.get(seq) ?? []), rev]);
    }
    if (frame.type === "change") continue;
    if (frame.rev < cursor) throw new Error(`a frame up to ${frame.rev} holds ${cursor}`);
    cursor = frame.rev;
  }
  return seen;
}
