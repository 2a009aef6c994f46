import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile, symlink } from "node:fs/promises";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";

import { connect } from "../../src/client/index.ts";
import { buildBinary } from "../support/binary.ts";
import { startBrowser } from "../support/browser.ts";
import { root, type RunningProcess, runProcess, startProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";
import { installPackage } from "./support/package.ts";

// The programs in docs/client.md, with the package as applications install it and the compiled server.

/** The first test may have to unpack a browser, and all of them wait for the builds. */
setDefaultTimeout(180_000);

const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;
/** The folder of an application in which the package is installed, and the server's folder. */
const folder = temporaryFolder();
const packages = join(folder.path, "node_modules");
const env = { PATH: process.env["PATH"] ?? "", HOME: folder.path, npm_config_update_notifier: "false" };
/** The site of the React chat, once it has been built. */
const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: ({ url }) => {
    const { pathname } = new URL(url);
    return new Response(Bun.file(join(folder.path, "dist", pathname === "/" ? "index.html" : pathname)));
  },
});
let binary: Disposable & { path: string };
let server: RunningProcess;
let url: string;
let browser: Browser;

/** The code blocks of a section, by language. */
async function codeOf(section: string): Promise<Record<string, string>> {
  const document = await readFile(join(root, "docs/client.md"), "utf8");
  const [, text = ""] = document.split(`\n## ${section}\n`);
  const blocks = text.split("\n## ")[0]?.matchAll(/```(\w+)\n([^]*?)```/g) ?? [];
  return Object.fromEntries(Array.from(blocks, ([, language = "", code = ""]) => [language, code]));
}

/** Starts `parley dev` as the document says. */
async function startServer(port: string): Promise<void> {
  server = startProcess([binary.path, "dev"], {
    cwd: folder.path,
    env: { PARLEY_PORT: port, PARLEY_LOG_LEVEL: "warn" },
  });
  const text = await server.waitForOutput(/Press Ctrl-C to stop/);
  url = /running at (\S+)\//.exec(text)?.[1] ?? "";
}

async function stopServer(): Promise<void> {
  server.kill("SIGKILL");
  await server.ended;
}

async function tokenOf(email: string): Promise<string> {
  const { stdout } = await runProcess([binary.path, "token", email], { cwd: folder.path });
  return stdout.trim();
}

/** Runs a command of the server on its database. */
const parley = (...words: string[]) =>
  runProcess([binary.path, ...words], { cwd: folder.path, env: { PARLEY_DATABASE: ".parley/dev.db" } });

beforeAll(async () => {
  binary = await buildBinary();
  await startServer("0");
  await installPackage(folder.path);
  for (const name of ["react", "react-dom", "@types"])
    await symlink(join(root, "node_modules", name), join(packages, name));
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await stopServer();
  await site.stop(true);
  binary[Symbol.dispose]();
  folder[Symbol.dispose]();
});

test("the React chat compiles, builds, and works", async () => {
  const { html = "", tsx = "" } = await codeOf("A React chat");
  await Bun.write(join(folder.path, "index.html"), html);
  await Bun.write(join(folder.path, "chat.tsx"), tsx.replace("http://127.0.0.1:8000", url));
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2022", "DOM"],
    module: "ESNext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  await Bun.write(join(folder.path, "types.json"), JSON.stringify({ compilerOptions, files: ["chat.tsx"] }));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const checked = await runProcess([process.execPath, tsc, "-p", "types.json"], { cwd: folder.path });
  expect(checked).toMatchObject({ stdout: "", code: 0 });
  const vite = join(root, "node_modules/vite/bin/vite.js");
  const node = Bun.which("node") ?? "node";
  const built = await runProcess([node, vite, "build"], { cwd: folder.path, env });
  expect(built).toMatchObject({ code: 0 });

  const [alices, bobs] = [await openChat(alice), await openChat(bob)];
  await alices.getByRole("button", { name: "Lobby" }).click();
  await see(alices, /Online: (Alice, Bob|Bob, Alice)/);
  await send(alices, "Hello, Bob!");
  await bobs.getByRole("button", { name: "Lobby 1" }).click();
  await see(bobs, "Alice Hello, Bob!");
  await bobs.getByRole("button", { name: "Lobby", exact: true }).waitFor();
  await bobs.getByRole("textbox").fill("H");
  await see(alices, "Bob typing …");
  // An empty message is refused.
  await send(alices, "  ");
  await alices.getByRole("button", { name: "Try again" }).click();
  await alices.getByRole("button", { name: "Discard" }).click();
  await alices.getByRole("button", { name: "Discard" }).waitFor({ state: "detached" });

  await stopServer();
  await see(alices, "connecting");
  await send(alices, "The server is down");
  await send(alices, "It comes back");
  await see(alices, "It comes back");
  await alices.reload();
  await startServer(new URL(url).port);
  // The clients may wait for up to 30 seconds before they try again.
  await bobs.getByText("Alice It comes back").waitFor({ timeout: 60_000 });
  expect(await bobs.getByRole("listitem").allTextContents()).toEqual([
    "Alice Hello, Bob!",
    "Alice The server is down",
    "Alice It comes back",
  ]);
});

