import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { useBinary } from "../support/binary.ts";
import { mattermostExport, postLine } from "../support/mattermost-export.ts";
import { runProcess } from "../support/process.ts";
import { slackExport, slackMessage } from "../support/slack-export.ts";

// Each test starts processes, which takes long on a busy machine.
setDefaultTimeout(30_000);

const binary = useBinary();

/** Commands on a new database. */
function useDatabase() {
  const database = `${binary.fresh("chat")}.db`;
  const run = (...words: string[]) =>
    runProcess([binary.path, ...words], { cwd: binary.folder, env: { PARLEY_DATABASE: database } });
  return {
    run,
    /** Imports a file with the given content. */
    async import(product: string, content: string | Uint8Array<ArrayBuffer>, ...options: string[]) {
      await Bun.write(join(binary.folder, `${database}.export`), content);
      const result = await run("import", product, `${database}.export`, ...options);
      return { ...result, counts: countsIn(result.stdout) };
    },
    /** What the database holds, as JSON lines. */
    export: async () => (await run("export")).stdout,
    /** The texts of the messages, room by room. */
    async texts() {
      const { stdout } = await run("export");
      const records = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
      return records.filter(({ type }) => type === "message").map(({ room, text }) => `${room}: ${text}`);
    },
  };
}

/** New and known records by kind: `{ messages: [2, 0] }`. */
function countsIn(stdout: string): Record<string, [number, number]> {
  const rows = stdout.matchAll(/^(\w[\w ]*?) {2,}(\d+) +(\d+)$/gm);
  return Object.fromEntries(
    Array.from(rows, ([, kind, added, known]) => [kind, [Number(added), Number(known)]]),
  );
}

const reactions = [{ name: "tada", users: ["U2"] }];
const slackDay = [
  slackMessage("1704067200.000100", "root <@U2>", { thread_ts: "1704067200.000100", reactions }),
  slackMessage("1704067200.000200", "reply", { user: "U2", thread_ts: "1704067200.000100" }),
  { type: "message", subtype: "channel_join", user: "U2", text: "joined", ts: "1704067200.000300" },
];
const nextDay = [slackMessage("1704153600.000100", "later", { thread_ts: "1704067200.000100" })];

const start = 1_704_067_200_000;
const post = postLine(start, "root @bob", {
  reactions: [{ user: "bob", emoji_name: "tada", create_at: start }],
  replies: [{ user: "bob", message: "reply", create_at: start + 1, edit_at: 0 }],
});
const longerPost = {
  ...post,
  post: {
    ...post.post,
    replies: [...post.post.replies, { user: "ada", message: "later", create_at: start + 2 }],
  },
};

const products = [
  {
    product: "slack",
    room: "general",
    first: slackExport({ "general/2024-01-01.json": slackDay }),
    longer: slackExport({ "general/2024-01-01.json": slackDay, "general/2024-01-02.json": nextDay }),
    wrong: slackExport({
      "general/2024-01-01.json": [...slackDay, { type: "message", user: "U1", text: "x", ts: "never" }],
    }),
    wrongAt: "general/2024-01-01.json, message 4 (ts never): ",
  },
  {
    product: "mattermost",
    room: "acme.town-square",
    first: mattermostExport(post),
    longer: mattermostExport(postLine(start + 5, "another"), longerPost),
    wrong: mattermostExport(post, '{"type":"post","post":{"team":"ac'),
    wrongAt: "line 11: Not valid JSON: ",
  },
];

