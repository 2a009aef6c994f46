import { afterAll, beforeEach, describe, expect, test } from "bun:test";

import { api, ParleyError } from "../../src/client/index.ts";
import { message } from "./support/fake-server.ts";

interface Asked {
  request: string;
  token: string | null;
  body: unknown;
}

let asked: Asked[] = [];
let answers: Response[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    asked.push({
      request: `${request.method} ${pathname}${search}`,
      token: request.headers.get("authorization"),
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
    });
    return answers.shift() ?? Response.json({});
  },
});
afterAll(() => server.stop(true));
beforeEach(() => {
  asked = [];
  answers = [];
});

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json(
    { type: "about:blank", title: "Title", status, code, detail: "Detail." },
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );

const chat = (options: Partial<Parameters<typeof api>[0]> = {}) =>
  api({ url: `${server.url.origin}/chat/`, token: ({ refresh }) => (refresh ? "new" : "old"), ...options });

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<ParleyError> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof ParleyError) return error;
  throw new Error("it was not refused", { cause: error });
}

describe("the HTTP API", () => {
  test("has a method for each route", async () => {
    const body = { seq: 4, rooms: [1], members: [2], messages: [message(3)] };
    answers = Array.from({ length: 13 }, () => Response.json(body));
    answers[5] = answers[8] = new Response(null, { status: 204 });
    const client = chat();
    expect(await client.me()).toEqual(body as never);
    expect(await client.rooms()).toEqual([1] as never);
    expect(await client.createRoom({ name: "Lobby" })).toEqual(body as never);
    expect(await client.room("lobby")).toEqual(body as never);
    expect(await client.renameRoom("lobby", "Hall")).toEqual(body as never);
    expect(await client.deleteRoom("lobby")).toBeUndefined();
    expect(await client.members("lobby")).toEqual([2] as never);
    expect(await client.setMember("lobby", "bob@example.com", "owner")).toEqual(body as never);
    expect(await client.removeMember("lobby", "auth0|1/2 3")).toBeUndefined();
    expect(await client.messages("lobby")).toEqual([message(3)]);
    expect(await client.messages("lobby", { before: 9, limit: 2 })).toEqual([message(3)]);
    expect(await client.markRead("lobby", 7)).toBe(4);
    expect(await client.setMember("lobby", "bob@example.com")).toEqual(body as never);
    expect(
      asked.map(({ request, body: sent }) => (sent === undefined ? [request] : [request, sent])),
    ).toEqual([
      ["GET /chat/api/me"],
      ["GET /chat/api/rooms"],
      ["POST /chat/api/rooms", { name: "Lobby" }],
      ["GET /chat/api/rooms/lobby"],
      ["PATCH /chat/api/rooms/lobby", { name: "Hall" }],
      ["DELETE /chat/api/rooms/lobby"],
      ["GET /chat/api/rooms/lobby/members"],
      ["PUT /chat/api/rooms/lobby/members/bob%40example.com", { role: "owner" }],
      ["DELETE /chat/api/rooms/lobby/members/auth0%7C1%2F2%203"],
      ["GET /chat/api/rooms/lobby/messages"],
      ["GET /chat/api/rooms/lobby/messages?before=9&limit=2"],
      ["PUT /chat/api/rooms/lobby/read", { seq: 7 }],
      ["PUT /chat/api/rooms/lobby/members/bob%40example.com", {}],
    ]);
    expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(["Bearer old"]));
  });

  test("is found by the socket's address too", async () => {
    await chat({ url: `ws://${server.url.host}` }).me();
    expect(asked).toMatchObject([{ request: "GET /api/me" }]);
  });
});

describe("a refusal over HTTP", () => {
  test("has the server's code and words, the status, and when to try again", async () => {
    answers = [problem(429, "rate_limited", { "retry-after": "3" })];
    const error = await failure(chat().me());
    expect(error).toMatchObject({
      code: "rate_limited",
      message: "Detail.",
      status: 429,
      retryAfterMs: 3_000,
    });
    answers = [problem(404, "room_not_found")];
    expect(await failure(chat().room("x"))).toMatchObject({
      code: "room_not_found",
      retryAfterMs: undefined,
    });
  });

  test("of the token fetches another one, and tries once more", async () => {
    answers = [problem(401, "token_expired"), Response.json({ id: "me" })];
    expect(await chat().me()).toMatchObject({ id: "me" });
    expect(asked.map(({ token }) => token)).toEqual(["Bearer old", "Bearer new"]);
    asked = [];
    answers = [problem(401, "token_expired"), problem(401, "unauthorized"), Response.json({})];
    expect(await failure(chat().createRoom({ name: "x" }))).toMatchObject({
      code: "unauthorized",
      status: 401,
    });
    expect(asked.map(({ body }) => body)).toEqual([{ name: "x" }, { name: "x" }]);
  });

  test.each([
    ["a page of something in between", 502, "<html>Bad gateway</html>"],
    ["a page where Parley's answer was to be", 200, "<html>Log in</html>"],
    ["JSON that is not Parley's", 418, '{"error":"teapot"}'],
    ["JSON that is no object", 500, "null"],
    ["nothing at all", 503, ""],
  ])("by %s is internal", async (_, status, text) => {
    answers = [new Response(text, { status })];
    expect(await failure(chat().me())).toMatchObject({ code: "internal", status });
  });

  test("by the network is network, with its cause", async () => {
    const cause = new TypeError("connection refused");
    const error = await failure(chat({ fetch: () => Promise.reject(cause) }).me());
    expect(error).toMatchObject({ code: "network", cause });
    expect(error.status).toBeUndefined();
  });

  test("of a token that can't be had is the provider's own error", async () => {
    const lost = new Error("logged out");
    const token = () => Promise.reject(lost);
    expect(
      await chat({ token })
        .me()
        .catch((error: unknown) => error),
    ).toBe(lost);
    expect(asked).toEqual([]);
  });
});

test("a signal ends what is under way, and what would follow", async () => {
  const controller = new AbortController();
  const client = chat({
    signal: controller.signal,
    fetch: (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      ),
  });
  const under = client.me();
  await Promise.resolve();
  const reason = new Error("enough");
  controller.abort(reason);
  expect(await under.catch((error: unknown) => error)).toBe(reason);
  expect(await client.me().catch((error: unknown) => error)).toBe(reason);
});

test("a signal that comes while the token is fetched keeps the request from going out", async () => {
  const controller = new AbortController();
  const late = Promise.withResolvers<string>();
  let fetched = 0;
  const fetch = async () => Response.json(++fetched);
  const asking = chat({ signal: controller.signal, token: () => late.promise, fetch }).me();
  controller.abort();
  late.resolve("late");
  await asking.catch(() => undefined);
  expect(fetched).toBe(0);
});
