import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { useBinary } from "../support/binary.ts";
import { connectClassic, refusal } from "../support/client.ts";
import { openPipe } from "../support/pipe.ts";
import { type ProcessResult, runProcess } from "../support/process.ts";
import { useServer } from "../support/server.ts";
import { startInTerminal } from "../support/terminal.ts";
import { waitUntil } from "../support/wait.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

const server = useServer();
const binary = useBinary();
const { fresh } = binary;

const environment = () => ({ PARLEY_DATABASE: server.config.database });

/** Runs a command on the running server's database, as in `cli("room create", id)`. The words are split at spaces. */
function cli(words: string, ...more: string[]): Promise<ProcessResult> {
  return runProcess([binary.path, ...words.split(" "), ...more], { cwd: binary.folder, env: environment() });
}

/** As `cli`, in a terminal. */
const cliInTerminal = (words: string, ...more: string[]) =>
  startInTerminal([binary.path, ...words.split(" "), ...more], { cwd: binary.folder, env: environment() });

const ok = (stdout: string): ProcessResult => ({ code: 0, stdout, stderr: "" });
const failure = (stderr: string): ProcessResult => ({ code: 1, stdout: "", stderr });

describe("rooms", () => {
  test("are created, listed and deleted", async () => {
    const id = fresh("room");
    expect(await cli("room create", id, "--name", "The office")).toEqual(ok(`Created room ${id}\n`));
    expect(await cli("room create", id)).toEqual(failure("parley: A room with this id already exists.\n"));
    const json = await cli("room list --json");
    const room = { id, name: "The office", messages: 0, created_at: expect.any(String) };
    expect(JSON.parse(json.stdout)).toContainEqual(room);
    const { stdout: table } = await cli("room list");
    expect(table).toMatch(/^id +name +messages +created_at$/m);
    expect(table).toMatch(new RegExp(`^${id} +The office +0 +\\d{4}-`, "m"));
    expect(await cli("room delete", id)).toEqual(ok(`Deleted room ${id}\n`));
    expect((await cli("room list")).stdout).not.toContain(`${id} `);
  });

  test("have the settings that they are created with", async () => {
    const id = fresh("room");
    const options = ["--access", "open", "--posting", "moderators", "--slow-mode", "30"];
    expect(await cli("room create", id, ...options)).toEqual(ok(`Created room ${id}\n`));
    const { room } = await server.asOperator((chat, operator) => chat.rooms.enter(operator, id));
    expect(room).toMatchObject({ access: "open", posting: "moderators", slowMode: 30 });
    for (const [option, value] of [
      ["--access", "nobody"],
      ["--posting", "owners"],
      ["--slow-mode", "21601"],
      ["--slow-mode", "1.5"],
    ] as const) {
      const { code, stderr } = await cli("room create", fresh("room"), option, value);
      expect([code, stderr]).toEqual([2, expect.stringContaining(option)]);
    }
  });

  test("have names that cannot steer a terminal", async () => {
    const id = fresh("room");
    const name = "\u001b[2J\u009b31m\u202eevil\u3164\nroom-0  x";
    await cli("room create", id);
    // An older version let such a name in.
    using database = new Database(server.config.database);
    database.run("UPDATE rooms SET name = ? WHERE id = ?", [name, id]);
    const { stdout: table } = await cli("room list");
    expect(table).toMatch(new RegExp(`^${id} +\\?\\[2J\\?31m\\?evil\\?\\?room-0  x +0`, "m"));
    expect(table).not.toMatch(/[^\n\P{C}]|\u3164/u);
    const { stdout: json } = await cli("room list --json");
    expect(json).not.toMatch(/[^\n\P{C}]|\u3164/u);
    expect(JSON.parse(json)).toContainEqual(expect.objectContaining({ id, name }));
  });

  test("have their id as their name by default", async () => {
    const id = fresh("room");
    await cli("room create", id);
    const { stdout } = await cli("room list --json");
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ id, name: id }));
  });

  test("are listed in full to a reader who is slow", async () => {
    const name = "東".repeat(200);
    await server.asOperator(async (chat, operator) => {
      for (let n = 0; n < 250; n++) await chat.rooms.create(operator, fresh("room"), name);
    });
    using pipe = openPipe();
    const child = Bun.spawn([binary.path, "room", "list", "--json"], {
      cwd: binary.folder,
      env: environment(),
      stdout: pipe.writer,
    });
    let stdout = "";
    // At most 64 KiB at a time, which is less than half of the list.
    await waitUntil("the command has ended", () => {
      stdout += pipe.read();
      return child.exitCode !== null;
    });
    stdout += pipe.read();
    expect(child.exitCode).toBe(0);
    const rooms = JSON.parse(stdout) as { name: string }[];
    expect(rooms.filter((room) => room.name === name)).toHaveLength(250);
  });
});

const exists = async (id: string) => (await cli("room list")).stdout.includes(`${id} `);

