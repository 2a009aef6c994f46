import { beforeAll, describe, expect, test } from "bun:test";

import * as fc from "fast-check";
import { Hono } from "hono";

import { Budgets } from "../../../src/chat/budgets.ts";
import { ChatError } from "../../../src/chat/errors.ts";
import type { ApiEnv } from "../../../src/http/api/env.ts";
import { createSearchRoute } from "../../../src/http/api/search.ts";
import { type ApiUser, createRoomWithRoles, createUser } from "../../support/api-users.ts";
import { expectProblem } from "../../support/api.ts";
import { unlimited, useServer } from "../../support/server.ts";
import { waitUntil } from "../../support/wait.ts";

const server = useServer({ env: { ...unlimited, PARLEY_MAX_TEXT: "60000" } });

interface Found {
  room: string;
  message: { seq: number; text: string };
  snippet: { text: string; hits: [number, number][] };
}

let users: Awaited<ReturnType<typeof createRoomWithRoles>>;
beforeAll(async () => {
  users = await createRoomWithRoles(server);
});

const search = (user: ApiUser, parameters: Record<string, string>) =>
  user.call(`GET /api/search?${new URLSearchParams(parameters).toString()}`);
const say = (user: ApiUser, room: string, text: string) =>
  user.call(`POST /api/rooms/${room}/messages`, { body: { text } });
async function found(user: ApiUser, parameters: Record<string, string>): Promise<Found[]> {
  const { status, body } = await search(user, parameters);
  expect(status).toBe(200);
  return body["results"] as Found[];
}

test("a message is found within a second, with its room and a snippet", async () => {
  const { owner, member, room } = users;
  const { body: message } = await say(owner, room, "The quarterly figures are ready");
  const sentAt = performance.now();
  let results: Found[] = [];
  await waitUntil("it is found", async () => (results = await found(member, { q: "figures" })).length > 0);
  expect(performance.now() - sentAt).toBeLessThan(1000);
  const snippet = { text: "The quarterly figures are ready", hits: [[14, 21]] };
  expect(results).toEqual([{ room, message, snippet }] as never);
});

test("an edit, a deletion and a removal from the room count at once", async () => {
  const { owner, room } = users;
  const guest = await createUser(server);
  await owner.call(`PUT /api/rooms/${room}/members/${guest.email}`);
  const { body: first } = await say(owner, room, "zebra one");
  const { body: second } = await say(owner, room, "zebra two");
  await waitUntil("both are found", async () => (await found(guest, { q: "zebra" })).length === 2);
  await owner.call(`DELETE /api/rooms/${room}/messages/${String(first["seq"])}`);
  await owner.call(`PATCH /api/rooms/${room}/messages/${String(second["seq"])}`, { body: { text: "horse" } });
  expect(await found(guest, { q: "zebra" })).toEqual([]);
  await waitUntil("the edit is found", async () => (await found(guest, { q: "horse" })).length === 1);
  await owner.call(`DELETE /api/rooms/${room}/members/${guest.email}`);
  expect(await found(guest, { q: "horse" })).toEqual([]);
});

test("nobody learns of rooms that they are not in", async () => {
  const { stranger, member, room } = users;
  await say(member, room, "a report of ours");
  await waitUntil("it is found", async () => (await found(member, { q: "ours" })).length > 0);
  const others = await search(stranger, { q: "report", room });
  const unknown = await search(stranger, { q: "report", room: "unknown" });
  expectProblem(others, 404, "room_not_found");
  expect(unknown.text).toBe(others.text);
  expect(await found(stranger, { q: "report" })).toEqual([]);
  // Not by a cursor that names the room either.
  const cursor = `${room}~1`;
  expect((await search(member, { q: "report", cursor })).status).toBe(200);
  const withCursor = await search(stranger, { q: "report", cursor });
  expectProblem(withCursor, 400, "invalid_command");
  expect((await search(stranger, { q: "report", cursor: "unknown~1" })).text).toBe(withCursor.text);
});

test("a page has 20 results, up to 50, and no more than 256 KiB", async () => {
  const { owner } = users;
  const { body } = await owner.call("POST /api/rooms", { body: { name: "Long" } });
  const room = String(body["id"]);
  for (let n = 0; n < 60; n++) await say(owner, room, `giraffe ${n}`);
  await waitUntil("all are found", async () => {
    const { body: page } = await search(owner, { q: "giraffe", room, before: "61", after: "59" });
    return (page["results"] as Found[]).length === 1;
  });
  expect(await found(owner, { q: "giraffe" })).toHaveLength(20);
  expect(await found(owner, { q: "giraffe", limit: "50" })).toHaveLength(50);
  for (let n = 0; n < 6; n++) await say(owner, room, `elephant ${"x".repeat(59_000)}`);
  const seqs: number[] = [];
  await waitUntil(
    "the last one is found",
    async () => (await found(owner, { q: "elephant", after: "65", room })).length > 0,
  );
  for (let cursor: string | null = ""; cursor !== null;) {
    const page = await search(owner, { q: "elephant", limit: "50", ...(cursor && { cursor }) });
    expect(page.text.length).toBeLessThanOrEqual(262_144 + 1000);
    seqs.push(...(page.body["results"] as Found[]).map(({ message }) => message.seq));
    cursor = page.body["next"] as string | null;
  }
  expect(seqs).toEqual([66, 65, 64, 63, 62, 61]);
}, 20_000);

