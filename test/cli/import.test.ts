import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

import { useBinary } from "../support/binary.ts";
import { type ProcessResult, runProcess } from "../support/process.ts";
import { useServer } from "../support/server.ts";
import { startInTerminal } from "../support/terminal.ts";
import { waitUntil } from "../support/wait.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(60_000);

const binary = useBinary();
const { fresh } = binary;

const newDatabase = () => join(binary.folder, `${fresh("parley")}.db`);

/** Runs a command on a database. The words are split at spaces. */
function cli(database: string, words: string, ...more: string[]): Promise<ProcessResult> {
  const env = { PARLEY_DATABASE: database };
  return runProcess([binary.path, ...words.split(" "), ...more], { cwd: binary.folder, env });
}

function fileOf(...lines: (object | string)[]): string {
  const path = join(binary.folder, `${fresh("file")}.jsonl`);
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(path, text.map((line) => `${line}\n`).join(""));
  return path;
}

const at = "2026-01-31T12:00:00.000Z";
const ann = { email: "ann@example.com" };
const room = { type: "room", id: "general", name: "General", created_at: at };
const member = { type: "member", room: "general", user: ann, role: "owner", joined_at: at };
const message = (key: number) => ({
  type: "message",
  room: "general",
  sender: ann,
  text: `text ${key}`,
  sent_at: at,
  client_id: String(key),
});
const reaction = { type: "reaction", room: "general", message: "1", emoji: "👍", user: { id: "auth0|1" } };
const conversation = [room, member, message(1), reaction, message(2)];

/** What the report says of each kind: new, and already there. */
function counts(stdout: string): Record<string, [number, number]> {
  const rows = [...stdout.matchAll(/^([a-z ]+?) {2,}(\d+) +(\d+)$/gm)];
  return Object.fromEntries(
    rows.map(([, kind = "", added, known]) => [kind, [Number(added), Number(known)]]),
  );
}

const exported = async (database: string) => (await cli(database, "export")).stdout;

