import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { connect } from "../../src/client/index.ts";
import { root, runProcess } from "../support/process.ts";
import { useServer } from "../support/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";

const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;
const server = useServer();
const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

/** Each `ts` block of docs/client.md. */
const examples = [...readFileSync(join(root, "docs/client.md"), "utf8").matchAll(/```ts\n([^]*?)```/g)].map(
  ([, text = ""]) => text,
);
const [firstSteps = "", sharedToken = "", bot = "", httpApi = ""] = examples;

/**
 * Runs an example as a program, and returns what it prints. Only the server's address and the room are replaced; `setup`
 * defines what the example does not.
 */
async function runExample(example: string, email: string, setup = ""): Promise<string> {
  const path = join(folder.path, `example-${examples.indexOf(example)}.ts`);
  const program = example
    .replace('"parley-chat"', JSON.stringify(join(root, "src/client/index.ts")))
    .replace("https://chat.example.com", server.url)
    .replace('open("team", { since', 'open("bots", { since');
  const token = JSON.stringify(await server.token(email));
  await Bun.write(path, `${setup}\n${program}\nasync function getToken(_: unknown) { return ${token}; }\n`);
  const { code, stdout, stderr } = await runProcess([process.execPath, path], { cwd: folder.path });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("the examples in docs/client.md print what they should", async () => {
  await server.createRoom([alice], { id: "team", role: "owner" });
  expect((await runExample(firstSteps, alice)).trim().split("\n")).toEqual([
    "created 1 Hello!",
    "reacted 1 Hello!",
    "edited 1 Hello, everyone!",
    '[ "Hello, everyone!" ]',
    '[ "team: 0 unread" ]',
    "closed: closed",
  ]);
  expect(await runExample(httpApi, alice)).toBe("team 0\n");
  expect(examples).toHaveLength(4);
});

test("the bot in docs/client.md answers once, even if it starts from the same position twice", async () => {
  await server.createRoom([bob], { id: "bots" });
  const chat = connect({ url: server.url, token: () => server.token(bob) });
  const room = chat.open("bots");
  await room.send("ping");
  const { rev } = await room.send("anything else");
  const since = { seq: 0, rev: 0, created_at: room.position?.created_at };
  const setup = `import { connect } from ${JSON.stringify(join(root, "src/client/index.ts"))};
    ${sharedToken}
    const url = ${JSON.stringify(server.url)};
    const load = () => (${JSON.stringify(since)});
    const save = (position) => void (position.rev > ${rev} && process.exit());`;
  for (let start = 0; start < 2; start++) await runExample(bot, bob, setup);
  await waitUntil("Bob receives the answer", () => room.messages.length === 3);
  expect(room.messages.slice(2)).toMatchObject([{ text: "pong", reply_to: 1, client_id: "pong-1" }]);
  chat.close();
});
