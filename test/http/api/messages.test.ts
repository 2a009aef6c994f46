import { beforeAll, expect, test } from "bun:test";

import { callApi, expectProblem } from "../../support/api.ts";
import { fillRoom } from "../../support/messages.ts";
import { connectRaw, encodeText } from "../../support/raw.ts";
import { range } from "../../support/samples.ts";
import { unlimited, useServer } from "../../support/server.ts";

const server = useServer({ env: unlimited });

const reader = "reader@example.com";
let token: string;

beforeAll(async () => {
  token = await server.token(reader, { claims: { name: "Reader" } });
  await server.createRoom([reader], { id: "paged" });
  await server.createRoom([reader], { id: "empty" });
  const raw = await connectRaw("classic", server.host, "paged", token);
  raw.write(...range(1, 120).map((seq) => encodeText("classic", `text ${seq}`)));
  for (const seq of range(1, 120)) expect(await raw.next()).toEqual({ message: `text ${seq}` });
  raw.destroy();
});

const page = (room: string, query: string) =>
  callApi(server, `GET /api/rooms/${room}/messages${query}`, { token });

test.each([
  ["", range(71, 120)],
  ["?limit=3", [118, 119, 120]],
  ["?limit=100", range(21, 120)],
  ["?before=4", [1, 2, 3]],
  ["?before=1", []],
  ["?before=0", []],
  ["?before=100&limit=2", [98, 99]],
  ["?before=999999999999999", range(71, 120)],
  ["?after=118", [119, 120]],
  ["?after=120", []],
  ["?after=999999999999999", []],
  ["?after=0&limit=2", [1, 2]],
  ["?after=10&limit=3", [11, 12, 13]],
  ["?after=10&before=20&limit=3", [17, 18, 19]],
  ["?after=10&before=12", [11]],
  ["?after=12&before=10", []],
  ["?around=60&limit=4", [59, 60, 61, 62]],
  ["?around=1&limit=4", [1, 2, 3, 4]],
  ["?around=120&limit=4", [119, 120]],
  ["?around=60&limit=1", [60]],
  ["?around=0&limit=2", [1, 2]],
  ["?around=999999999999999&limit=4", [119, 120]],
  ["?cursor=before-4", [1, 2, 3]],
  ["?cursor=after-118", [119, 120]],
  ["?cursor=before-14-after-10", [11, 12, 13]],
])("a page of messages: %p", async (query, seqs) => {
  const { status, body } = await page("paged", query);
  expect(status).toBe(200);
  expect((body["messages"] as { seq: number }[]).map(({ seq }) => seq)).toEqual(seqs);
});

test.each([
  "limit=0",
  "limit=101",
  "limit=-1",
  "limit=abc",
  "limit=",
  "before=-1",
  "before=1.5",
  "before=1e3",
  "before=%201",
  "after=x",
  "after=9999999999999999",
  "after=2026-01-01",
  "around=x",
  "cursor=5",
  "cursor=before-",
  "cursor=before-5-after-",
  "cursor=after-5-before-9",
  "page=2",
])("?%s is refused, and the answer names the parameter", async (query) => {
  const answer = await page("paged", `?${query}`);
  expectProblem(answer, 400, "invalid_command");
  expect(answer.body["detail"]).toStartWith(`${query.split("=")[0]}: `);
});

test("a message has its number, sender and time", async () => {
  const sender = { id: `user|${reader}`, email: reader, name: "Reader" };
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const message = { seq: 120, rev: 120, sender, text: "text 120", sent_at: at, reactions: [] };
  expect((await page("paged", "?limit=1")).body).toEqual({ messages: [message], next: "before-120" });
  expect((await page("empty", "")).body).toEqual({ messages: [], next: null });
});

test.each(["around=5&before=7", "cursor=before-3&after=1", "cursor=before-3&around=1"])(
  "%s cannot be combined",
  async (query) => {
    const answer = await page("paged", `?${query}`);
    expectProblem(answer, 400, "invalid_command");
    expect(answer.body["detail"]).toContain("cannot be combined");
  },
);

