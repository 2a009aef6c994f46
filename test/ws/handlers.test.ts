import { describe, expect, test } from "bun:test";

import type { ClassicClient, V2Client } from "../support/client.ts";
import { range, settle } from "../support/samples.ts";
import { startSockets } from "../support/socket-harness.ts";
import { waitUntil } from "../support/wait.ts";

type Sockets = ReturnType<typeof startSockets>;
type AnyClient = ClassicClient | V2Client;

const dialects = [
  { name: "classic", open: (at: Sockets): Promise<AnyClient> => at.openClassic() },
  { name: "chat.v2", open: (at: Sockets): Promise<AnyClient> => at.openV2() },
] as const;

/** What frames with messages have, in either dialect. */
interface MessageFrame {
  messages?: { text: string }[];
  message?: string | { text: string };
}

/** The texts of all messages that a client was sent, as often as it was. */
function textsOf({ texts }: AnyClient): string[] {
  const frames = texts.map((text) => JSON.parse(text) as { text: string }[] | MessageFrame);
  return frames.flatMap((frame) => {
    if (Array.isArray(frame)) return frame.map(({ text }) => text);
    const { messages = [], message } = frame;
    if (typeof message === "string") return message;
    return [...messages, ...(message ? [message] : [])].map(({ text }) => text);
  });
}

describe.each(dialects)("$name", ({ name, open }) => {
  test("frames that come before the first frame wait for it, and are then handled in their order", async () => {
    await using at = startSockets({ messages: 1 });
    const client = await open(at);
    for (const text of ["a", "b", "c"]) client.post(text);
    await waitUntil("the frames have come", () => client.socket.bufferedAmount === 0);
    await Bun.sleep(20);
    expect([client.texts, at.store.position.seq]).toEqual([[], 1]);
    await at.store.answerAll();
    await waitUntil("they are answered", () => textsOf(client).length === 4);
    expect(textsOf(client)).toEqual(["text 1", "a", "b", "c"]);
    // From here on frames do not wait.
    client.post("d");
    await waitUntil("the next frame is answered", () => textsOf(client).includes("d"));
  });

  test("64 frames wait; one more closes the connection, and none of them is handled", async () => {
    await using at = startSockets();
    const [patient, flooding] = [await open(at), await open(at)];
    for (const each of range(1, 64)) patient.post(String(each));
    for (const each of range(1, 65)) flooding.post(String(each));
    expect(await flooding.closed).toEqual({ code: 4429, reason: "rate_limited" });
    await at.store.answerAll();
    await waitUntil("the other one's are handled", () => at.store.position.seq === 64);
    expect(flooding.texts).toEqual([]);
  });

  test("256 KiB of frames wait; one byte more closes the connection", async () => {
    await using at = startSockets();
    const [patient, flooding] = [await open(at), await open(at)];
    for (const client of [patient, flooding])
      for (const frame of range(1, 4)) client.send("x".repeat(65_535 + (frame ? 1 : 0)));
    flooding.send("x");
    expect(await flooding.closed).toMatchObject({ code: 4429 });
    await at.store.answerAll();
    await waitUntil("the others are answered", () => patient.texts.length === 5);
  });

  test.each([
    ["removed", 4403],
    ["room_deleted", 4404],
  ] as const)("%s during the join closes the connection, which was sent nothing", async (reason, code) => {
    for (const answered of [0, 1, 2]) {
      await using at = startSockets({ messages: 1 });
      const client = await open(at);
      for (let each = 0; each < answered; each++) {
        at.store.answer();
        await settle();
      }
      const { room, alice } = at;
      if (reason === "room_deleted") at.bus.publish({ kind: reason, room });
      else at.bus.publish({ kind: "member_removed", room, user: alice.key, reason });
      expect(await client.closed).toEqual({ code, reason });
      await at.store.answerAll();
      expect([client.texts, at.chat.participants(room)]).toEqual([[], []]);
    }
  });

  test.each([
    ["was removed", "removed", 4403],
    ["was deleted with its room", "room_deleted", 4404],
  ])("a user who %s since they were admitted is refused", async (_, reason, code) => {
    await using at = startSockets({ messages: 1 });
    const client = await open(at);
    if (reason === "removed") at.store.roles.clear();
    else at.store.exists = false;
    await at.store.answerAll();
    expect(await client.closed).toEqual({ code, reason });
    expect(client.texts).toEqual([]);
    expect(await at.metrics.registry.metrics()).toContain(`parley_refusals_total{code="${reason}"} 1`);
    expect(at.errors).toEqual([]);
  });

  test("a store that fails gives classic an empty history, and chat.v2 a refusal", async () => {
    await using at = startSockets({ messages: 1 });
    const client = await open(at);
    at.store.fail();
    if (name === "chat.v2") {
      expect(await client.closed).toEqual({ code: 1013, reason: "storage_unavailable" });
      expect(at.errors).toMatchObject([{ room: "lobby", err: { message: "broken" } }]);
    } else {
      await waitUntil("the first frame has come", () => client.texts.length > 0);
      expect(client.texts).toEqual(["[]"]);
      at.publish(at.store.add());
      await waitUntil("the next message has come", () => textsOf(client).length > 0);
      expect(textsOf(client)).toEqual(["text 2"]);
    }
  });

  test("messages that are committed during the join come once, however many pages they take", async () => {
    await using at = startSockets({ messages: 3 });
    const { store } = at;
    const client = await open(at);
    for (let each = 0; each < 2; each++) {
      store.answer();
      await settle();
    }
    expect(store.waiting).toEqual(["history"]);
    store.answer();
    // More than a page. Of two of its messages one is edited before the page is read, so it comes with the next one.
    const created = range(1, 200).map(() => store.add());
    at.publish(...created, store.edit(5));
    await settle();
    expect(store.waiting).toEqual(["changes 3"]);
    const expected = store.stored.map(({ text }) => text ?? "");
    store.answer();
    await settle();
    at.publish(store.edit(6));
    // In classic an edit is not sent.
    if (name === "chat.v2") expected.push(store.stored[5]?.text ?? "");
    await store.answerAll();
    at.publish(store.add());
    expected.push("text 204");
    await waitUntil("the last message has come", () => textsOf(client).includes("text 204"));
    expect(textsOf(client).toSorted()).toEqual(expected.toSorted());
  });

  test("a connection whose missed messages cannot be read is closed, so that it comes back", async () => {
    await using at = startSockets({ messages: 3 });
    const client = await open(at);
    for (const read of ["head", "standing", "history"]) {
      expect(at.store.waiting).toEqual([read]);
      if (read === "history") at.publish(at.store.add());
      at.store.answer();
      await settle();
    }
    expect(at.store.waiting).toEqual(["changes 3"]);
    at.store.fail();
    expect(await client.closed).toEqual({ code: 1013, reason: "storage_unavailable" });
    expect(at.errors).toHaveLength(1);
  });

  test("a connection that closes leaves its room, during the join or after it", async () => {
    await using at = startSockets();
    for (const joined of [false, true]) {
      const client = await open(at);
      expect(at.chat.participants(at.room)).toHaveLength(1);
      if (joined) await at.store.answerAll();
      client.socket.close();
      await waitUntil("it has left", () => at.chat.participants(at.room).length === 0);
      await at.store.answerAll();
      expect(at.connections.size).toBe(0);
    }
  });

  test("a flood of pings closes the connection", async () => {
    await using at = startSockets();
    const client = await open(at);
    for (let each = 0; each < 1000; each++) client.socket.ping();
    expect(await client.closed).toEqual({ code: 4429, reason: "rate_limited" });
  });
});

