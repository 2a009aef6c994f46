import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { buildBinary } from "./support/binary.ts";
import { connectClassic, refusal } from "./support/client.ts";
import { type ProcessResult, runProcess } from "./support/process.ts";
import { useServer } from "./support/server.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const server = useServer();
const tmp = temporaryFolder();
let binary: Awaited<ReturnType<typeof buildBinary>>;
let made = 0;
const fresh = (name: string) => `${name}-${++made}`;

beforeAll(async () => {
  binary = await buildBinary();
});
afterAll(() => {
  binary[Symbol.dispose]();
  tmp[Symbol.dispose]();
});

/** Runs a command on the running server's database, as `cli("room create", id)`. Words are parted at blanks. */
function cli(words: string, ...more: string[]): Promise<ProcessResult> {
  const env = { PARLEY_DATABASE: server.config.database };
  return runProcess([binary.path, ...words.split(" "), ...more], { cwd: tmp.path, env });
}

const ok = (stdout: string): ProcessResult => ({ code: 0, stdout, stderr: "" });
const failure = (stderr: string): ProcessResult => ({ code: 1, stdout: "", stderr });

describe("rooms", () => {
  test("are made, listed and deleted", async () => {
    const id = fresh("room");
    expect(await cli("room create", id, "--name", "The office")).toEqual(ok(`made room ${id}\n`));
    expect(await cli("room create", id)).toEqual(failure("parley: A room with this id exists already.\n"));
    const json = await cli("room list --json");
    const room = { id, name: "The office", messages: 0, created_at: expect.any(String) };
    expect(JSON.parse(json.stdout)).toContainEqual(room);
    const { stdout: table } = await cli("room list");
    expect(table).toMatch(/^id +name +messages +created_at$/m);
    expect(table).toMatch(new RegExp(`^${id} +The office +0 +\\d{4}-`, "m"));
    expect(await cli("room delete", id)).toEqual(ok(`deleted room ${id}\n`));
    expect((await cli("room list")).stdout).not.toContain(`${id} `);
  });

  test("have names that steer no terminal", async () => {
    const id = fresh("room");
    const name = "\u001b[2J\u009b31m\u202eevil\nroom-0  x";
    await server.asOperator((chat, operator) => chat.rooms.create(operator, id, name));
    const { stdout } = await cli("room list");
    expect(stdout).toMatch(new RegExp(`^${id} +\\?\\[2J\\?31m\\?evil\\?room-0  x +0`, "m"));
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test("are named after their id, unless told otherwise", async () => {
    const id = fresh("room");
    await cli("room create", id);
    const { stdout } = await cli("room list --json");
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ id, name: id }));
  });
});

const members = async (room: string) =>
  (
    JSON.parse((await cli("member list", room, "--json")).stdout) as {
      email: string | null;
      role: string;
    }[]
  ).map(({ email, role }) => [email, role]);