describe("an import of JSON lines", () => {
  test("creates the database, says what it has imported, and may be run again", async () => {
    const database = newDatabase();
    const file = fileOf(...conversation);
    const first = await cli(database, "import jsonl", file);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toEndWith("Imported\n");
    expect(counts(first.stdout)).toEqual({
      rooms: [1, 0],
      users: [2, 0],
      members: [1, 0],
      "bans and mutes": [0, 0],
      messages: [2, 0],
      reactions: [1, 0],
      "read marks": [0, 0],
    });
    const state = await exported(database);
    const second = await cli(database, "import jsonl", file);
    expect(counts(second.stdout)).toMatchObject({ messages: [0, 2], reactions: [0, 1], rooms: [0, 1] });
    expect(await exported(database)).toBe(state);
  });

  test("takes records in any order", async () => {
    const [ordered, reversed] = [newDatabase(), newDatabase()];
    await cli(
      ordered,
      "import jsonl",
      fileOf(...conversation, { ...message(3), reply_to: "1", sent_at: "2026-02-01T00:00:00Z" }),
    );
    const lines = [
      { ...message(3), reply_to: "1", sent_at: "2026-02-01T00:00:00Z" },
      reaction,
      message(1),
      message(2),
      member,
      room,
    ];
    expect((await cli(reversed, "import jsonl", fileOf(...lines))).code).toBe(0);
    expect(await exported(reversed)).toBe(await exported(ordered));
  });

  test("that is a dry run changes nothing, and creates nothing", async () => {
    const database = newDatabase();
    const file = fileOf(...conversation);
    const dry = await cli(database, "import jsonl --dry-run", file);
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    expect(dry.stdout).toContain("would be new");
    expect(dry.stdout).toEndWith("Dry run: nothing was changed\n");
    expect(existsSync(database)).toBe(false);
    const real = await cli(database, "import jsonl", file);
    expect(counts(real.stdout)).toEqual(counts(dry.stdout));
    const state = await exported(database);
    const more = await cli(database, "import jsonl --dry-run", fileOf(...conversation, message(3)));
    expect(counts(more.stdout)).toMatchObject({ messages: [1, 2] });
    expect(await exported(database)).toBe(state);
  });

  test("with errors prints the first of them with their lines, and imports nothing", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", fileOf(...conversation));
    const state = await exported(database);
    const broken = Array.from({ length: 30 }, (_, n) => ({ ...message(n + 10), mood: "good" }));
    const { code, stdout, stderr } = await cli(
      database,
      "import jsonl",
      fileOf(message(3), "{", ...broken, message(4)),
    );
    expect([code, stdout]).toEqual([1, ""]);
    const lines = stderr.trim().split("\n");
    expect(lines.slice(0, 2)).toEqual([
      "line 2: This line is not JSON. Is the file cut?",
      "line 3: Unknown key: mood",
    ]);
    expect(lines.slice(20)).toEqual(["… and 11 more", "parley: Nothing was imported: 31 errors."]);
    expect(await exported(database)).toBe(state);
  });

  test("with --skip-invalid leaves out what is wrong, and says so", async () => {
    const database = newDatabase();
    const file = fileOf(
      ...conversation,
      "{",
      { ...message(3), reply_to: "none" },
      { ...member, user: { email: "x" } },
    );
    const { code, stdout, stderr } = await cli(database, "import jsonl --skip-invalid", file);
    expect(code).toBe(0);
    expect(stderr.trim().split("\n")).toEqual([
      "line 6: This line is not JSON. Is the file cut?",
      'line 8: "x" is not an email address.',
      "line 7: This message replies to one that does not exist: none",
    ]);
    expect(stdout).toContain("Left out: 3 errors\n");
    expect(counts(stdout)).toMatchObject({ messages: [2, 0] });
  });

  test.each<[string, () => string, string]>([
    ["does not exist", () => "/nowhere/file.jsonl", "/nowhere/file.jsonl: there is no such file"],
    ["is a folder", () => binary.folder, "this is a folder, not a file"],
    ["is empty", () => fileOf(), "there is nothing to import in this file"],
    ["is not JSON lines", () => binary.path, "Nothing was imported: "],
  ])("of a file that %s is refused", async (_, file, reason) => {
    const { code, stderr } = await cli(newDatabase(), "import jsonl", file());
    expect([code, stderr]).toEqual([1, expect.stringContaining(reason)]);
  });

  test("shows a progress bar in a terminal only", async () => {
    const file = largeFile(20_000);
    const command = startInTerminal([binary.path, "import", "jsonl", file], {
      cwd: binary.folder,
      env: { PARLEY_DATABASE: newDatabase() },
    });
    const { code, output } = await command.ended;
    expect(code).toBe(0);
    expect(output).toMatch(/Reading {2}\[[#-]{30}\] +\d+ %/);
    const { stderr } = await cli(newDatabase(), "import jsonl", file);
    expect(stderr).toBe("");
  });
});

test("what is left out on purpose is counted by its reason", async () => {
  const { stdout } = await cli(newDatabase(), "import jsonl", fileOf(...conversation, message(1)));
  expect(stdout).toEndWith("Left out: repeated records (1)\nImported\n");
});

const largeFiles = new Map<number, string>();

/** A file with a room and so many messages. */
function largeFile(count: number): string {
  const path = largeFiles.get(count) ?? fileOf(room, ...Array.from({ length: count }, (_, n) => message(n)));
  largeFiles.set(count, path);
  return path;
}

/** Resolves once the import has the lock. */
async function applying(database: string): Promise<void> {
  using other = new Database(database);
  other.run("PRAGMA busy_timeout = 0");
  await waitUntil(
    "the import is applied",
    () => {
      try {
        other.run("BEGIN IMMEDIATE");
        other.run("ROLLBACK");
        return false;
      } catch {
        return true;
      }
    },
    50_000,
  );
}

/** Starts a large import in a terminal, into a chat that is not empty. `before` is the chat's export. */
async function startLarge(database: string) {
  await cli(database, "import jsonl", fileOf(...conversation));
  const before = await exported(database);
  const command = startInTerminal([binary.path, "import", "jsonl", largeFile(100_000)], {
    cwd: binary.folder,
    env: { PARLEY_DATABASE: database },
  });
  return { before, command };
}

describe("an import that is stopped", () => {
  test.each(["Reading", "Applying"])("by Ctrl-C while it shows %j leaves nothing behind", async (step) => {
    const database = newDatabase();
    const { before, command } = await startLarge(database);
    await using _ = command;
    await command.waitForOutput(new RegExp(step));
    command.type("\x03");
    const { code, output } = await command.ended;
    expect(code).toBe(1);
    expect(output).toEndWith("parley: Interrupted: nothing was imported.\r\n");
    expect(await exported(database)).toBe(before);
    const name = database.split("/").at(-1) ?? "";
    expect(readdirSync(binary.folder).filter((each) => each.startsWith(name))).toEqual([name]);
  });

  test("by SIGINT ends although the pipe that it reads has nothing more", async () => {
    const pipe = join(binary.folder, fresh("pipe"));
    expect((await runProcess(["/usr/bin/mkfifo", pipe], { cwd: binary.folder })).code).toBe(0);
    const child = Bun.spawn([binary.path, "import", "jsonl", pipe], {
      cwd: binary.folder,
      env: { PARLEY_DATABASE: newDatabase() },
      stdout: "ignore",
      stderr: "pipe",
    });
    // Opens once the import reads.
    const writer = await open(pipe, "w");
    child.kill("SIGINT");
    expect(await child.stderr.text()).toBe("parley: Interrupted: nothing was imported.\n");
    expect(await child.exited).toBe(1);
    await writer.close();
  });

  test("by another process that keeps the lock says so, and that nothing was imported", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", fileOf(...conversation));
    const pipe = join(binary.folder, fresh("pipe"));
    await runProcess(["/usr/bin/mkfifo", pipe], { cwd: binary.folder });
    const importing = cli(database, "import jsonl", pipe);
    const writer = await open(pipe, "w");
    using other = new Database(database);
    other.run("BEGIN IMMEDIATE");
    await writer.write(`${JSON.stringify(message(3))}\n`);
    await writer.close();
    expect(await importing).toEqual({
      code: 1,
      stdout: "",
      stderr: "parley: Nothing was imported: another process is writing to the database. Try again\n",
    });
  });

  test("by a file that cannot grow leaves the database as it was", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", fileOf(...conversation));
    const before = await exported(database);
    const words = ["prlimit", "--fsize=4000000", binary.path, "import", "jsonl", largeFile(100_000)];
    const ended = await runProcess(words, { cwd: binary.folder, env: { PARLEY_DATABASE: database } });
    const stderr = expect.stringMatching(/^parley: Nothing was imported: SQLITE_\w+: .*\n$/);
    expect(ended).toEqual({ code: 1, stdout: "", stderr });
    expect(await exported(database)).toBe(before);
  });

  test("by SIGKILL while it is writing leaves the database as it was", async () => {
    const database = newDatabase();
    const { before, command } = await startLarge(database);
    await using _ = command;
    await command.waitForOutput(/Applying/);
    command.kill("SIGKILL");
    expect((await command.ended).code).not.toBe(0);
    expect(await exported(database)).toBe(before);
    using check = new Database(database);
    expect(check.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  });
});

describe("an export", () => {
  test("is written to a file, whole or not at all, and can be imported elsewhere", async () => {
    const [database, copy] = [newDatabase(), newDatabase()];
    await cli(database, "import jsonl", fileOf(...conversation));
    const output = join(binary.folder, `${fresh("export")}.jsonl`);
    expect(await cli(database, "export --output", output)).toEqual({ code: 0, stdout: "", stderr: "" });
    const text = readFileSync(output, "utf8");
    expect(text).toBe(await exported(database));
    await cli(copy, "import jsonl", output);
    expect(await exported(copy)).toBe(text);
    expect(readdirSync(binary.folder).filter((name) => name.endsWith(".part"))).toEqual([]);
    const refused = await cli(database, "export --output", "/nowhere/export.jsonl");
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("parley: /nowhere/export.jsonl: "),
    ]);
  });

  test("of one room has that room and the users whom it names", async () => {
    const database = newDatabase();
    const other = { ...room, id: "other" };
    await cli(
      database,
      "import jsonl",
      fileOf(...conversation, other, { ...member, room: "other", user: { id: "x" } }),
    );
    const { stdout } = await cli(database, "export --room other");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { type: string }).type),
    ).toEqual(["user", "room", "member", "read"]);
    expect(await cli(database, "export --room none")).toEqual({
      code: 1,
      stdout: "",
      stderr: 'parley: There is no room "none".\n',
    });
  });

  test("follows a link, and writes into a pipe or a device, instead of replacing them", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", fileOf(...conversation));
    const text = await exported(database);
    const [target, link, pipe] = ["target", "link", "pipe"].map((name) => join(binary.folder, fresh(name)));
    writeFileSync(target ?? "", "old");
    symlinkSync(target ?? "", link ?? "");
    expect((await cli(database, "export --output", link ?? "")).code).toBe(0);
    expect(readFileSync(target ?? "", "utf8")).toBe(text);
    await runProcess(["/usr/bin/mkfifo", pipe ?? ""], { cwd: binary.folder });
    const reading = runProcess(["/bin/cat", pipe ?? ""], { cwd: binary.folder });
    expect((await cli(database, "export --output", pipe ?? "")).code).toBe(0);
    expect((await reading).stdout).toBe(text);
  });

  test("says in one line what keeps it from being written", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", fileOf(...conversation));
    expect(await cli(database, "export --output", binary.folder)).toMatchObject({
      code: 1,
      stderr: `parley: ${binary.folder}: this is a folder, not a file\n`,
    });
    const command = `"${binary.path}" export > /dev/full`;
    const full = await runProcess(["/bin/sh", "-c", command], {
      cwd: binary.folder,
      env: { PARLEY_DATABASE: database },
    });
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/^parley: The standard output cannot be written: ENOSPC.*\n$/);
  });

  test("ends in silence when its reader goes away", async () => {
    const database = newDatabase();
    await cli(database, "import jsonl", largeFile(20_000));
    const child = Bun.spawn(["/bin/sh", "-c", `"${binary.path}" export; echo "code $?" >&2`], {
      cwd: binary.folder,
      env: { PARLEY_DATABASE: database },
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    expect(await child.stderr.text()).toBe("code 0\n");
  });
});