/** Follows `next` to the end. Returns the numbers of each page. */
async function follow(room: string, query: string): Promise<number[][]> {
  const pages: number[][] = [];
  for (let cursor = ""; ;) {
    const { body } = await page(room, `?${query}${cursor}`);
    const { messages, next } = body as { messages: { seq: number }[]; next: string | null };
    pages.push(messages.map(({ seq }) => seq));
    if (next === null) return pages;
    cursor = `&cursor=${next}`;
    query = query.replaceAll(/(after|before|around)=\d+&?/g, "");
  }
}

test("pages follow each other to the end, in both directions", async () => {
  expect(await follow("paged", "limit=50")).toEqual([range(71, 120), range(21, 70), range(1, 20)]);
  expect(await follow("paged", "after=0&limit=60")).toEqual([range(1, 60), range(61, 120)]);
  expect(await follow("paged", "after=100&limit=20")).toEqual([range(101, 120)]);
  expect(await follow("paged", "around=60&limit=40")).toEqual([range(41, 80), range(81, 120)]);
});

test("the pages of a range end where it ends", async () => {
  expect(await follow("paged", "after=10&before=18&limit=3")).toEqual([[15, 16, 17], [12, 13, 14], [11]]);
});

test("a page around a message has the message, however large those before it are", async () => {
  const room = await server.createRoom([reader]);
  fillRoom(server, room, 120, "x".repeat(16_000));
  expect(await follow(room, "around=60&limit=100")).toEqual([
    range(53, 68),
    range(69, 84),
    range(85, 100),
    range(101, 116),
    range(117, 120),
  ]);
});

test("a page ends at 256 KiB, and the next one goes on there", async () => {
  const text = "x".repeat(16_000);
  const room = await server.createRoom([reader]);
  fillRoom(server, room, 40, text);
  for (const query of ["limit=100", "after=0&limit=100"]) {
    const pages = await follow(room, query);
    expect(pages.map(({ length }) => length)).toEqual([16, 16, 8]);
    expect(pages.flat().toSorted((a, b) => a - b)).toEqual(range(1, 40));
  }
  const { text: json, headers } = await page(room, "?limit=100");
  expect(json.length).toBeWithin(200_000, 262_144);
  expect(headers.get("content-type")).toBe("application/json");
});

test("a page has at least one message, however large it is", async () => {
  const room = await server.createRoom([reader]);
  fillRoom(server, room, 2, "\u0001".repeat(60_000));
  expect(await follow(room, "limit=5")).toEqual([[2], [1]]);
});

test("a client that has the page already is told so", async () => {
  const { headers } = await page("paged", "?limit=3");
  const etag = headers.get("etag") ?? "";
  expect(etag).toStartWith('W/"');
  for (const known of [etag, `"x", ${etag}`, etag.slice(2), "*"]) {
    const request = { token, headers: { "if-none-match": known } };
    const again = await callApi(server, "GET /api/rooms/paged/messages?limit=3", request);
    expect([again.status, again.text, again.headers.get("etag")]).toEqual([304, "", etag]);
  }
  const other = { token, headers: { "if-none-match": 'W/"other"' } };
  expect((await callApi(server, "GET /api/rooms/paged/messages?limit=3", other)).status).toBe(200);
});

test("HEAD has the headers of GET and no body", async () => {
  const [get, head] = [
    await page("paged", "?limit=3"),
    await callApi(server, "HEAD /api/rooms/paged/messages?limit=3", { token }),
  ];
  expect([head.status, head.text]).toEqual([200, ""]);
  for (const name of ["etag", "content-length", "content-type"])
    expect([name, head.headers.get(name)]).toEqual([name, get.headers.get(name)]);
});

test("one message is read by its number", async () => {
  const one = await callApi(server, "GET /api/rooms/paged/messages/7", { token });
  expect(one.body).toMatchObject({ seq: 7, text: "text 7" });
  for (const [seq, status, code] of [
    ["121", 404, "message_not_found"],
    ["0", 400, "invalid_command"],
    ["x", 400, "invalid_command"],
    ["1e1", 400, "invalid_command"],
  ] as const)
    expectProblem(await callApi(server, `GET /api/rooms/paged/messages/${seq}`, { token }), status, code);
});