async function roomWithMessages(count: number): Promise<string> {
  const id = fresh("room");
  await server.createRoom(["ann@example.com"], { id });
  const ann = await server.connectClassic(id, "ann@example.com");
  for (let n = 0; n < count; n++) {
    ann.send({ message: `message ${n}` });
    await ann.next();
  }
  return id;
}

describe("room delete in a terminal", () => {
  test.each(["y\r", "YES\r"])("asks first, and deletes after %j", async (keys) => {
    const id = await roomWithMessages(2);
    await using command = cliInTerminal("room delete", id);
    await command.waitForOutput(new RegExp(`Delete room "${id}" and its 2 messages\\? \\[y/N\\] `));
    expect(await exists(id)).toBe(true);
    command.type(keys);
    const { code, output } = await command.ended;
    expect(code).toBe(0);
    expect(output).toContain(`Deleted room ${id}`);
    expect(await exists(id)).toBe(false);
  });

  test.each([
    ["n", "n\r"],
    ["nothing", "\r"],
    ["yesterday", "yesterday\r"],
    ["Ctrl-D", "\x04"],
    ["Ctrl-C", "\x03"],
  ])("deletes nothing after %s", async (_, keys) => {
    const id = await roomWithMessages(1);
    await using command = cliInTerminal("room delete", id);
    await command.waitForOutput(/and its message\? \[y\/N\] /);
    command.type(keys);
    const { code, output } = await command.ended;
    expect(code).toBe(1);
    expect(output).toContain("parley: Nothing was deleted.");
    expect(await exists(id)).toBe(true);
  });

  test("does not ask with --yes", async () => {
    const id = await roomWithMessages(0);
    await using command = cliInTerminal("room delete --yes", id);
    const { code, output } = await command.ended;
    expect([code, output.trim()]).toEqual([0, `Deleted room ${id}`]);
  });

  test("does not ask about a room that does not exist", async () => {
    await using command = cliInTerminal("room delete", "no-such-room");
    const { code, output } = await command.ended;
    expect([code, output.trim()]).toEqual([1, 'parley: There is no room "no-such-room".']);
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
      ok(`Added email ann@example.com to ${id} as member\n`),
    );
    expect(await cli("member add", id, "ben@example.com", "--role", "owner")).toEqual(
      ok(`Added email ben@example.com to ${id} as owner\n`),
    );
    expect(await cli("member add", id, "ann@example.com", "--role", "moderator")).toEqual(
      ok(`Already a member of ${id}: email ann@example.com (role: moderator)\n`),
    );
    expect(await members(id)).toEqual([
      ["ben@example.com", "owner"],
      ["ann@example.com", "moderator"],
    ]);
    expect((await cli("member list", id)).stdout).toMatch(/^ben@example.com +- +- +owner +\d{4}-/m);
    expect(await cli("member remove", id, "ann@example.com")).toEqual(
      ok(`Removed email ann@example.com from ${id}\n`),
    );
    expect(await cli("member remove", id, "ann@example.com")).toEqual(
      failure(`parley: Room ${id} has no member with the email ann@example.com.\n`),
    );
    expect(await members(id)).toEqual([["ben@example.com", "owner"]]);
  });

  test("the last owner cannot be removed or demoted", async () => {
    const id = fresh("room");
    await server.createRoom(["owner@example.com"], { id, role: "owner" });
    for (const [command, ...role] of [["member remove"], ["member add", "--role", "member"]] as const) {
      const { code, stderr } = await cli(command, id, "owner@example.com", ...role);
      expect([code, stderr]).toEqual([1, expect.stringContaining("A room needs an owner")]);
    }
    expect(await members(id)).toEqual([["owner@example.com", "owner"]]);
  });

  test("a member who is added again without a role keeps their role", async () => {
    const id = fresh("room");
    await server.createRoom(["owner@example.com", "other@example.com"], { id, role: "owner" });
    const { code, stdout } = await cli("member add", id, "owner@example.com");
    expect([code, stdout]).toEqual([0, `Already a member of ${id}: email owner@example.com (role: owner)\n`]);
    expect((await members(id)).map(([, role]) => role)).toEqual(["owner", "owner"]);
  });

  test.each([
    ["auth0|abc", "auth0|abc"],
    ["sub:machine@example.com", "machine@example.com"],
  ])("%s is added by user id", async (who, sub) => {
    const id = fresh("room");
    await server.createRoom([], { id });
    expect(await cli("member add", id, who)).toEqual(ok(`Added user id ${sub} to ${id} as member\n`));
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
])("`%s` says that the room does not exist", async (words) => {
  const id = fresh("none");
  const ended = await cli(words.replace("ROOM", id));
  expect(ended).toEqual(failure(`parley: There is no room "${id}".\n`));
});

describe("while a server runs on the database", () => {
  test("an added member may connect, a removed one is disconnected, and the others stay", async () => {
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

  test("a deleted room is closed, and another one is not", async () => {
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