describe("while a server runs on the database", () => {
  const server = useServer();
  const importFile = (file: string) => cli(server.config.database, "import jsonl", file);

  test("rooms, members and messages of an import reach those who are connected", async () => {
    const id = await server.createRoom(["ann@example.com"]);
    const client = await server.connectV2(id, "ann@example.com");
    const session = await server.connectSession("ann@example.com");
    const bob = { ...member, room: id, role: "member", user: { email: "bob@example.com" } };
    const { code } = await importFile(fileOf(...conversation, { ...message(3), room: id }, bob));
    expect(code).toBe(0);
    await client.next((frame) => JSON.stringify(frame).includes("text 3"));
    await session.until(() => session.model.rooms.has("general"));
    expect(session.room("general")).toMatchObject({ name: "General", role: "owner" });
    const other = await server.connectV2(id, "bob@example.com");
    expect(other.initialTexts).toEqual(["text 3"]);
  });

  test("messages that are sent meanwhile are stored, or refused with the reason", async () => {
    const id = await server.createRoom(["ann@example.com"]);
    const client = await server.connectV2(id, "ann@example.com");
    const importing = importFile(largeFile(100_000));
    await applying(server.config.database);
    const answer = await client.command({ type: "send", text: "meanwhile" });
    if (answer.type === "error") expect(answer.code).toBe("storage_unavailable");
    expect((await importing).code).toBe(0);
    await client.ack({ type: "send", text: "afterwards" });
    const texts = [...client.messages.values()].map(({ text }) => text);
    expect(texts).toEqual(answer.type === "ack" ? ["meanwhile", "afterwards"] : ["afterwards"]);
  });
});