describe.each(products)("parley import $product", ({ product, room, first, longer, wrong, wrongAt }) => {
  test("imports rooms, users, members, messages, threads and reactions", async () => {
    const chat = useDatabase();
    const { code, stderr, stdout, counts } = await chat.import(product, first);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(counts).toMatchObject({ messages: [2, 0], reactions: [1, 0] });
    expect(stdout).toEndWith("Imported\n");
    const lines = (await chat.export()).split("\n");
    const messages = lines
      .filter((line) => line.includes('"type":"message"'))
      .map((line) => JSON.parse(line));
    expect(messages).toMatchObject([
      { room, seq: 1, sender: { email: "ada@example.com" }, sent_at: "2024-01-01T00:00:00.000Z" },
      { room, seq: 2, sender: { email: "bob@example.com" }, text: "reply", reply_to: 1 },
    ]);
    expect(lines).toContain(
      `{"type":"reaction","room":"${room}","message":1,"emoji":"🎉","user":{"email":"bob@example.com"}}`,
    );
  });

  test("imports nothing twice, and of a longer export what is new", async () => {
    const chat = useDatabase();
    await chat.import(product, first);
    const before = await chat.export();
    const again = await chat.import(product, first);
    expect(again.counts).toMatchObject({ messages: [0, 2], reactions: [0, 1] });
    expect(await chat.export()).toBe(before);
    const more = await chat.import(product, longer);
    expect(more.code).toBe(0);
    expect(more.counts["messages"]?.[1]).toBe(2);
    const texts = await chat.texts();
    expect(texts.slice(0, 2)).toEqual([expect.stringContaining(`${room}: root`), `${room}: reply`]);
    expect(texts).toHaveLength(2 + (more.counts["messages"]?.[0] ?? 0));
    expect(texts).toContain(`${room}: later`);
  });

  test("says what it would do, and does nothing, in a dry run", async () => {
    const chat = useDatabase();
    const { code, counts } = await chat.import(product, first, "--dry-run");
    expect([code, counts["messages"]]).toEqual([0, [2, 0]]);
    expect(await chat.export()).toBe("");
  });

  test("imports nothing of a file with an error, unless it may leave the error out", async () => {
    const chat = useDatabase();
    const refused = await chat.import(product, wrong);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toStartWith(wrongAt);
    expect(refused.stderr).toEndWith("parley: Nothing was imported: 1 error.\n");
    expect(await chat.export()).toBe("");
    const { code, counts } = await chat.import(product, wrong, "--skip-invalid");
    expect([code, counts["messages"]]).toEqual([0, [2, 0]]);
  });

  test("refuses an empty file, one that is cut short, and one that is something else", async () => {
    const chat = useDatabase();
    const half = first.slice(0, first.length / 2);
    for (const content of ["", "{}", half]) {
      const { code, stdout, stderr } = await chat.import(product, content);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^(line \d+.*: .*\n)?parley: .*\n$/);
    }
    const missing = await chat.run("import", product, "missing");
    expect(missing).toMatchObject({ code: 1, stderr: "parley: missing: there is no such file\n" });
    expect(await chat.export()).toBe("");
  });
});

test("parley import slack takes addresses from a member list, and refuses a list without them", async () => {
  const chat = useDatabase();
  const users = [{ id: "U1", name: "ada", profile: { real_name: "Ada" } }];
  const content = slackExport({ "users.json": users, "general/2024-01-01.json": slackDay.slice(0, 1) });
  await Bun.write(
    join(binary.folder, "members.csv"),
    'username,email,status,userid\nada,"Ada@Example.com",Member,U1\n',
  );
  await Bun.write(join(binary.folder, "other.csv"), "name\nada\n");
  expect(await chat.import("slack", content)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^parley: \S+ has no email addresses, .* \(--members\)\.\n$/),
  });
  const refused = await chat.import("slack", content, "--members", "other.csv");
  expect(refused).toMatchObject({
    code: 1,
    stderr: "parley: other.csv is not a member list of Slack: it needs the columns userid and email.\n",
  });
  expect((await chat.import("slack", content, "--members", "members.csv")).code).toBe(0);
  expect(await chat.export()).toContain(
    '"type":"message","room":"general","seq":1,"rev":1,"changed_rev":2,"sender":{"email":"ada@example.com"}',
  );
});

test("parley import slack refuses a day that is enormous when it is unpacked", async () => {
  const name = "general/2024-01-01.json";
  const { code, stderr } = await useDatabase().import(
    "slack",
    slackExport({}, [{ name, content: Buffer.alloc(65 * 1024 * 1024, "[") }]),
  );
  expect(code).toBe(1);
  expect(stderr).toStartWith(`${name}: It has 68157440 bytes; the limit is 67108864.\n`);
});
