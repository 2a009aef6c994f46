import { expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { decodeJwt } from "jose";

import { DevIssuer, DevIssuerError } from "../../src/auth/dev-issuer.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

// The key file of the development issuer.

/** A folder for a database, and the names of the key file and its draft. */
function startFolder() {
  const folder = temporaryFolder();
  const keyFile = join(folder.path, "dev-issuer.json");
  return {
    database: join(folder.path, "dev.db"),
    keyFile,
    draft: `${keyFile}.new`,
    files: () => readdirSync(folder.path).toSorted(),
    path: (name: string) => join(folder.path, name),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

async function create(database: string): Promise<DevIssuer> {
  const issuer = await DevIssuer.openOrCreate(database);
  issuer.setIssuer("http://127.0.0.1:8000/dev/");
  return issuer;
}

/** The message of the refusal. It is one line, and begins with the file. */
async function failure(file: string, work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DevIssuerError)) throw error;
    expect(error.message).toStartWith(`${file}: `);
    expect(error.message).not.toContain("\n");
    return error.message.slice(file.length + 2);
  }
  throw new Error("it did not fail");
}

test("the key survives a restart, in a file of its owner alone", async () => {
  using folder = startFolder();
  expect(DevIssuer.open(folder.database)).toBeUndefined();
  const issuer = await create(folder.database);
  expect(folder.files()).toEqual(["dev-issuer.json"]);
  expect(statSync(folder.keyFile).mode & 0o777).toBe(0o600);
  const again = await DevIssuer.openOrCreate(folder.database);
  expect(again.jwks()).toEqual(issuer.jwks());
  again.setIssuer("http://127.0.0.1:9000/dev/");
  expect(DevIssuer.open(folder.database)?.issuer).toBe("http://127.0.0.1:9000/dev/");
  expect(statSync(folder.keyFile).mode & 0o777).toBe(0o600);
});

test("a file that others could read is replaced by one that they can't", async () => {
  using folder = startFolder();
  await create(folder.database);
  const text = readFileSync(folder.keyFile);
  using open = startFolder();
  writeFileSync(open.keyFile, text, { mode: 0o644 });
  writeFileSync(open.draft, "left behind by a crash", { mode: 0o644 });
  await create(open.database);
  expect(statSync(open.keyFile).mode & 0o777).toBe(0o600);
  expect(open.files()).toEqual(["dev-issuer.json"]);
});

test("its tokens have a verified email", async () => {
  using folder = startFolder();
  const issuer = await create(folder.database);
  const claims = decodeJwt(await issuer.token("alice@example.com", 60));
  expect(claims).toMatchObject({ email: "alice@example.com", email_verified: true, name: "Alice" });
});

test("a planted link in place of the key file is not read, and nothing is written through it", async () => {
  using folder = startFolder();
  using elsewhere = startFolder();
  await create(elsewhere.database);
  const before = readFileSync(elsewhere.keyFile, "utf8");
  symlinkSync(elsewhere.keyFile, folder.keyFile);
  const reason = "is a symbolic link, which is not followed; remove it";
  expect(await failure(folder.keyFile, () => DevIssuer.open(folder.database))).toBe(reason);
  expect(await failure(folder.keyFile, () => create(folder.database))).toBe(reason);
  expect(readFileSync(elsewhere.keyFile, "utf8")).toBe(before);
});

test("a planted link that leads nowhere is not followed either", async () => {
  using folder = startFolder();
  const target = folder.path("target");
  symlinkSync(target, folder.keyFile);
  expect(await failure(folder.keyFile, () => create(folder.database))).toContain("symbolic link");
  expect(existsSync(target)).toBe(false);
});

test("a link that is planted while the server starts is replaced, not written through", async () => {
  using folder = startFolder();
  const issuer = await DevIssuer.openOrCreate(folder.database);
  const target = folder.path("target");
  writeFileSync(target, "untouched");
  symlinkSync(target, folder.keyFile);
  issuer.setIssuer("http://127.0.0.1:8000/dev/");
  expect(readFileSync(target, "utf8")).toBe("untouched");
  expect(lstatSync(folder.keyFile).isFile()).toBe(true);
});

test.each([
  ["a file", (path: string) => writeFileSync(path, "untouched", { mode: 0o644 })],
  ["nothing", () => undefined],
])("a planted link in place of the draft is not written through: to %s", async (_, plant) => {
  using folder = startFolder();
  const target = folder.path("target");
  plant(target);
  const before = existsSync(target);
  symlinkSync(target, folder.draft);
  await create(folder.database);
  expect(existsSync(target)).toBe(before);
  if (before) expect(readFileSync(target, "utf8")).toBe("untouched");
  expect(lstatSync(folder.keyFile).isFile()).toBe(true);
  expect(statSync(folder.keyFile).mode & 0o777).toBe(0o600);
});

test("what is in the way of the key file or its draft is named", async () => {
  using folder = startFolder();
  mkdirSync(folder.draft);
  expect(await failure(folder.keyFile, () => create(folder.database))).toMatch(/^can't be written \(E\w+\)$/);
  mkdirSync(folder.keyFile);
  expect(await failure(folder.keyFile, () => create(folder.database))).toBe("not a regular file; remove it");
  using pipe = startFolder();
  expect(Bun.spawnSync(["mkfifo", pipe.keyFile]).exitCode).toBe(0);
  expect(await failure(pipe.keyFile, () => create(pipe.database))).toBe("not a regular file; remove it");
});

test.each(["", "{", "{}", '{"issuer":"x","key":{"kty":"EC"}}', "[]"])(
  "a file that holds no key is refused: %p",
  async (text) => {
    using folder = startFolder();
    writeFileSync(folder.keyFile, text);
    const reason = "not a development issuer's key; remove it to get a new one";
    expect(await failure(folder.keyFile, () => DevIssuer.open(folder.database))).toBe(reason);
    expect(readFileSync(folder.keyFile, "utf8")).toBe(text);
  },
);