test("commands of chat.v2 are acknowledged in their order, batch after batch", async () => {
  await using at = startSockets();
  const client = await at.openV2();
  await at.store.answerAll();
  for (const batch of [range(1, 3), range(4, 5)]) {
    for (const each of batch) client.send({ type: "send", id: String(each), text: "x" });
    for (const each of batch) expect(await client.next("ack")).toMatchObject({ id: String(each), seq: each });
  }
});

test("a connection that is refused is opened, closed with its code, and counted", async () => {
  await using at = startSockets();
  const client = await at.openRefused("token_expired");
  client.send("too late");
  expect(await client.closed).toEqual({ code: 4401, reason: "token_expired" });
  expect([at.connections.size, client.texts]).toEqual([0, []]);
  expect(await at.metrics.registry.metrics()).toContain('parley_closes_total{code="4401"} 1');
});

test("a close code that is not known is counted as other", async () => {
  await using at = startSockets();
  const [known, unknown] = [await at.openClassic(), await at.openClassic()];
  known.socket.close(1000);
  unknown.socket.close(4999);
  await waitUntil("both are gone", () => at.connections.size === 0);
  const metrics = await at.metrics.registry.metrics();
  expect(metrics).toContain('parley_closes_total{code="1000"} 1');
  expect(metrics).toContain('parley_closes_total{code="other"} 1');
  expect(metrics).not.toContain("4999");
});
