import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import type { ChangesFrame, HelloFrame } from "../../src/protocol/frames.ts";
import type { CommandInput, V2Client } from "../support/client.ts";
import { fillRoom, replay, storedMessages } from "../support/messages.ts";
import { Random } from "../support/random.ts";
import { connectRaw, encodeText, openRaw, type RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { isLinux, settledKernelBytes } from "../support/slow-reader.ts";
import { waitUntil } from "../support/wait.ts";

// Resuming with `?since=<rev>`: exactly what was missed, once, however much that is and whatever happens meanwhile.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";
const bob = "bob@example.com";

const seqs = ({ hello }: V2Client) => hello.messages.map(({ seq }) => seq);

describe("in a room where nobody writes", () => {
  test("since 0 brings every message, where a new client gets the last 50", async () => {
    const room = await server.createRoom([alice]);
    fillRoom(server, room, 3000);
    const fresh = await server.connectV2(room, alice);
    expect(fresh.hello).toMatchObject({ resumed: false, rev: 3000 });
    expect(seqs(fresh)).toEqual(Array.from({ length: 50 }, (_, index) => 2951 + index));
    const resumed = await server.connectV2(room, alice, { since: 0 });
    // `rev` is how far this frame leads, and not where the room is.
    expect(resumed.hello).toMatchObject({ resumed: true, room: { seq: 3000, rev: 3000 } });
    expect(resumed.hello.rev).toBe(resumed.hello.messages.at(-1)?.rev ?? 0);
    expect(resumed.hello.rev).toBeLessThan(3000);
    await resumed.reach(3000);
    expect(resumed.known()).toEqual(await storedMessages(server, room));
    expect(replay(resumed, 0).size).toBe(3000);
  });

  test("since 0 in an empty room brings nothing", async () => {
    const { hello } = await server.connectV2(await server.createRoom([alice]), alice, { since: 0 });
    expect(hello).toMatchObject({ resumed: true, rev: 0, messages: [] });
  });

  test("a client that is up to date gets nothing, and then live changes", async () => {
    const room = await server.createRoom([alice]);
    fillRoom(server, room, 100);
    const client = await server.connectV2(room, alice, { since: 100 });
    expect(client.hello).toMatchObject({ resumed: true, rev: 100, messages: [] });
    await client.say("live");
    expect(await client.next("change")).toMatchObject({ message: { seq: 101, rev: 101 } });
    expect(client.unread("changes")).toEqual([]);
  });

  test("a client that knows more than there is starts anew, with the last 50", async () => {
    const room = await server.createRoom([alice]);
    fillRoom(server, room, 100);
    const fresh = await server.connectV2(room, alice);
    for (const since of [101, 2 ** 53, `1${"0".repeat(400)}`]) {
      const { hello } = await server.connectV2(room, alice, { since });
      expect(hello).toMatchObject({ resumed: false, rev: 100, messages: fresh.hello.messages });
    }
  });

  test("edits, deletions and reactions are resumed, too: each message once, in its last state, by rev", async () => {
    const room = await server.createRoom([alice, bob]);
    const [writer, reader] = [await server.connectV2(room, alice), await server.connectV2(room, bob)];
    for (let n = 1; n <= 8; n++) await writer.say(`text ${n}`);
    await reader.reach(8);
    await reader.close();
    const changes: CommandInput[] = [
      { type: "edit", seq: 2, text: "edited once" },
      { type: "react", seq: 1, emoji: "🎉", on: true },
      { type: "delete", seq: 5 },
      { type: "edit", seq: 2, text: "edited twice" },
      { type: "react", seq: 7, emoji: "👍", on: true },
      { type: "react", seq: 7, emoji: "👍", on: false },
      { type: "send", text: "an answer", reply_to: 3, client_id: "c-1" },
      { type: "edit", seq: 9, text: "a better answer" },
    ];
    for (const change of changes) await writer.ack(change);
    const back = await server.connectV2(room, bob, { after: reader });
    expect(back.hello).toMatchObject({ resumed: true, rev: 16 });
    expect(back.hello.messages).toMatchObject([
      { seq: 1, rev: 10, text: "text 1", reactions: [{ emoji: "🎉", by: [`user|${alice}`] }] },
      { seq: 5, rev: 11, text: "", reactions: [], deleted_at: expect.any(String) },
      { seq: 2, rev: 12, text: "edited twice", edited_at: expect.any(String) },
      { seq: 7, rev: 14, text: "text 7", reactions: [] },
      { seq: 9, rev: 16, text: "a better answer", reply_to: 3, client_id: "c-1" },
    ]);
    expect(back.hello.messages[3]).not.toHaveProperty("edited_at");
    expect(back.known()).toEqual(writer.known());
    expect(back.known()).toEqual(await storedMessages(server, room));
  });

  test("every cursor leads to the same room", async () => {
    const room = await server.createRoom([alice]);
    const writer = await server.connectV2(room, alice);
    for (let n = 1; n <= 10; n++) {
      await writer.say(`text ${n}`);
      if (n % 2 === 0) await writer.ack({ type: "edit", seq: n / 2, text: `edit ${n}` });
      // These are not edited later.
      if (n === 7 || n === 9) await writer.ack({ type: "delete", seq: n });
    }
    const stored = await storedMessages(server, room);
    for (let since = 0; since <= writer.cursor; since++) {
      const { hello } = await server.connectV2(room, alice, { since });
      expect(hello).toMatchObject({ resumed: true, rev: writer.cursor });
      expect(hello.messages).toEqual(
        stored.filter(({ rev }) => rev > since).toSorted((a, b) => a.rev - b.rev),
      );
    }
  });

  test("a message that was changed comes once in a resume of many pages, where it was changed last", async () => {
    const room = await server.createRoom([alice]);
    fillRoom(server, room, 1000);
    const writer = await server.connectV2(room, alice);
    for (const seq of [1, 300, 600, 999]) await writer.ack({ type: "react", seq, emoji: "👍", on: true });
    await writer.ack({ type: "react", seq: 300, emoji: "👍", on: false });
    fillRoom(server, room, 1000);
    await writer.ack({ type: "edit", seq: 1500, text: "edited" });
    const resumed = await server.connectV2(room, alice, { since: 0 });
    await resumed.reach(writer.cursor);
    const seen = replay(resumed, 0);
    expect(seen.size).toBe(2000);
    expect([...seen].filter(([, revs]) => revs.length !== 1)).toEqual([]);
    expect(resumed.known()).toEqual(await storedMessages(server, room));
  });

  test("the first frame of a new client has as many of the last messages as fit", async () => {
    const room = await server.createRoom([alice]);
    // As JSON each is six times as long.
    fillRoom(server, room, 50, "\u0001".repeat(16_000));
    const client = await server.connectV2(room, alice);
    const shown = seqs(client);
    expect(client.texts[0]?.length).toBeLessThan(1 << 20);
    expect(shown).toEqual(Array.from({ length: shown.length }, (_, index) => 51 - shown.length + index));
    expect(shown.length).toBeGreaterThan(5);
    await client.say("still here");
  });
});

/** A random command, most often for one of the last messages, which a resume has just sent or is about to. */
function randomCommand(random: Random, length: number): CommandInput {
  const back = random.chance(0.5) ? random.integer(10) : random.integer(length);
  const seq = Math.max(1, length - back);
  const choice = random.next();
  if (choice < 0.5) return { type: "send", text: `text ${length}` };
  if (choice < 0.7) return { type: "edit", seq, text: `edit ${random.next()}` };
  if (choice < 0.95) return { type: "react", seq, emoji: random.pick(["👍", "🎉"]), on: random.chance(0.7) };
  return { type: "delete", seq };
}

/** Writers that write until they are stopped. */
function startWriting(writers: readonly V2Client[], random: Random) {
  const end = new AbortController();
  const state = { answers: 0, lastRev: 0 };
  const write = async (writer: V2Client) => {
    while (!end.signal.aborted) {
      const answer = await writer.command(randomCommand(random, Math.max(...writer.messages.keys())));
      if (answer.type === "ack") state.lastRev = Math.max(state.lastRev, answer.rev);
      state.answers++;
    }
  };
  const all = Promise.all(writers.map(write));
  /** Resolves with the `rev` of the last change. */
  const stop = async () => {
    end.abort();
    await all;
    return state.lastRev;
  };
  return { state, stop };
}

describe("while others write", () => {
  test.each([1, 2, 3])(
    "a client that resumes ends up with what the server has, nothing twice (seed %d)",
    async (seed) => {
      const random = new Random(seed, "resume");
      const room = await server.createRoom([alice, bob]);
      fillRoom(server, room, 10_000);
      const writers = await Promise.all([alice, bob, alice].map((email) => server.connectV2(room, email)));
      const writing = startWriting(writers, random);
      const resumed: { client: V2Client; since: number }[] = [];
      const resume = async () => {
        // Far behind, or nearly level.
        const cursor = writers[0]?.cursor ?? 0;
        const since = random.chance(0.7) ? random.integer(10_000) : cursor - random.integer(20);
        resumed.push({ client: await server.connectV2(room, alice, { since }), since });
      };
      for (let round = 0; round < 10; round++) {
        await Promise.all([resume(), resume(), resume()]);
        const before = writing.state.answers;
        await waitUntil("more was written", () => writing.state.answers > before + 10);
      }
      const last = await writing.stop();
      expect(last).toBeGreaterThan(10_050);
      const clients = [...writers, ...resumed.map(({ client }) => client)];
      await Promise.all(clients.map((client) => client.reach(last)));
      const stored = await storedMessages(server, room);
      for (const { client, since } of resumed) {
        replay(client, since);
        expect(client.cursor).toBe(last);
        expect(client.known()).toEqual(stored.filter(({ rev }) => rev > since));
      }
      expect(resumed.some(({ client }) => client.unread("change").length > 0)).toBe(true);
      for (const client of clients) await client.close();
    },
    30_000,
  );

  test("a client that is cut off in the middle of a resume goes on from there, however often", async () => {
    const random = new Random(5, "resume");
    const room = await server.createRoom([alice, bob]);
    fillRoom(server, room, 30_000);
    const writer = await server.connectV2(room, bob);
    const writing = startWriting([writer], random);
    let client = await server.connectV2(room, alice, { since: 0 });
    let attempts = 1;
    for (; client.cursor < writer.cursor && attempts < 100; attempts++) {
      await client.reach(Math.min(writer.cursor, client.cursor + 1 + random.integer(3000)));
      client.socket.terminate();
      await client.closed;
      const before = client;
      client = await server.connectV2(room, alice, { after: before });
      expect(client.hello.resumed).toBe(true);
      replay(client, before.cursor);
    }
    expect(attempts).toBeGreaterThan(10);
    await client.reach(await writing.stop());
    expect(client.known()).toEqual(await storedMessages(server, room));
  }, 30_000);

  test("commands of a client that is still catching up are answered at once, and their changes come once", async () => {
    const room = await server.createRoom([alice, bob]);
    const length = 50_000;
    fillRoom(server, room, length);
    const other = await server.connectV2(room, bob);
    const client = await server.connectV2(room, alice, { since: 0 });
    const { seq } = await client.ack({ type: "send", text: "not level yet", client_id: "c-1" });
    await client.ack({ type: "react", seq: 1, emoji: "👍", on: true });
    await client.ack({ type: "read", seq: length });
    const { rev } = await client.ack({ type: "edit", seq, text: "on my way" });
    expect((await client.error({ type: "edit", seq: seq + 1, text: "x" })).code).toBe("message_not_found");
    expect(client.cursor).toBeLessThan(length);
    expect(await other.next("change")).toMatchObject({ kind: "created", message: { text: "not level yet" } });
    await client.reach(rev);
    expect(replay(client, 0).get(seq)).toHaveLength(1);
    expect(client.messages.get(seq)?.text).toBe("on my way");
    expect(client.known()).toEqual(await storedMessages(server, room));
    await other.say("welcome");
    expect(await client.next("change")).toMatchObject({ message: { rev: rev + 1, text: "welcome" } });
  }, 30_000);

  test("messages that another process writes reach everyone, whether live or catching up", async () => {
    const room = await server.createRoom([alice, bob]);
    fillRoom(server, room, 5000);
    const [live, resumed] = [
      await server.connectV2(room, alice),
      await server.connectV2(room, bob, { since: 0 }),
    ];
    fillRoom(server, room, 3000);
    const { rev } = await live.say("after them");
    expect(rev).toBe(8001);
    await Promise.all([live.reach(rev), resumed.reach(rev)]);
    replay(resumed, 0);
    const stored = await storedMessages(server, room);
    expect(resumed.known()).toEqual(stored);
    expect(live.known()).toEqual(stored.slice(-3051));
  }, 20_000);
});

/** The next frame that advances the cursor. */
async function nextPage(raw: RawConnection): Promise<{ bytes: number; frame: HelloFrame | ChangesFrame }> {
  const text = await raw.nextPayload();
  const frame = JSON.parse(text) as HelloFrame | ChangesFrame;
  if (frame.type !== "hello" && frame.type !== "changes") throw new Error(`unexpected: ${text}`);
  return { bytes: Buffer.byteLength(text), frame };
}

describe("of more than fits into any buffer", () => {
  test.if(isLinux)(
    "little waits in the server for a reader that pauses, and it gets everything once",
    async () => {
      const length = 300_000;
      const room = await server.createRoom([alice]);
      fillRoom(server, room, length, "0");
      const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
      using database = new Database(server.config.database);
      const pauses = [300, 50_000, 200_000];
      // At each pause all later texts get a new number, so that a text tells when the server read it.
      let [generation, waitingBytes, seq, rev] = [0, 0, 0, 0];
      const waited: number[] = [];
      while (rev < length) {
        const { bytes, frame } = await nextPage(raw);
        for (const message of frame.messages) {
          if (message.seq !== ++seq) throw new Error(`${message.seq}, not ${seq}`);
          if (!message.text.endsWith(` ${generation}`)) waitingBytes += bytes / frame.messages.length;
        }
        ({ rev } = frame);
        if (rev <= (pauses[generation] ?? Infinity)) continue;
        if (generation > 0) waited.push(waitingBytes);
        raw.socket.pause();
        // Bytes in the kernel do not wait in the server.
        waitingBytes = -(await settledKernelBytes(raw));
        generation++;
        database.run("UPDATE messages SET text = seq || ' ' || ? WHERE seq > ?", [generation, seq]);
        raw.socket.resume();
      }
      waited.push(waitingBytes);
      expect(waited).toHaveLength(pauses.length);
      for (const bytes of waited) expect(bytes).toBeLessThan(512 * 1024);
      expect(seq).toBe(length);
      raw.destroy();
    },
    60_000,
  );

  test.each([
    ["16 KB of three bytes per letter", "€".repeat(5461)],
    ["16 KB that JSON escapes", "\u0001".repeat(16_384)],
  ])(
    "texts of %s come in frames that are not too long for a slow reader",
    async (_, text) => {
      const room = await server.createRoom([alice]);
      const length = 1000;
      fillRoom(server, room, length, text);
      const raw = await openRaw("chat.v2", server.host, room, await server.token(alice), 0);
      raw.socket.pause();
      // A reader that pauses is not cut for what it has asked for.
      if (isLinux) await settledKernelBytes(raw);
      raw.socket.resume();
      let [seq, rev, longest] = [0, 0, 0];
      while (rev < length) {
        const { bytes, frame } = await nextPage(raw);
        for (const message of frame.messages) {
          expect(message.seq).toBe(++seq);
          if (message.text !== `${seq} ${text}`) throw new Error(`${seq} has another text`);
        }
        ({ rev } = frame);
        longest = Math.max(longest, bytes);
      }
      expect(seq).toBe(length);
      expect(longest).toBeLessThan(512 * 1024);
      raw.destroy();
    },
    30_000,
  );

  test("several at once take turns, one that pauses delays nobody, and commands are answered meanwhile", async () => {
    const room = await server.createRoom([alice]);
    const length = 50_000;
    fillRoom(server, room, length);
    const token = await server.token(alice);
    const resume = () => openRaw("chat.v2", server.host, room, token, 0);
    const end = new AbortController();
    let [answers, frames] = [0, 0];
    const writing = (async () => {
      const raw = await connectRaw("chat.v2", server.host, room, token);
      for (; !end.signal.aborted; answers++) {
        raw.write(encodeText("chat.v2", "meanwhile"));
        await raw.nextOf("ack");
      }
      raw.destroy();
    })();
    const paused = await resume();
    paused.socket.pause();
    const cursors = [0, 0, 0, 0, 0];
    /** Reads to the end. Returns where the others were by then. */
    const read = async (index: number) => {
      const raw = await resume();
      for (let cursor = 0; cursor < length; frames++) {
        const { frame } = await nextPage(raw);
        for (const { seq } of frame.messages) if (seq !== ++cursor) throw new Error(`${seq}, not ${cursor}`);
        cursors[index] = cursor;
      }
      raw.destroy();
      return Math.min(...cursors);
    };
    const slowest = await Promise.all(cursors.map((_, index) => read(index)));
    const answersMeanwhile = answers;
    end.abort();
    await writing;
    // When the first had finished, none was far behind.
    expect(Math.min(...slowest)).toBeGreaterThan(length / 2);
    expect(answersMeanwhile).toBeGreaterThan(frames / 50);
    paused.socket.resume();
    for (let rev = 0; rev < length;) ({ rev } = (await nextPage(paused)).frame);
    paused.destroy();
  }, 60_000);
});
