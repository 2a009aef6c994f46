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

/** The examples of docs/client.md. */
const examples = [...readFileSync(join(root, "docs/client.md"), "utf8").matchAll(/```ts\n([^]*?)```/g)].map(
  ([, text = ""]) => text,
);

/** An example as a program, which differs from it in nothing but where the server is, and in what it is said to have. */
async function runExample(index: number, who: string, has = ""): Promise<string> {
  const bearer = JSON.stringify(await server.token(who));
  const path = join(folder.path, `example-${index}.ts`);
  const client = JSON.stringify(join(root, "src/client/index.ts"));
  const example = (examples[index] ?? "")
    .replace('"parley/client"', client)
    .replace("https://chat.example.com", server.url)
    .replace('room: "team", token, since', 'room: "bots", token, since');
  await Bun.write(path, `${has}\n${example}\nasync function getToken(_: unknown) { return ${bearer}; }\n`);
  const { code, stdout, stderr } = await runProcess([process.execPath, path], { cwd: folder.path });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("the examples in docs/client.md do what they say", async () => {
  await server.createRoom([alice], { id: "team", role: "owner" });
  expect((await runExample(0, alice)).trim().split("\n")).toEqual([
    "created 1 Hello!",
    "reacted 1 Hello!",
    "edited 1 Hello, everyone!",
    '[ "Hello, everyone!" ]',
    "it is over: closed",
  ]);
  expect(await runExample(3, alice)).toBe("team 0\n");
  expect(examples).toHaveLength(4);
});

test("the bot in docs/client.md answers once, however often it begins where it was, with the shared token", async () => {
  await server.createRoom([bob], { id: "bots" });
  const room = connect({ url: server.url, room: "bots", token: () => server.token(bob) });
  await room.send("ping");
  const { rev } = await room.send("anything else");
  const since = { seq: 0, rev: 0, created_at: room.position?.created_at };
  const client = JSON.stringify(join(root, "src/client/index.ts"));
  const has = `import { connect } from ${client};
    ${examples[2]}
    const url = ${JSON.stringify(server.url)};
    const load = () => (${JSON.stringify(since)});
    const save = (position) => void (position.rev > ${rev} && process.exit());`;
  for (let time = 0; time < 2; time++) await runExample(1, bob, has);
  await waitUntil("he hears it", () => room.messages.length === 3);
  expect(room.messages.slice(2)).toMatchObject([{ text: "pong", reply_to: 1, client_id: "pong-1" }]);
  room.close();
});
