import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import * as v from "valibot";

import type { Budget } from "../../../src/chat/budgets.ts";
import { parse } from "../../../src/http/api/input.ts";
import { RequestSlots } from "../../../src/http/api/request-slots.ts";
import { createUser } from "../../support/api-users.ts";
import { type ApiResponse, expectProblem } from "../../support/api.ts";
import { fillRoom } from "../../support/messages.ts";
import { actor, range, settle } from "../../support/samples.ts";
import { type TestServer, useServer } from "../../support/server.ts";
import { waitUntil } from "../../support/wait.ts";

// No request costs more than it is charged for.

const server = useServer();

const rateLeft = ({ headers }: ApiResponse, budget: Budget = "reads") =>
  Number(new RegExp(`^"${budget}";r=(\\d+);t=\\d+$`).exec(headers.get("ratelimit") ?? "")?.[1]);

/** Makes it look as if every message of a room had been edited, one after the other. */
function editAll({ config }: Pick<TestServer, "config">, room: string): void {
  using database = new Database(config.database);
  database.run("PRAGMA busy_timeout = 5000");
  database.transaction(() => {
    database.run(
      `UPDATE messages SET edited_at = sent_at, changed_rev = seq + (SELECT rev FROM rooms WHERE pk = room_pk)
        WHERE room_pk = (SELECT pk FROM rooms WHERE id = ?)`,
      [room],
    );
    database.run("UPDATE rooms SET rev = rev + seq WHERE id = ?", [room]);
  })();
}

test("a user is charged for the size of what they read", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 100, "x".repeat(16_000));
  const left = async (query: string) => {
    const answer = await alice.call(`GET /api/rooms/${room}/messages?${query}`);
    expect(answer.headers.get("ratelimit-policy")).toBe('"reads";q=300');
    return rateLeft(answer);
  };
  const before = await left("limit=1");
  expect(before - (await left("limit=100"))).toBeWithin(10, 18);
  const statuses = [];
  for (let n = 0; n < 40; n++) {
    const answer = await alice.call(`GET /api/rooms/${room}/messages?limit=100`);
    statuses.push(answer.status);
    if (answer.status !== 429) continue;
    expectProblem(answer, 429, "rate_limited");
    expect(answer.headers.get("ratelimit")).toMatch(/^"reads";r=0;t=\d+$/);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    break;
  }
  expect(statuses.at(-1)).toBe(429);
});

test("a list of members is charged for its size, also when it is refused", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  const before = rateLeft(await alice.call(`POST /api/rooms/${room}/members`, { body: "{}" }), "changes");
  const body = `{"members":[${"{},".repeat(170_000)}{}]}`;
  const answer = await alice.call(`POST /api/rooms/${room}/members`, { body });
  expectProblem(answer, 400, "invalid_command");
  // Some come back meanwhile.
  expect(before - rateLeft(answer, "changes")).toBeWithin(5, 10);
});

test("the input of a request is read up to its first fault", () => {
  const seen: unknown[] = [];
  const never = v.custom((input) => {
    seen.push(input);
    return false;
  });
  expect(() => parse(v.array(never), range(1, 1000), "body")).toThrow("0: ");
  expect(seen).toEqual([1]);
});

test("a response of 304 is charged like the page that it stands for, because the page was read", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 20, "x".repeat(16_000));
  const before = rateLeft(await alice.call("GET /api/me"));
  const request = { headers: { "if-none-match": "*" } };
  const answer = await alice.call(`GET /api/rooms/${room}/messages?limit=100`, request);
  expect(answer.status).toBe(304);
  expect(before - rateLeft(answer)).toBeWithin(10, 18);
});

test("four requests of a user are handled at once, those of others and of administrators beside them", async () => {
  const slots = new RequestSlots();
  const ends = await Promise.all(range(1, 4).map(() => slots.take(actor(1))));
  const handled: string[] = [];
  const waiting = ["fifth", "sixth"].map(async (name) => {
    const end = await slots.take(actor(1));
    handled.push(name);
    return end;
  });
  await slots.take(actor(2));
  for (const _ of range(1, 10)) await slots.take(actor(3, true));
  expect(handled).toEqual([]);
  ends[0]?.();
  // Ending a request again frees no other slot.
  ends[0]?.();
  await settle();
  expect(handled).toEqual(["fifth"]);
  (await waiting[0])?.();
  await waiting[1];
  expect(handled).toEqual(["fifth", "sixth"]);
});

test("a request is refused while 36 others of its user are under way", async () => {
  const slots = new RequestSlots();
  const takes = range(1, 36).map(() => slots.take(actor(1)));
  const refused = await slots.take(actor(1)).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "rate_limited", retryAfterMs: 1000 });
  for (const each of takes) (await each)();
  await Promise.all(range(1, 4).map(() => slots.take(actor(1))));
});

test("messages that a user sends at once are all stored", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  const send = (n: number) => alice.call(`POST /api/rooms/${room}/messages`, { body: { text: `text ${n}` } });
  const answers = await Promise.all(range(1, 20).map(send));
  expect(answers.map(({ status }) => status)).toEqual(range(1, 20).map(() => 201));
});

test("a response that is read slowly arrives whole, and its place is free afterwards", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 20, "x".repeat(16_000));
  for (const _ of range(1, 6)) {
    const response = await fetch(`${server.url}/api/rooms/${room}/messages?limit=100`, {
      headers: { authorization: `Bearer ${alice.token}` },
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      await settle();
    }
    const { messages } = JSON.parse(Buffer.concat(chunks).toString()) as { messages: unknown[] };
    expect(messages).toHaveLength(16);
  }
});

test("HEAD of a large page occupies no place afterwards", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 20, "x".repeat(16_000));
  const path = `/api/rooms/${room}/messages?limit=100`;
  for (const _ of range(1, 6)) expect((await alice.call(`HEAD ${path}`)).status).toBe(200);
  const { text } = await alice.call(`GET ${path}`);
  const { headers } = await alice.call(`HEAD ${path}`);
  expect(headers.get("content-length")).toBe(String(text.length));
});

test("a page of changes reads little where every message has changed since, and the next ones reach the end", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 3000);
  editAll(server, room);
  const seqs: number[] = [];
  const revs: number[] = [];
  for (let since = 0; ;) {
    const { body } = await alice.call(`GET /api/rooms/${room}/changes?since=${since}&limit=100`);
    const { messages, rev, more } = body as { messages: { seq: number }[]; rev: number; more: boolean };
    expect(rev).toBeGreaterThan(since);
    seqs.push(...messages.map(({ seq }) => seq));
    revs.push(rev);
    since = rev;
    if (!more) break;
  }
  expect(revs[0]).toBeLessThanOrEqual(256);
  expect(seqs).toEqual(range(1, 3000));
  expect(revs.at(-1)).toBe(6000);
});

test("responses that are given up free their places", async () => {
  const alice = await createUser(server);
  const room = await server.createRoom([alice.email]);
  fillRoom(server, room, 20, "x".repeat(16_000));
  for (const _ of range(1, 8)) {
    const controller = new AbortController();
    const response = await fetch(`${server.url}/api/rooms/${room}/messages?limit=100`, {
      headers: { authorization: `Bearer ${alice.token}` },
      signal: controller.signal,
    });
    expect(response.status).toBe(200);
    controller.abort();
  }
  await waitUntil(
    "another request is accepted",
    async () => (await alice.call("GET /api/me")).status === 200,
  );
});
