import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parleyCommand, root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

const fixture = (name: string) => join(root, "test/transfer/fixtures/django", `${name}.dump`);

/** A folder with a database, and the command that imports into it. */
function place() {
  const folder = temporaryFolder();
  return {
    path: folder.path,
    run: (...args: string[]) => runProcess([...parleyCommand, ...args], { cwd: folder.path }),
    django: (...args: string[]) =>
      runProcess([...parleyCommand, "import", "django", ...args], { cwd: folder.path }),
    messages: () => {
      using database = new Database(join(folder.path, "parley.db"), { readonly: true });
      return database.query("select count(*) as count from messages").get() as { count: number };
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const counts = (head: string, rows: Record<string, [number, number]>, output: string) => {
  const lines = output.split("\n").map((line) => line.trim().replaceAll(/ {2,}/g, "  "));
  expect(lines).toContain(`${head}  already there`);
  for (const [kind, [added, known]] of Object.entries(rows))
    expect(lines).toContain(`${kind}  ${added}  ${known}`);
};

describe("parley import django", () => {
  test("imports a dump once, however often it runs", async () => {
    using here = place();
    const dry = await here.django(fixture("pairs"), "--dry-run");
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    counts("would be new", { rooms: [2, 0], users: [4, 0], members: [4, 0], messages: [7, 0] }, dry.stdout);
    expect(dry.stdout).toContain("Messages  chat.message (room: conversation, sender: author, text: content");
    expect(existsSync(join(here.path, "parley.db"))).toBe(false);

    const first = await here.django(fixture("pairs"));
    counts("new", { rooms: [2, 0], users: [4, 0], members: [4, 0], messages: [7, 0] }, first.stdout);
    expect(first.stdout).toContain("Left out: messages without text (1)");
    expect(here.messages()).toEqual({ count: 7 });

    const second = await here.django(fixture("pairs"));
    counts("new", { rooms: [0, 2], users: [0, 4], members: [0, 4], messages: [0, 7] }, second.stdout);
    expect(here.messages()).toEqual({ count: 7 });
  });

  test("adds what is new since the last import", async () => {
    using here = place();
    const rows = JSON.parse(await Bun.file(fixture("rooms")).text()) as { model: string }[];
    const dump = join(here.path, "dump.json");
    writeFileSync(dump, JSON.stringify(rows.slice(0, -2)));
    counts("new", { rooms: [2, 0], messages: [3, 0] }, (await here.django(dump)).stdout);
    writeFileSync(dump, JSON.stringify(rows));
    counts("new", { rooms: [0, 2], messages: [2, 3] }, (await here.django(dump)).stdout);
  });

  test("imports nothing from a dump with errors, unless they may be left out", async () => {
    using here = place();
    const dump = join(here.path, "dump.json");
    const text = await Bun.file(fixture("rooms-indented")).text();
    writeFileSync(
      dump,
      text
        .replace('"sender": 3', '"sender": 33')
        .replace('"participants": [\n      1,', '"participants": [\n      8,'),
    );
    const refused = await here.django(dump);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      "line 56, chat.chatroom 1: participant 8 is not a user of the dump\n" +
        "line 101, chat.message 3: its sender 33 is not a user of the dump\n" +
        "parley: Nothing was imported: 2 errors.\n",
    );
    expect(here.messages()).toEqual({ count: 0 });
    const imported = await here.django(dump, "--skip-invalid");
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining("Left out: 2 errors") });
    expect(here.messages()).toEqual({ count: 4 });
  });

  test("imports nothing from a dump that is cut off", async () => {
    using here = place();
    const dump = join(here.path, "dump.json");
    writeFileSync(dump, (await Bun.file(fixture("rooms")).text()).slice(0, -100));
    expect(await here.django(dump, "--skip-invalid")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "parley: The file is cut off: it ends within the record that begins on line 1.\n",
    });
    expect(here.messages()).toEqual({ count: 0 });
  });

  test("says which options it needs", async () => {
    using here = place();
    const refused = await here.django(fixture("tutorial"));
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toStartWith("parley: Who is a member of a room?");
    const options = ["--room-id", "slug", "--add-senders", "--timezone", "Europe/Berlin"];
    expect(await here.django(fixture("tutorial"), ...options)).toMatchObject({ code: 0, stderr: "" });
    const members = await here.run("member", "list", "coffee");
    expect(members.stdout).toContain("ana@example.com");
  });

  test("takes the options --no-participants and --no-reply-to", async () => {
    using here = place();
    const imported = await here.django(fixture("pairs"), "--no-participants", "--no-reply-to");
    counts("new", { rooms: [2, 0], members: [0, 0], messages: [7, 0] }, imported.stdout);
    expect(imported.stdout).not.toContain("reply:");
  });
});
