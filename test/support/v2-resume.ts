import { Database } from "bun:sqlite";

import type { MessageBody, ServerFrame } from "../../src/protocol/frames.ts";
import { messageBody } from "../../src/protocol/serialize.ts";
import type { Parley } from "./parley.ts";
import { handshake, Raw } from "./raw.ts";
import type { V2 } from "./v2.ts";

/** Writes messages into a room past the server: as many as one likes in a moment. Each text begins with its `seq`. */
export function fill(parley: Parley, room: string, count: number, text = "text"): void {
  if (count === 0) return;
  using database = new Database(parley.config.database);
  database.run("PRAGMA busy_timeout = 5000");
  // One transaction: the server sees all of it, or nothing.
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

/** Every message of a room as it is on disk, by `seq`. */
export async function stored(parley: Parley, room: string): Promise<MessageBody[]> {
  const messages = await parley.asOperator((chat, operator) =>
    chat.messages(operator, room, { after: 0, limit: 2_000_000, oldest: true }),
  );
  return messages.map(messageBody);
}

/** A TCP connection that speaks `chat.v2`, with the `hello` still to be read. */
export async function rawV2(host: string, room: string, token: string, since?: number): Promise<Raw> {
  const raw = await Raw.open(host);
  const query = since === undefined ? "" : `?since=${since}`;
  const headers = { authorization: `Bearer ${token}`, "sec-websocket-protocol": "chat.v2" };
  raw.write(handshake(host, `/ws/chat/${room}/${query}`, headers));
  const { status } = await raw.answer();
  if (status !== 101) throw new Error(`refused with ${status}`);
  return raw;
}

/**
 * Goes through every frame that a client was sent. Throws when a change came twice, out of order, or ahead of the `rev`
 * of its frame. Answers with each message's `rev`s, in the order in which they came.
 */
export function replay({ texts }: Pick<V2, "texts">, since: number): Map<number, number[]> {
  let cursor = since;
  const seen = new Map<number, number[]>();
  for (const text of texts) {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type !== "hello" && frame.type !== "changes" && frame.type !== "change") continue;
    if (frame.type === "hello" && !frame.resumed) throw new Error("it began anew");
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

/** Numbers from 0 up to 1, the same ones for the same seed. */
export function randomness(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}