const see = (page: Page, text: string | RegExp) => page.getByText(text).waitFor();

async function send(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

async function openChat(email: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${site.url.href}#${await tokenOf(email)}`);
  return page;
}

/** Writes a program that gets its tokens from the server's development issuer. */
async function writeProgram(name: string, code: string, email: string): Promise<string> {
  const path = join(folder.path, name);
  const token = JSON.stringify(await tokenOf(email));
  const program = code.replaceAll("https://chat.example.com", url);
  await Bun.write(path, `${program}\nasync function getToken() { return ${token}; }\n`);
  return path;
}

test("the bot answers each message once, whenever it is stopped", async () => {
  const botEmail = "bot@example.com";
  await parley("room", "create", "team");
  for (const email of [botEmail, alice]) await parley("member", "add", "team", email);
  const { ts = "" } = await codeOf("A bot");
  const path = await writeProgram("bot.ts", ts, botEmail);
  const token = await tokenOf(alice);
  const chat = connect({ url, token: () => token });
  const room = chat.open("team");
  const answers = () => room.messages.filter(({ text }) => text === "pong").map(({ reply_to }) => reply_to);
  const start = () => startProcess([process.execPath, path], { cwd: folder.path });
  const asked: number[] = [];
  const ask = async () => void asked.push((await room.send("ping")).seq);

  await room.send("ping");
  let bot = start();
  const position = join(folder.path, "position.json");
  await waitUntil("the bot has a position", () => Bun.file(position).exists());
  const firstPosition = await Bun.file(position).text();
  for (let round = 0; round < 4; round++) {
    await ask();
    // Once when it has answered, and once as soon as it has started.
    if (round % 2 === 0) await waitUntil("the bot answers", () => answers().length === asked.length);
    bot.kill("SIGKILL");
    await bot.ended;
    await ask();
    // As if it had been killed before it saved its position.
    if (round === 2) await Bun.write(position, firstPosition);
    bot = start();
  }
  await waitUntil("the bot has answered everything", () => answers().length >= asked.length);
  await room.send("ping").then(({ seq }) => asked.push(seq));
  await waitUntil("the bot answers the last message", () => answers().includes(asked.at(-1)));
  expect(answers()).toEqual(asked);
  await parley("member", "remove", "team", botEmail);
  expect(await bot.ended).toMatchObject({ code: 0, stderr: "" });
  chat.close();
});

test("the back end creates a room once, and adds its members", async () => {
  const { ts = "" } = await codeOf("A back end");
  const calls = `for (const emails of [["${bob}"], ["${bob}", "carol@example.com"]])
    await openProjectRoom("apollo", "Project Apollo", emails);`;
  const path = await writeProgram("back-end.ts", `${ts}\n${calls}`, alice);
  expect(await runProcess([process.execPath, path], { cwd: folder.path })).toMatchObject({
    code: 0,
    stderr: "",
  });
  const { stdout } = await parley("member", "list", "apollo");
  expect(stdout).toMatch(/alice@example.com.*owner[^]*bob@example.com.*member[^]*carol@example.com.*member/);
});
