import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Api } from "../../src/client/api.ts";
import { root, runProcess } from "../support/process.ts";
import { useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const alice = "alice@example.com";
const server = useServer();
const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

/** The reference in docs/client.md. tutorial.test.ts tries the programs that are before it. */
const [, reference = ""] = readFileSync(join(root, "docs/client.md"), "utf8").split("\n## Install\n");
const examples = [...reference.matchAll(/```ts\n([^]*?)```/g)].map(([, text = ""]) => text);
const [firstSteps = "", sharedToken = "", offline = "", httpApi = "", lists = ""] = examples;

/** Runs an example as a program of Alice's, and returns what it prints. Only the server's address is replaced. */
async function runExample(example: string): Promise<string> {
  const path = join(folder.path, `example-${examples.indexOf(example)}.ts`);
  const program = example
    .replace('"parley-chat"', JSON.stringify(join(root, "src/client/index.ts")))
    .replace('"parley-chat/api"', JSON.stringify(join(root, "src/client/api.ts")))
    .replace("https://chat.example.com", server.url);
  const token = JSON.stringify(await server.token(alice));
  await Bun.write(path, `${program}\nasync function getToken(_: unknown) { return ${token}; }\n`);
  const { code, stdout, stderr } = await runProcess([process.execPath, path], { cwd: folder.path });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

/** What the example of a page that starts offline stands in: a browser in which the user has been before. */
const firstVisit = `import { connect } from "parley-chat";
const [url, userId, token] = ["https://chat.example.com", "alice", getToken];
const before = connect({ url, token });
await before.ready;
const items = new Map([["chat-of-alice", JSON.stringify(before.snapshot())]]);
before.close();
const localStorage = {
  getItem: (key: string) => items.get(key) ?? null,
  setItem: (key: string, value: string) => void items.set(key, value),
  removeItem: (key: string) => void items.delete(key),
};
const document = Object.assign(new EventTarget(), { hidden: true });`;
const secondVisit = `console.log(chat.status, chat.rooms[0]?.name);
await chat.ready;
console.log(chat.status, chat.rooms[0]?.name);
items.clear();
document.dispatchEvent(new Event("visibilitychange"));
console.log([...items.keys()]);
chat.close();`;

test("the examples in docs/client.md print what they should", async () => {
  await server.createRoom([alice], { id: "team", role: "owner" });
  expect((await runExample(firstSteps)).trim().split("\n")).toEqual([
    "created 1 Hello!",
    "reacted 1 Hello!",
    "edited 1 Hello, everyone!",
    '[ "Hello, everyone!" ]',
    '[ "team: 0 unread" ]',
    "closed: closed",
  ]);
  expect((await runExample(httpApi)).trim().split("\n")).toEqual(["team 0", "409 true"]);
  expect((await runExample(lists)).trim().split("\n")).toEqual([
    "2 Order 1042 is paid",
    "1 Hello, everyone!",
    "1 null",
    "true",
  ]);
  const calls = "await Promise.all([token({ refresh: true }), token({ refresh: true })])";
  expect(await runExample(`${sharedToken}\nconst [one, two] = ${calls};\nconsole.log(one === two);`)).toBe(
    "true\n",
  );
  expect(await runExample(`${firstVisit}\n${offline}\n${secondVisit}`)).toBe(
    'connecting team\nopen team\n[ "chat-of-alice" ]\n',
  );
  expect(examples).toHaveLength(5);
});

test("docs/client.md has a table of all methods of the HTTP API", () => {
  const table = reference.split("\n## HTTP API\n")[1]?.split("\n### ")[0] ?? "";
  const cells = table.split("\n").map((line) => /^\| (`.*?) \|/.exec(line)?.[1] ?? "");
  const documented = cells.flatMap((cell) => Array.from(cell.matchAll(/`(\w+)\(/g), ([, name = ""]) => name));
  const methods = Object.getOwnPropertyNames(Api.prototype).filter((name) => name !== "constructor");
  expect(new Set(documented)).toEqual(new Set(methods));
});
