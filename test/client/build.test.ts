import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** The build bundles the types, which takes several seconds. */
setDefaultTimeout(120_000);

/** An application in which the package is installed. */
const app = temporaryFolder();
const installed = join(app.path, "node_modules/parley");
/** What the build printed. */
let output: string;

beforeAll(async () => {
  // Without npm's notices, and its files in the application's folder.
  const env = { PATH: process.env["PATH"] ?? "", HOME: app.path, npm_config_update_notifier: "false" };
  const built = await runProcess(["npm", "run", "build:client"], { cwd: root, env });
  expect(built).toMatchObject({ code: 0 });
  output = built.stdout + built.stderr;
  const packed = await runProcess(["npm", "pack", "./dist/client", "--pack-destination", app.path], {
    cwd: root,
    env,
  });
  expect(packed).toMatchObject({ code: 0 });
  const name = (await readdir(app.path)).find((each) => each.endsWith(".tgz"));
  await new Bun.Archive(await readFile(join(app.path, name ?? ""))).extract(app.path);
  await mkdir(join(app.path, "node_modules"));
  await rename(join(app.path, "package"), installed);
});
afterAll(() => app[Symbol.dispose]());

test("the package contains the client, its types and its manifest, without dependencies", async () => {
  const files = (await readdir(installed, { recursive: true })).toSorted();
  expect(files).toEqual(["index.d.ts", "index.js", "package.json"]);
  const manifest = await Bun.file(join(installed, "package.json")).json();
  expect(manifest).not.toHaveProperty("dependencies");
});

test("the client is at most 6 KiB gzipped, as the build prints", async () => {
  const [, bytes, gzipped, limit] =
    /dist\/client\/index\.js: (\d+) bytes, (\d+) gzipped \(limit (\d+)\)/.exec(output) ?? [];
  expect(Number(bytes)).toBe((await readFile(join(installed, "index.js"))).length);
  expect(Number(limit)).toBe(6_144);
  expect(Number(gzipped)).toBeWithin(1_000, 6_145);
});

test("the build fails if the client is larger than that", async () => {
  const path = join(app.path, "large.js");
  await writeFile(path, crypto.getRandomValues(Buffer.alloc(7_000)));
  const { code, stdout } = await runProcess(
    [process.execPath, join(import.meta.dir, "finish-build.ts"), path],
    {
      cwd: root,
    },
  );
  expect(code).toBe(1);
  expect(stdout).toMatch(/: 7000 bytes, 7\d\d\d gzipped \(limit 6144\)/);
});

test("the client imports nothing, and uses only what browsers have", async () => {
  const [script, types] = await Promise.all(
    ["index.js", "index.d.ts"].map((name) => readFile(join(installed, name), "utf8")),
  );
  expect(new Bun.Transpiler({ loader: "js" }).scan(script ?? "").imports).toEqual([]);
  const serverGlobal = /\b(Bun|process|Buffer|global|require)\b/.exec(script ?? "")?.[0];
  const typeImport = /from ["'].*|import\(.*|<reference.*/.exec(types ?? "")?.[0];
  expect({ serverGlobal, typeImport }).toEqual({ serverGlobal: undefined, typeImport: undefined });
});

/** A program that uses the types, correctly and incorrectly. */
const consumer = `
import { api, connect, ParleyError, type MessageBody, type Room, type RoomEvent, type RoomPosition } from "parley/client";

const token = async ({ refresh }: { refresh: boolean }) => (refresh ? "new" : "old");
const stored = JSON.parse("null") as RoomPosition | null;
const room: Room = connect({ url: "https://chat.example.com", room: "lobby", token, WebSocket, fetch, ...(stored && { since: stored }) });
connect({ url: "https://chat.example.com", room: "lobby", token, since: undefined }).close();
const events: AsyncIterable<RoomEvent> = room[Symbol.asyncIterator]();
const removeListener: () => void = room.on("change", ({ kind, message }) => {
  const text: string = message.text;
  // @ts-expect-error: there is no such kind
  if (kind === "vanished") console.log(text);
});
room.on("failed", ({ command, error, message }) => {
  const name: "send" | "edit" | "delete" | "react" | "read" = command;
  console.log(name, error.code === "forbidden", message?.clientId);
});
room.on("member", ({ role }) => role === "owner");
// @ts-expect-error: there is no such event
room.on("gone", removeListener);
// @ts-expect-error: messages are read only
room.messages.push({} as MessageBody);
export async function main(): Promise<number> {
  try {
    const { seq, rev } = await room.send("Hello!", { replyTo: 1, clientId: stored ? "mine" : undefined });
    for await (const event of events) if (event.type === "closed") break;
    const rooms = await api({ url: "/", token }).rooms();
    return seq + rev + (rooms[0]?.unread ?? 0);
  } catch (error) {
    return error instanceof ParleyError && error.code === "network" ? (error.retryAfterMs ?? 1) : 0;
  }
}
`;

test("the types compile in an application with only the DOM library", async () => {
  await writeFile(join(app.path, "consumer.ts"), consumer);
  const compilerOptions = {
    lib: ["ES2022", "DOM"],
    target: "ES2022",
    module: "NodeNext",
    moduleResolution: "NodeNext",
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  };
  await writeFile(join(app.path, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(
    join(app.path, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["consumer.ts"] }),
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const checked = await runProcess([process.execPath, tsc, "-p", app.path], { cwd: app.path });
  expect(checked).toMatchObject({ stdout: "", code: 0 });
});

test("Node imports the package, and exits once the room is closed", async () => {
  const program = `
    import { api, connect, ParleyError } from "parley/client";
    class SilentSocket extends EventTarget { send() {} close() {} }
    const url = "http://127.0.0.1:9";
    const room = connect({ url, room: "lobby", token: () => "x", WebSocket: SilentSocket });
    const sent = room.send("Hello!");
    await new Promise((resolve) => setTimeout(resolve, 50));
    room.close();
    console.log(await sent.catch((error) => error instanceof ParleyError && error.code));
    console.log(await api({ url, token: () => "x" }).me().catch(({ code }) => code));
  `;
  await writeFile(join(app.path, "program.mjs"), program);
  const start = performance.now();
  const result = await runProcess([Bun.which("node") ?? "node", "program.mjs"], { cwd: app.path });
  expect(result).toMatchObject({ code: 0, stdout: "closed\nnetwork\n", stderr: "" });
  expect(performance.now() - start).toBeLessThan(10_000);
});
