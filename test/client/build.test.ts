import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { version } from "../../package.json";
import { root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { installPackage } from "./support/package.ts";

/** The build bundles the types, which takes several seconds. */
setDefaultTimeout(120_000);

/** An application in which the package is installed. */
const app = temporaryFolder();
const installed = join(app.path, "node_modules/parley-chat");
/** What the build printed. */
let output: string;

beforeAll(async () => {
  output = await installPackage(app.path);
  for (const name of ["react", "@types"])
    await symlink(join(root, "node_modules", name), join(app.path, "node_modules", name));
});
afterAll(() => app[Symbol.dispose]());

test("the package contains the client, the HTTP API and the hooks, their types, a README and its manifest, without dependencies", async () => {
  const files = (await readdir(installed, { recursive: true })).toSorted();
  expect(files).toEqual([
    "README.md",
    "api.d.ts",
    "api.js",
    "index.d.ts",
    "index.js",
    "outbox-storage.js",
    "package.json",
    "react.d.ts",
    "react.js",
  ]);
  const manifest = await Bun.file(join(installed, "package.json")).json();
  expect(manifest).toMatchObject({ name: "parley-chat", version, sideEffects: false });
  expect(manifest).not.toHaveProperty("dependencies");
  // An application without React gets no warning.
  expect(manifest).toMatchObject({
    peerDependencies: { react: ">=18" },
    peerDependenciesMeta: { react: { optional: true } },
  });
});

test.each(["index.js", "api.js", "react.js"])("%s is as small as the build prints", async (name) => {
  const line = output.split("\n").find((each) => each.includes(`/${name}: `)) ?? "";
  const [, bytes, gzipped, limit] = /: (\d+) bytes, (\d+) gzipped \(limit (\d+)\)/.exec(line) ?? [];
  const script = await readFile(join(installed, name));
  expect(Number(bytes)).toBe(script.length);
  expect(Number(gzipped)).toBe(gzipSync(script, { level: 9 }).length);
  expect(Number(gzipped)).toBeWithin(500, Number(limit) + 1);
  if (name === "react.js") expect(Number(limit)).toBe(1_536);
});

test("an application that uses only the HTTP API gets only that", async () => {
  const path = join(app.path, "api-only.js");
  await writeFile(path, `import { api } from "parley-chat/api"; globalThis.api = api;`);
  const { outputs } = await Bun.build({ entrypoints: [path], minify: true });
  const text = (await outputs[0]?.text()) ?? "";
  expect(text).toContain("/api/");
  expect(text).not.toContain("chat.v2");
  expect(gzipSync(text, { level: 9 }).length).toBeLessThan(2_048);
});

const importsOf = (text: string) =>
  new Bun.Transpiler({ loader: "js" }).scan(text).imports.map(({ kind, path }) => [kind, path]);

test("the client imports nothing but its own modules, and uses only what browsers have", async () => {
  const names = ["index.js", "outbox-storage.js", "api.js", "index.d.ts", "api.d.ts"];
  const [script = "", storage = "", http = "", ...types] = await Promise.all(
    names.map((name) => readFile(join(installed, name), "utf8")),
  );
  expect(importsOf(script)).toEqual([["dynamic-import", "./outbox-storage.js"]]);
  expect(importsOf(storage)).toEqual([]);
  expect(importsOf(http)).toEqual([["import-statement", "./index.js"]]);
  const serverGlobal = /\b(Bun|process|Buffer|global|require)\b/.exec(script + storage + http)?.[0];
  const typeImport = /from ["'].*|import\(.*|<reference.*/.exec(types.join("\n"))?.[0];
  expect({ serverGlobal, typeImport }).toEqual({ serverGlobal: undefined, typeImport: undefined });
});

test("the hooks import only React and the client, and are for the client side", async () => {
  const [script = "", types = ""] = await Promise.all(
    ["react.js", "react.d.ts"].map((name) => readFile(join(installed, name), "utf8")),
  );
  const { imports } = new Bun.Transpiler({ loader: "js" }).scan(script);
  expect(imports.map(({ path }) => path)).toEqual(["react", "parley-chat"]);
  expect(script).toStartWith('"use client";');
  expect(Array.from(types.matchAll(/from (".*?")/g), ([, path]) => path)).toEqual([
    '"react"',
    '"parley-chat"',
  ]);
});

/** A program that uses the types, correctly and incorrectly. */
const consumer = `
import { connect, ParleyError } from "parley-chat";
import { api, type AuditEntry, type List, type NewRoom, type Page, type SearchResult } from "parley-chat/api";
import { type ChatProviderProps, useMessages, useRoom, useRoomState } from "parley-chat/react";
import type { Chat, ChatEvent, Message, PendingMessage, Room, RoomEvent, RoomPosition, RoomSummary } from "parley-chat";

const token = async ({ refresh }: { refresh: boolean }) => (refresh ? "new" : "old");
const stored = JSON.parse("null") as RoomPosition | null;
const chat: Chat = connect({ url: "https://chat.example.com", token, storage: localStorage, WebSocket, fetch });
const room: Room = chat.open("lobby", stored ? { since: stored } : {});
const memory = { getItem: async () => null, setItem: async () => {}, removeItem: async () => {} };
connect({ url: "https://chat.example.com", token, storage: memory, keep: 10 }).close();
const rooms: readonly RoomSummary[] = chat.rooms;
const events: AsyncIterable<RoomEvent> = room;
const chatEvents: AsyncIterable<ChatEvent> = chat;
const removeListener: () => void = room.on("change", ({ kind, message }) => {
  const text: string = message.text;
  const meta: Record<string, unknown> | undefined = message.meta;
  // @ts-expect-error: metadata is an object
  void room.send(text, { meta: "card", replyTo: message.seq });
  void room.send(text, meta ? { meta } : {});
  const sender: string = message.sender.id;
  // @ts-expect-error: there is no such kind
  if (kind === "vanished") console.log(text, sender);
});
room.on("failed", ({ command, error, message }) => {
  const name: "send" | "edit" | "delete" | "react" | "read" = command;
  console.log(name, error.code === "forbidden", message?.client_id);
});
room.on("member", ({ role }) => role === "owner");
chat.on("left", ({ room, reason }) => [room, reason === "removed"]);
// @ts-expect-error: there is no such event
room.on("gone", removeListener);
// @ts-expect-error: messages are read only
room.messages.push({} as Message);
const provided: ChatProviderProps[] = [{ chat }, { chat: undefined }, { url: "/", token, storage: localStorage }];
// @ts-expect-error: the options have no token
provided.push({ url: "/" });
export function useTexts(id: string | null): string[] {
  const team: Room | undefined = useRoom(id);
  const name: string | undefined = useRoomState(team, (open) => open.name, undefined);
  const { messages, complete } = useMessages(team);
  return [name ?? "", ...messages.map(({ text }) => text), complete ? "complete" : ""];
}
/** The server's types, with the client's. */
export async function administrate(): Promise<string[]> {
  const server = api(chat);
  const wanted: NewRoom = { name: "News", access: "open", posting: "moderators", slow_mode: 10 };
  const { id, slow_mode } = await server.createRoom(wanted);
  // @ts-expect-error: there is no such setting
  await server.changeRoom(id, { posting: "nobody" });
  const found: Page<SearchResult> = await server.search({ q: "news", limit: 5 }).page();
  const first: Message | undefined = found.items[0]?.message;
  const audit: List<AuditEntry> = server.listAudit(id);
  const lines: string[] = [first?.sender.id ?? "", room.access === "open" ? "open" : "", String(room.slowMode ?? slow_mode)];
  for await (const entry of audit) if (entry.action === "banned") lines.push(entry.user.name ?? "", entry.until ?? "");
  await server.ban(id, "bob@example.com", { until: "2030-01-01T00:00:00Z", reason: "Spam" });
  // @ts-expect-error: a cursor is given to \`page\`
  server.listMessages(id, { cursor: "before-1" });
  return lines;
}
/** One component draws both. */
const draw = (message: Message | PendingMessage) => [message.sender.name, message.text, "status" in message];
export const lines = [...room.messages, ...room.pending].map(draw);
export async function main(): Promise<number> {
  try {
    const { seq, rev } = await room.send("Hello!", { replyTo: 1, clientId: stored ? "mine" : undefined });
    for await (const event of events) if (event.type === "closed") break;
    for await (const event of chatEvents) if (event.type === "closed") break;
    const listed = await api({ url: "/", token }).rooms();
    return seq + rev + (listed[0]?.unread ?? 0) + (rooms[0]?.unread ?? 0);
  } catch (error) {
    return error instanceof ParleyError && !error.users ? (error.retryAfterMs ?? error.seq ?? 1) : 0;
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

test("Node imports the package, and exits once the chat is closed", async () => {
  const program = `
    import { connect, ParleyError } from "parley-chat";
    import { api } from "parley-chat/api";
    class SilentSocket extends EventTarget { send() {} close() {} }
    const url = "http://127.0.0.1:9";
    const items = new Map();
    const storage = {
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, value) => items.set(key, value),
      removeItem: (key) => items.delete(key),
    };
    const chat = connect({ url, token: () => "x", WebSocket: SilentSocket, storage });
    const sent = chat.open("lobby").send("Hello!");
    await new Promise((resolve) => setTimeout(resolve, 200));
    chat.close();
    console.log(await sent.catch((error) => error instanceof ParleyError && error.code));
    const refused = await api({ url, token: () => "x" }).me().catch((error) => error);
    console.log(refused instanceof ParleyError && refused.code);
    console.log(await api(chat).me().catch(({ code }) => code));
    console.log([...items.values()].join().includes("Hello!"));
  `;
  await writeFile(join(app.path, "program.mjs"), program);
  const start = performance.now();
  const result = await runProcess([Bun.which("node") ?? "node", "program.mjs"], { cwd: app.path });
  expect(result).toMatchObject({ code: 0, stdout: "closed\nnetwork\nclosed\ntrue\n", stderr: "" });
  expect(performance.now() - start).toBeLessThan(10_000);
});