describe("members", () => {
  test("are added with a role, changed, listed and removed", async () => {
    const id = fresh("room");
    await server.createRoom([], { id });
    expect(await cli("member add", id, "Ann@Example.com")).toEqual(
      ok(`ann@example.com is now member of ${id}\n`),
    );
    expect(await cli("member add", id, "ben@example.com", "--role", "owner")).toEqual(
      ok(`ben@example.com is now owner of ${id}\n`),
    );
    expect(await cli("member add", id, "ann@example.com", "--role", "moderator")).toEqual(
      ok(`ann@example.com is still in, as moderator of ${id}\n`),
    );
    expect(await members(id)).toEqual([
      ["ben@example.com", "owner"],
      ["ann@example.com", "moderator"],
    ]);
    expect((await cli("member list", id)).stdout).toMatch(/^ben@example.com +- +- +owner +\d{4}-/m);
    expect(await cli("member remove", id, "ann@example.com")).toEqual(
      ok(`removed ann@example.com from ${id}\n`),
    );
    expect(await cli("member remove", id, "ann@example.com")).toEqual(
      failure(`parley: ann@example.com is not in ${id}\n`),
    );
    expect(await members(id)).toEqual([["ben@example.com", "owner"]]);
  });

  test("the last owner stays", async () => {
    const id = fresh("room");
    await server.createRoom(["owner@example.com"], { id, role: "owner" });
    for (const [command, ...role] of [["member remove"], ["member add", "--role", "member"]] as const) {
      const { code, stderr } = await cli(command, id, "owner@example.com", ...role);
      expect([code, stderr]).toEqual([1, expect.stringContaining("at least one owner")]);
    }
    expect(await members(id)).toEqual([["owner@example.com", "owner"]]);
  });

  test("adding somebody again without a role leaves him the one he has", async () => {
    const id = fresh("room");
    await server.createRoom(["owner@example.com", "other@example.com"], { id, role: "owner" });
    const { code, stdout } = await cli("member add", id, "owner@example.com");
    expect([code, stdout]).toEqual([0, `owner@example.com is still in, as owner of ${id}\n`]);
    expect((await members(id)).map(([, role]) => role)).toEqual(["owner", "owner"]);
  });

  test.each([
    ["auth0|abc", "auth0|abc"],
    ["sub:machine@example.com", "machine@example.com"],
  ])("%s is let in by the id of his tokens", async (who, sub) => {
    const id = fresh("room");
    await server.createRoom([], { id });
    expect((await cli("member add", id, who)).code).toBe(0);
    const token = await server.issuer.sign("", { claims: { sub, email: undefined } });
    const socket = await connectClassic(server.host, id, { token });
    expect(socket.history).toEqual([]);
    const other = await server.issuer.sign(sub, { claims: { sub: fresh("other") } });
    expect(await refusal(connectClassic(server.host, id, { token: other }))).toMatchObject({ status: 404 });
  });
});

test.each([
  "room delete ROOM",
  "member add ROOM a@example.com",
  "member remove ROOM a@example.com",
  "member list ROOM",
])("`%s` of a room that is not there fails", async (words) => {
  const { code, stdout, stderr } = await cli(words.replace("ROOM", fresh("none")));
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^parley: There is no such room.*\n$/);
});

describe("on a database that a server runs on", () => {
  test("who is let in may connect, who is removed is disconnected, and the others stay", async () => {
    const id = fresh("room");
    await cli("room create", id);
    const token = await server.issuer.sign("alice@example.com");
    expect(await refusal(connectClassic(server.host, id, { token }))).toMatchObject({ status: 404 });
    await cli("member add", id, "alice@example.com");
    await cli("member add", id, "bob@example.com");
    const alice = await connectClassic(server.host, id, { token });
    const bob = await connectClassic(server.host, id, { token: await server.issuer.sign("bob@example.com") });
    await cli("member remove", id, "alice@example.com");
    const removedAt = performance.now();
    expect(await alice.closed).toEqual({ code: 4403, reason: "removed" });
    expect(performance.now() - removedAt).toBeLessThan(2000);
    expect(await refusal(connectClassic(server.host, id, { token }))).toMatchObject({ status: 404 });
    bob.send({ message: "still here" });
    expect(await bob.next()).toEqual({ message: "still here" });
  });

  test("a room that is deleted is closed, and another one is not", async () => {
    const [id, other] = [fresh("room"), fresh("room")];
    const token = await server.issuer.sign("alice@example.com");
    for (const room of [id, other]) await server.createRoom(["alice@example.com"], { id: room });
    const [gone, stays] = await Promise.all(
      [id, other].map((room) => connectClassic(server.host, room, { token })),
    );
    await cli("room delete", id);
    const deletedAt = performance.now();
    expect(await gone?.closed).toEqual({ code: 4404, reason: "room_deleted" });
    expect(performance.now() - deletedAt).toBeLessThan(2000);
    stays?.send({ message: "still here" });
    expect(await stays?.next()).toEqual({ message: "still here" });
  });
});