describe("refused with a reason", () => {
  test.each([
    [{}, /q: is missing/],
    [{ q: "" }, /needs a word/],
    [{ q: "--- ..." }, /needs a word/],
    [{ q: 'an "open phrase' }, /quotation mark/],
    [{ q: "st*ar" }, /\*/],
    [{ q: "ab*" }, /3 characters/],
    [{ q: "*" }, /beginning/],
    [{ q: "x from:" }, /from/],
    [{ q: "x from:a from:b" }, /one from/],
    [{ q: "x from:a", from: "b" }, /twice/],
    [{ q: "x", from: " " }, /from/],
    [{ q: "from:ann" }, /needs a word/],
    [{ q: "x".repeat(501) }, /500/],
    [{ q: "x ".repeat(100) }, /words/],
    [{ q: "x\0" }, /NUL/],
    [{ q: "x", before: "4" }, /room/],
    [{ q: "x", limit: "51" }, /limit/],
    [{ q: "x", limit: "0" }, /limit/],
    [{ q: "x", room: "no room" }, /room/],
    [{ q: "x", cursor: "x" }, /cursor/],
    [{ q: "x", mistyped: "1" }, /mistyped/],
  ] as [Record<string, string>, RegExp][])("%p", async (parameters, reason) => {
    const answer = await search(users.member, parameters);
    expectProblem(answer, 400, "invalid_command");
    expect(String(answer.body["detail"])).toMatch(reason);
  });

  test("any text is a query or an invalid one, quickly", async () => {
    const { member, room } = users;
    await say(member, room, 'NEAR(a b) OR "x" AND NOT col:y ^z + {c} *');
    const syntax = fc.constantFrom(
      '"',
      "*",
      "(",
      ")",
      ":",
      "^",
      "+",
      "-",
      "{",
      "}",
      " AND ",
      " OR ",
      " NOT ",
      "NEAR(",
      "from:",
      "rowid:",
      "terms:",
      " ",
      "\n",
      "'",
      ";",
      "a",
      "東",
      "👍",
      "\ue0001",
      "\u0301",
      "ﷺ",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc
        .array(fc.oneof(syntax, fc.string({ unit: "grapheme", maxLength: 4 })), { maxLength: 30 })
        .map((parts) => parts.join("")),
    );
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.option(text, { nil: undefined }),
        fc.option(text, { nil: undefined }),
        async (q, from, cursor) => {
          const start = performance.now();
          const { status } = await search(member, { q, ...(from && { from }), ...(cursor && { cursor }) });
          expect([200, 400]).toContain(status);
          expect(performance.now() - start).toBeLessThan(1000);
        },
      ),
      { numRuns: 200 },
    );
  }, 30_000);

  test("a request without a token", async () => {
    expectProblem(await users.member.call("GET /api/search?q=x", { token: "x" }), 401, "unauthorized");
  });
});

test("a search is charged for the time that it took, also when it fails", async () => {
  const limits = { messageRate: 1, messageBurst: 10, textBytes: 0, roomsPerUser: 0, membersPerRoom: 0 };
  const budgets = new Budgets(limits, () => 0);
  const actor = { key: 1, id: "sub|1", email: null, name: null, admin: false };
  const remaining = () => budgets.state(actor, "reads")?.remaining;
  let failure: ChatError | undefined;
  const route = createSearchRoute({
    async search(_actor, _request, spend) {
      spend(21.5);
      if (failure) throw failure;
      return { results: [], next: null };
    },
  });
  const app = new Hono<ApiEnv>()
    .use(async (c, next) => {
      c.set("actor", actor);
      c.set("budgets", budgets);
      await next();
    })
    .route("/", route);
  expect((await app.request("/?q=x")).status).toBe(200);
  expect(remaining()).toBe(90);
  failure = new ChatError("invalid_command", "The cursor is no longer valid.");
  await app.request("/?q=x");
  expect(remaining()).toBe(80);
});

describe("with a rate limit", () => {
  const limited = useServer();

  test("searches are charged as reads", async () => {
    const user = await createUser(limited);
    const { headers } = await search(user, { q: "x" });
    expect(headers.get("ratelimit-policy")).toStartWith('"reads"');
  });
});
