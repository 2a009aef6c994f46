import { afterAll, beforeEach, describe, expect, test } from "bun:test";

import { api } from "../../src/client/api.ts";
import { ParleyError } from "../../src/client/index.ts";
import { outcome } from "./support/fake-server.ts";

/** A request, as in `GET /api/me`, with its token and its body. */
interface Received {
  request: string;
  token: string | null;
  body: unknown;
}

let received: Received[] = [];
let responses: Response[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    received.push({
      request: `${request.method} ${pathname}${search}`,
      token: request.headers.get("authorization"),
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
    });
    return responses.shift() ?? Response.json({});
  },
});
afterAll(() => server.stop(true));
beforeEach(() => {
  received = [];
  responses = [];
});

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json(
    { type: "about:blank", title: "Title", status, code, detail: "Detail." },
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );

const page = (items: number[], next: string | null) => Response.json({ entries: items, next });

const createApi = (options: Partial<Parameters<typeof api>[0]> = {}) =>
  api({ url: `${server.url.origin}/chat/`, token: ({ refresh }) => (refresh ? "new" : "old"), ...options });

/** The `ParleyError` with which a promise rejects. */
async function rejection(promise: Promise<unknown>): Promise<ParleyError> {
  const error = await outcome(promise);
  if (error instanceof ParleyError) return error;
  throw new Error("no ParleyError", { cause: error });
}

