import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { callApi, expectProblem } from "../../support/api.ts";
import { type Issuer, startIssuer } from "../../support/issuer.ts";
import { send } from "../../support/people.ts";
import { startTestServer, type TestServer } from "../../support/server.ts";

let issuer: Issuer;
let parley: TestServer;
let made = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  parley = await startTestServer({ issuer: issuer.issuer });
});
afterAll(async () => {
  await parley[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const fresh = (name: string) => `${name}-${++made}`;
const token = (claims: Record<string, unknown> = {}) =>
  issuer.sign(`${fresh("user")}@example.com`, { claims });

const seqs = (body: Record<string, unknown>) => (body["messages"] as { seq: number }[]).map(({ seq }) => seq);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("a room's messages", () => {
  let reader: string;

  beforeAll(async () => {
    reader = await issuer.sign("reader@example.com", { claims: { name: "Reader" } });
    await parley.createRoom(["reader@example.com"], { id: "paged" });
    await parley.createRoom(["reader@example.com"], { id: "empty" });
    await parley.asOperator(async (chat) => {
      const user = await chat.signIn({
        sub: "user|reader@example.com",
        email: "reader@example.com",
        name: "Reader",
        admin: false,
      });
      const { room } = await chat.rooms.enter({ ...user, admin: false }, "paged");
      for (const seq of range(1, 120))
        void chat.execute({ ...user, admin: false }, room.key, send(`text ${seq}`));
      await chat.idle();
    });
  });

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
  ])("%s", async (query, expected) => {
    const { status, body } = await callApi(parley, `GET /api/rooms/paged/messages${query}`, {
      token: reader,
    });
    expect(status).toBe(200);
    expect(seqs(body)).toEqual(expected);
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
  ])("?%s is refused, naming what is wrong", async (query) => {
    const answer = await callApi(parley, `GET /api/rooms/paged/messages?${query}`, { token: reader });
    expectProblem(answer, 400, "invalid_command");
    expect(String(answer.body["detail"])).toStartWith(`${query.split("=")[0]}: `);
  });

  test("each has its number, its sender and its time", async () => {
    const { body } = await callApi(parley, "GET /api/rooms/paged/messages?limit=1", { token: reader });
    const sender = { id: "user|reader@example.com", email: "reader@example.com", name: "Reader" };
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const message = { seq: 120, rev: 120, sender, text: "text 120", sent_at: at, reactions: [] };
    expect(body).toEqual({ messages: [message] });
    const { body: none } = await callApi(parley, "GET /api/rooms/empty/messages", { token: reader });
    expect(none).toEqual({ messages: [] });
  });
});

/** A body for a new room, with more in it than is asked for. */
const text = (length: number) => JSON.stringify({ name: "x", filler: "y".repeat(length) });

describe("what a request must look like", () => {
  test.each([
    ["not JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["a string", '"x"'],
    ["nothing", ""],
    ["no name", {}],
    ["an empty name", { name: "" }],
    ["a blank name", { name: " \n " }],
    ["a long name", { name: "n".repeat(201) }],
    ["a number for a name", { name: 5 }],
    ["null for a name", { name: null }],
    ["NUL in a name", { name: "a\0b" }],
    ["half a character", '{"name":"\\ud800"}'],
    ["a number for an id", { name: "x", id: 7 }],
    ["an empty id", { name: "x", id: "" }],
    ["an id with a slash", { name: "x", id: "a/b" }],
    ["an id with a dot in front", { name: "x", id: "..%2f" }],
    ["an id of letters that URLs do not take", { name: "x", id: "zimmer-ü" }],
    ["a long id", { name: "x", id: "i".repeat(101) }],
    ["deep nesting", "[".repeat(60_000)],
  ])("%s makes no room", async (_, body) => {
    const who = await token();
    expectProblem(await callApi(parley, "POST /api/rooms", { token: who, body }), 400, "invalid_command");
    expect((await callApi(parley, "GET /api/rooms", { token: who })).body).toEqual({ rooms: [] });
  });

  test.each([
    ["keys that are not known", () => ({ name: "x", color: "red", owner: "eve@example.com" })],
    ["__proto__", () => '{"name":"x","__proto__":{"admin":true}}'],
    ["the longest id", () => ({ name: "x", id: `${"i".repeat(90)}${fresh("-")}` })],
    ["the longest name", () => ({ name: "n".repeat(200) })],
    ["a name in any script", () => ({ name: "Büro 事務所 🏢" })],
    ["64 KiB", () => text(65_536 - text(0).length)],
  ])("%s makes a room", async (_, body) => {
    const answer = await callApi(parley, "POST /api/rooms", { token: await token(), body: body() });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.body).toSorted()).toEqual(["created_at", "id", "name", "rev", "role", "seq"]);
  });

  test.each([["admin"], [1], [null], [[]], [""]])("%p is no role", async (role) => {
    const who = await token();
    const id = fresh("room");
    await callApi(parley, "POST /api/rooms", { token: who, body: { id, name: "x" } });
    const put = `PUT /api/rooms/${id}/members/carol@example.com`;
    expectProblem(await callApi(parley, put, { token: who, body: { role } }), 400, "invalid_command");
    expect((await callApi(parley, put, { token: who, body: { role: "member" } })).status).toBe(201);
  });

  test.each([
    ["65 KiB, with its length", () => text(65_537 - text(0).length)],
    ["more, in pieces", () => new Blob([text(70_000)]).stream()],
    ["more than a megabyte", () => text(1 << 21)],
  ])("a body of %s is too long", async (_, body) => {
    const response = await fetch(`${parley.url}/api/rooms`, {
      method: "POST",
      headers: { authorization: `Bearer ${await token()}` },
      body: body(),
    });
    expect(response.status).toBe(413);
  });

  test.each(["..", ".hidden", "a%2Fb", "%00", "i".repeat(101), "zimmer-%C3%BC"])(
    "%s can't be a room's id",
    async (id) => {
      const answer = await callApi(parley, `GET /api/rooms/${id}/messages`, { token: await token() });
      expect([400, 404]).toContain(answer.status);
      expect(answer.headers.get("content-type")).toStartWith("application/problem+json");
    },
  );
});
