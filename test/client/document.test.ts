import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "../support/parley.ts";
import { root, run } from "../support/process.ts";
import { stage } from "../support/stage.ts";

const on = stage();
const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

/** An example of docs/client.md as a program, which differs from it in nothing but where the server is. */
async function program(index: number): Promise<string> {
  const examples = readFileSync(join(root, "docs/client.md"), "utf8").matchAll(/```ts\n([^]*?)```/g);
  const text = [...examples][index]?.[1] ?? "";
  const token = await on.token("alice@example.com");
  const path = join(folder.path, `example-${index}.ts`);
  const example = text
    .replace('"parley/client"', JSON.stringify(join(root, "src/client/index.ts")))
    .replace("https://chat.example.com", on.parley.url);
  await Bun.write(path, `${example}\nfunction getToken(_: unknown) { return ${JSON.stringify(token)}; }\n`);
  return path;
}

test("the examples in docs/client.md do what they say", async () => {
  await on.parley.room("team", ["alice@example.com"], "owner");
  const first = await run([process.execPath, await program(0)], { cwd: folder.path });
  expect(first.stdout.trim().split("\n")).toEqual([
    "created 1 Hello!",
    "reacted 1 Hello!",
    "edited 1 Hello, everyone!",
    '[ "Hello, everyone!" ]',
    "it is over: closed",
  ]);
  const second = await run([process.execPath, await program(1)], { cwd: folder.path });
  expect(second).toMatchObject({ code: 0, stdout: "team 0\n" });
});
