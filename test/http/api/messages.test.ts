import { beforeAll, expect, test } from "bun:test";

import { callApi, expectProblem } from "../../support/api.ts";
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
  "around=100",
])("?%s is refused, and the answer names the parameter", async (query) => {
  const answer = await page("paged", `?${query}`);
  expectProblem(answer, 400, "invalid_command");
  expect(answer.body["detail"]).toStartWith(`${query.split("=")[0]}: `);
});

test("a message has its number, sender and time", async () => {
  const sender = { id: `user|${reader}`, email: reader, name: "Reader" };
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const message = { seq: 120, rev: 120, sender, text: "text 120", sent_at: at, reactions: [] };
  expect((await page("paged", "?limit=1")).body).toEqual({ messages: [message] });
  expect((await page("empty", "")).body).toEqual({ messages: [] });
});
