import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { decodeJwt } from "jose";

import { useBinary } from "../support/binary.ts";
import { type ProcessResult, runProcess, version } from "../support/process.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(20_000);

const binary = useBinary();
const { fresh } = binary;

/** Runs a command in an empty folder, with no environment but `env`. */
async function cli(words: string, env: Record<string, string> = {}): Promise<ProcessResult> {
  const cwd = join(binary.folder, fresh("folder"));
  mkdirSync(cwd);
  return runProcess([binary.path, ...words.split(" ").filter(Boolean)], { cwd, env });
}

const ok = (stdout: string): ProcessResult => ({ code: 0, stdout, stderr: "" });
const failure = (stderr: string): ProcessResult => ({ code: 1, stdout: "", stderr });

describe("help", () => {
  const commands = [
    "serve",
    "dev",
    "room",
    "room create",
    "room list",
    "room delete",
    "member",
    "member add",
    "member remove",
    "member list",
    "token",
    "migrate",
    "import",
    "import jsonl",
    "import django",
    "import slack",
    "import mattermost",
    "export",
    "classic",
    "classic check",
    "version",
  ];

  test.each(commands)("%s --help shows its usage", async (command) => {
    const { code, stdout, stderr } = await cli(`${command} --help`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toStartWith(`Usage: parley ${command} `);
  });

  test("--help names every command and every setting", async () => {
    const { code, stdout } = await cli("--help");
    expect(code).toBe(0);
    for (const command of commands.filter((name) => !name.includes(" "))) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    }
    expect(stdout).toContain("PARLEY_PORT (8000)\n      TCP port to listen on.");
  });

  test("version prints the package's version", async () => {
    expect(await cli("version")).toEqual(ok(`${version}\n`));
  });
});

describe("wrong usage", () => {
  test.each([
    "",
    "nonsense",
    "--nonsense",
    "room",
    "room nonsense",
    "room create",
    "room create one two",
    "room create a/b",
    "room create .hidden",
    "room create zimmer-ü",
    "room create ok --nonsense",
    "room create ok --name",
    "room delete",
    "room list extra",
    "member",
    "member add room",
    "member add room a@example.com --role king",
    "member add room sub:",
    "member add room bobexample.com",
    "member add room bob@",
    "member add a/b a@example.com",
    "member remove room",
    "member list",
    "serve extra",
    "dev extra",
    "migrate extra",
    "version extra",
    "token",
    "token a@example.com --ttl soon",
    "token a@example.com --ttl -1h",
    "token a@example.com --ttl 1y",
    "token a@example.com --ttl 45",
  ])("`%s` exits with 2, and creates nothing", async (words) => {
    const { code, stdout, stderr } = await cli(words, { PARLEY_DATABASE: join(binary.folder, "wrong.db") });
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^(error: |Usage: )/);
    expect(await Bun.file(join(binary.folder, "wrong.db")).exists()).toBe(false);
  });
});

describe("suggestions", () => {
  test.each([
    ["rooom", "room"],
    ["rooms", "room"],
    ["romo", "room"],
    ["migrat", "migrate"],
    ["room lst", "list"],
    ["room list --jsn", "--json"],
  ])("`%s` gets one", async (words, name) => {
    expect((await cli(words)).stderr).toContain(`\n(Did you mean ${name}?)\n`);
  });

  test.each(["foo", "boot", "start", "user", "room lost-and-found", "room list --jam"])(
    "`%s` gets none",
    async (words) => {
      const { stderr } = await cli(words);
      expect(stderr).toMatch(/^error: unknown (command|option) '.*'\n\(add --help for more\)\n$/);
    },
  );
});

test("an id that looks like a mistyped email is refused, with how to write it", async () => {
  const { stderr } = await cli("member add team bobexample.com");
  expect(stderr).toContain("This looks like a mistyped email. If it is a user id, write sub:bobexample.com");
});

describe("tokens and databases", () => {
  test("without a development issuer there is no token", async () => {
    expect(await cli("token alice@example.com")).toEqual(
      failure("parley: There is no development issuer yet. Run `parley dev` once.\n"),
    );
  });

  test.each([
    ["", 3600],
    [" --ttl 90s", 90],
    [" --ttl 15m", 900],
    [" --ttl 7d", 604_800],
  ])("token alice@example.com%s is valid for %d seconds", async (option, seconds) => {
    const key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
    const jwk = { ...(await crypto.subtle.exportKey("jwk", key.privateKey)), kid: "k" };
    const database = join(binary.folder, fresh("dev"), "dev.db");
    await Bun.write(
      join(database, "../dev-issuer.json"),
      JSON.stringify({ issuer: "http://127.0.0.1:1/dev/", key: jwk }),
    );
    const { code, stdout } = await cli(`token alice@example.com${option}`, { PARLEY_DATABASE: database });
    expect(code).toBe(0);
    const { email, iat = 0, exp = 0 } = decodeJwt(stdout.trim());
    expect([email, exp - iat]).toEqual(["alice@example.com", seconds]);
  });

  test("migrate creates the database, and changes nothing when it is up to date", async () => {
    const database = join(binary.folder, fresh("new.db"));
    const env = { PARLEY_DATABASE: database };
    for (const _ of [1, 2]) expect(await cli("migrate", env)).toEqual(ok("The database is up to date\n"));
    expect(await cli("room list --json", env)).toEqual(ok("[]\n"));
    expect(await cli("room list", env)).toEqual(ok(""));
  });

  test("only migrate and room create create a database", async () => {
    const database = join(binary.folder, fresh("none.db"));
    const env = { PARLEY_DATABASE: database };
    for (const words of ["room list", "room delete a", "member list a", "member add a a@example.com"]) {
      expect(await cli(words, env)).toEqual(failure(`parley: ${database}: there is no such file\n`));
    }
    expect(await Bun.file(database).exists()).toBe(false);
    expect((await cli("room create a", env)).code).toBe(0);
    expect(await Bun.file(database).exists()).toBe(true);
  });

  test("a bad setting stops any command", async () => {
    const { code, stderr } = await cli("room list", { PARLEY_MAX_TEXT: "much" });
    expect([code, stderr]).toEqual([
      2,
      'parley: PARLEY_MAX_TEXT: must be a decimal number, 0 or more (it is "much")\n',
    ]);
  });

  test("a file that is not a database is left alone", async () => {
    const database = join(binary.folder, fresh("other.db"));
    const bytes = "This is a letter, not a database. ".repeat(100);
    await Bun.write(database, bytes);
    const { code, stderr } = await cli("migrate", { PARLEY_DATABASE: database });
    expect([code, stderr]).toEqual([1, `parley: ${database}: this is not a database\n`]);
    expect(await Bun.file(database).text()).toBe(bytes);
  });
});
