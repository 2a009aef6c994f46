import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import type { ChangesFrame, HelloFrame } from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { fillRoom } from "../support/messages.ts";
import { connectRawV2, encodeFrame, type RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { linux, still } from "../support/slow-reader.ts";

// Resumes of more than any buffer holds.

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";

const encoded = (command: Command) => encodeFrame(JSON.stringify(command));

/** What brings the cursor on. */
async function page(raw: RawConnection): Promise<{ bytes: number; frame: HelloFrame | ChangesFrame }> {
  const { payload } = await raw.frame();
  const frame = JSON.parse(payload.toString()) as HelloFrame | ChangesFrame;
  if (frame.type !== "hello" && frame.type !== "changes") throw new Error(`a ${String(payload)}`);
  return { bytes: payload.length, frame };
}

test.if(linux)(
  "from 1,000,000 behind, a reader who stands still has little waiting for him; when he goes on he gets everything once",
  async () => {
    const length = 1_000_000;
    const room = await createRoom([alice]);
    fillRoom(server, room, length, "0");
    const raw = await connectRawV2(server.host, room, await token(alice), 0);
    using database = new Database(server.config.database);
    const pauses = [300, 50_000, 500_000];
    /** By how many pauses the texts of a frame are older than the last one: the server had read them by then. */
    let [generation, late, seq, rev] = [0, 0, 0, 0];
    const waited: number[] = [];
    while (rev < length) {
      const { bytes, frame } = await page(raw);
      for (const message of frame.messages) {
        if (message.seq !== ++seq) throw new Error(`${message.seq} in place of ${seq}`);
        if (!message.text.endsWith(` ${generation}`)) late += bytes / frame.messages.length;
      }
      ({ rev } = frame);
      if (rev <= (pauses[generation] ?? Infinity)) continue;
      if (generation > 0) waited.push(late);
      raw.socket.pause();
      // What is in the kernel is not the server's any more.
      late = -(await still(raw));
      generation++;
      database.run("UPDATE messages SET text = seq || ' ' || ? WHERE seq > ?", [generation, seq]);
      raw.socket.resume();
    }
    waited.push(late);
    expect(generation).toBe(pauses.length);
    // Of what the server had read when he stopped, the rest: its own queue, and what was on its way through this process.
    for (const bytes of waited) expect(bytes).toBeLessThan(512 * 1024);
    expect({ seq, rev }).toEqual({ seq: length, rev: length });
    raw.destroy();
  },
  60_000,
);

test.each([
  ["16 KB of three bytes a letter", "€".repeat(5461)],
  ["16 KB of what JSON escapes", "\u0001".repeat(16_384)],
])(
  "texts full of %s come in frames of which none is too long for a slow reader",
  async (_, text) => {
    const room = await createRoom([alice]);
    const length = 1000;
    fillRoom(server, room, length, text);
    const raw = await connectRawV2(server.host, room, await token(alice), 0);
    raw.socket.pause();
    // Nobody who pauses is cut for what he asked for himself.
    if (linux) await still(raw);
    raw.socket.resume();
    let [seq, rev, longest] = [0, 0, 0];
    while (rev < length) {
      const { bytes, frame } = await page(raw);
      for (const message of frame.messages) {
        expect(message.seq).toBe(++seq);
        if (message.text !== `${seq} ${text}`) throw new Error(`${seq} has another text`);
      }
      ({ rev } = frame);
      longest = Math.max(longest, bytes);
    }
    expect({ seq, rev }).toEqual({ seq: length, rev: length });
    expect(longest).toBeLessThan(512 * 1024);
    raw.destroy();
  },
  30_000,
);

test("resumes that run together are fair, one that stands still holds up nobody, and whoever sends is answered meanwhile", async () => {
  const room = await createRoom([alice]);
  const length = 100_000;
  fillRoom(server, room, length);
  const bearer = await token(alice);
  const sender = await connectRawV2(server.host, room, bearer);
  await sender.next();
  const end = new AbortController();
  let [answered, frames] = [0, 0];
  const send = async () => {
    for (let n = 0; !end.signal.aborted; n++) {
      sender.write(encoded({ type: "send", id: `${n}`, text: "meanwhile" }));
      for (let ack = false; !ack;) ack = ((await sender.next()) as { type: string }).type === "ack";
      answered++;
    }
  };
  const stuck = await connectRawV2(server.host, room, bearer, 0);
  stuck.socket.pause();
  const cursors = [0, 0, 0, 0, 0];
  const read = async (index: number) => {
    const raw = await connectRawV2(server.host, room, bearer, 0);
    // To what there was at the beginning, and then on to what was said since.
    for (let cursor = 0; cursor < length;) {
      const { frame } = await page(raw);
      for (const message of frame.messages)
        if (message.seq !== ++cursor) throw new Error(`${message.seq} in place of ${cursor}`);
      cursors[index] = cursor;
      frames++;
    }
    raw.destroy();
    return [...cursors];
  };
  const sending = send();
  const [first] = (await Promise.all(cursors.map((_, index) => read(index)))).toSorted(
    (a, b) => Math.min(...a) - Math.min(...b),
  );
  const meanwhile = answered;
  end.abort();
  await sending;
  // When the first was done none was far behind.
  expect(Math.min(...(first ?? []))).toBeGreaterThan(length / 2);
  expect(meanwhile).toBeGreaterThan(frames / 50);
  sender.destroy();
  stuck.socket.resume();
  for (let cursor = 0; cursor < length;) cursor = (await page(stuck)).frame.rev;
  stuck.destroy();
}, 60_000);