describe("the HTTP API", () => {
  test("sends what the arguments say, and nothing that is undefined", async () => {
    const client = createApi();
    await client.changeRoom("lobby", { name: "Hall", access: undefined });
    await client.setMember("lobby", "bob@example.com");
    await client.removeMember("lobby", "auth0|1/2 3");
    await client.react("lobby", 3, "👍", false);
    await client.listMessages("lobby", { before: 9, limit: undefined }).page();
    await client.search({ q: "50 % & more", from: "bob@example.com" }).page("a/b");
    // As of a browser, whose keys are no properties.
    const keys = { p256dh: "p", auth: "a" };
    const subscription = { endpoint: "https://push.example.com/1", options: {}, getKey: () => null };
    const { endpoint } = subscription;
    await client.subscribePush({ ...subscription, toJSON: () => ({ endpoint, keys }) });
    expect(
      received.map(({ request, body: sent }) => (sent === undefined ? [request] : [request, sent])),
    ).toEqual([
      ["PATCH /chat/api/rooms/lobby", { name: "Hall" }],
      ["PUT /chat/api/rooms/lobby/members/bob%40example.com", {}],
      ["DELETE /chat/api/rooms/lobby/members/auth0%7C1%2F2%203"],
      ["DELETE /chat/api/rooms/lobby/messages/3/reactions/%F0%9F%91%8D"],
      ["GET /chat/api/rooms/lobby/messages?before=9"],
      ["GET /chat/api/search?q=50%20%25%20%26%20more&from=bob%40example.com&cursor=a%2Fb"],
      ["PUT /chat/api/push-subscription", { endpoint, keys }],
    ]);
    expect(new Set(received.map(({ token }) => token))).toEqual(new Set(["Bearer old"]));
  });

  test("requests the pages of a list as they are needed", async () => {
    responses = [page([1, 2], "n1"), page([], "n2"), page([3, 4], null)];
    const read: unknown[] = [];
    const list = createApi().listAudit("lobby", { limit: 2 });
    expect(received).toEqual([]);
    for await (const entry of list) read.push(entry, received.length);
    expect(read as unknown).toEqual([1, 1, 2, 1, 3, 3, 4, 3]);
    expect(received.map(({ request }) => request.split("?")[1])).toEqual([
      "limit=2",
      "limit=2&cursor=n1",
      "limit=2&cursor=n2",
    ]);
    responses = [page([1, 2], "n1")];
    for await (const entry of list) if (entry) break;
    expect(received).toHaveLength(4);
  });

  test("reads a list of rooms page by page, and each room once", async () => {
    responses = [
      Response.json({ rooms: [{ id: "a" }, { id: "b" }], next: "5-b" }),
      Response.json({ rooms: [{ id: "b" }, { id: "c" }], next: null }),
    ];
    expect((await createApi().rooms()).map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(received.map(({ request }) => request)).toEqual([
      "GET /chat/api/rooms?limit=1000",
      "GET /chat/api/rooms?limit=1000&cursor=5-b",
    ]);
  });

  test("may be given a WebSocket URL", async () => {
    await createApi({ url: `ws://${server.url.host}` }).me();
    expect(received).toMatchObject([{ request: "GET /api/me" }]);
  });
});

describe("a request", () => {
  test("that is refused rejects with the server's code, detail, status and retry time", async () => {
    responses = [problem(429, "rate_limited", { "retry-after": "3" })];
    const limited = { code: "rate_limited", message: "Detail.", status: 429, retryAfterMs: 3_000 };
    expect(await rejection(createApi().me())).toMatchObject(limited);
    const details = { seq: 4, users: ["a", "b"], until: "2030-01-01T00:00:00.000Z" };
    responses = [Response.json({ code: "conflict", detail: "Detail.", ...details }, { status: 409 })];
    expect(await rejection(createApi().me())).toMatchObject({ code: "conflict", status: 409, ...details });
    responses = [problem(404, "room_not_found")];
    const notFound = { code: "room_not_found", retryAfterMs: undefined };
    expect(await rejection(createApi().room("x"))).toMatchObject(notFound);
  });

  test("that is refused with 401 is repeated once, with a new token", async () => {
    responses = [problem(401, "token_expired"), Response.json({ id: "me" })];
    expect(await createApi().me()).toMatchObject({ id: "me" });
    expect(received.map(({ token }) => token)).toEqual(["Bearer old", "Bearer new"]);
    received = [];
    responses = [problem(401, "token_expired"), problem(401, "unauthorized"), Response.json({})];
    const error = await rejection(createApi().createRoom({ name: "x" }));
    expect(error).toMatchObject({ code: "unauthorized", status: 401 });
    expect(received.map(({ body }) => body)).toEqual([{ name: "x" }, { name: "x" }]);
  });

  test.each([
    ["a proxy's page", 502, "<html>Bad gateway</html>"],
    ["a page with status 200", 200, "<html>Log in</html>"],
    ["JSON of another server", 418, '{"error":"teapot"}'],
    ["JSON that is not an object", 500, "null"],
    ["an empty body", 503, ""],
  ])("that is answered with %s rejects with `internal`", async (_, status, text) => {
    responses = [new Response(text, { status })];
    const error = await rejection(createApi().me());
    expect(error).toMatchObject({ code: "internal", status });
    expect(error.message).toBe(`Unexpected response: HTTP ${status}.`);
  });

  test("without a response rejects with `network` and its cause", async () => {
    const cause = new TypeError("connection refused");
    const error = await rejection(createApi({ fetch: () => Promise.reject(cause) }).me());
    expect(error).toMatchObject({ code: "network", cause, status: undefined });
  });

  test("without a token rejects with the error of `token`", async () => {
    const loggedOut = new Error("logged out");
    expect(await outcome(createApi({ token: () => Promise.reject(loggedOut) }).me())).toBe(loggedOut);
    expect(received).toEqual([]);
  });
});

describe("a signal", () => {
  test("aborts requests in progress, and later ones", async () => {
    const controller = new AbortController();
    let tokenRequests = 0;
    const client = createApi({
      signal: controller.signal,
      token: () => String(++tokenRequests),
      fetch: (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        ),
    });
    const inProgress = client.me();
    await Promise.resolve();
    const reason = new Error("stop");
    controller.abort(reason);
    expect(await outcome(inProgress)).toBe(reason);
    expect(await outcome(client.me())).toBe(reason);
    expect(tokenRequests).toBe(1);
  });

  test("that aborts during the request for a token prevents the request", async () => {
    const controller = new AbortController();
    const token = Promise.withResolvers<string>();
    let requests = 0;
    const fetch = async () => Response.json(++requests);
    const request = createApi({ signal: controller.signal, token: () => token.promise, fetch }).me();
    controller.abort();
    token.resolve("late");
    await outcome(request);
    expect(requests).toBe(0);
  });
});
