import { describe, expect, test } from "bun:test";

import { parseCsv } from "../../src/transfer/slack/member-list.ts";
import { slackSource } from "../../src/transfer/slack/source.ts";
import { SourceError } from "../../src/transfer/source.ts";
import { slackExport, slackLists, slackMessage } from "../support/slack-export.ts";
import { errorsIn, jsonZip, readAll, recordsOf } from "../support/source.ts";
import { buildZip } from "../support/zip.ts";

const day = "general/2024-01-01.json";
const good = { "general/2024-01-02.json": [slackMessage("1704153600.000100", "good")] };

/** The reason why a file is refused as a whole. */
async function refusal(content: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const error = await readAll(slackSource(), content).catch((thrown: unknown) => thrown);
  if (!(error instanceof SourceError)) throw error;
  return error.message;
}

describe("an export is refused as a whole", () => {
  test("when it is empty, no zip file, or cut short", async () => {
    expect(await refusal("")).toMatch(/is not a whole zip file: /);
    expect(await refusal("[]".repeat(100))).toMatch(/is not a whole zip file: /);
    const whole = slackExport(good);
    expect(await refusal(whole.slice(0, whole.length - 30))).toMatch(/is not a whole zip file: /);
    expect(await refusal(whole.slice(0, whole.length / 2))).toMatch(/is not a whole zip file: /);
  });

  test("when it has no lists, or they cannot be read", async () => {
    expect(await refusal(jsonZip({ "a.txt": "x" }))).toMatch(
      /not a Slack export in JSON: it has no users\.json/,
    );
    expect(await refusal(jsonZip({ "users.json": [] }))).toMatch(/it has no channels\.json with content/);
    expect(await refusal(jsonZip({ ...slackLists, "users.json": "[{" }))).toMatch(
      /users\.json cannot be imported\. It does not hold valid JSON/,
    );
    expect(await refusal(jsonZip({ ...slackLists, "channels.json": "{}" }))).toMatch(
      /channels\.json cannot be imported\. It does not hold a JSON array/,
    );
  });

  test("when none of its users can sign in, unless a member list was given", async () => {
    const users = [
      { id: "U1", name: "ada", profile: {} },
      { id: "U5", is_bot: true, profile: { email: "b@example.com" } },
    ];
    const content = slackExport({ "users.json": users });
    expect(await refusal(content)).toMatch(/ has no email addresses, so nobody could sign in as its users\./);
    expect(errorsIn(await readAll(slackSource({ emails: new Map() }), content))).toEqual([]);
  });

  test("when there is no such file", async () => {
    const reading = Array.fromAsync(slackSource()({ path: "/nowhere/export.zip", progress: () => {} }));
    const error = await reading.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SourceError);
    expect(String(error)).toStartWith("SourceError: Cannot read /nowhere/export.zip: ENOENT");
  });
});

/** The errors of an export in which one message is good. */
const errors = async (content: Uint8Array<ArrayBuffer>, options = {}) => {
  const items = await readAll(slackSource(options), content);
  expect(recordsOf(items, "message").map(({ text }) => text)).toEqual(["good"]);
  return errorsIn(items);
};

describe("an error names its place, and the rest is read:", () => {
  test("a message that is none, or has no time", async () => {
    const list = [null, slackMessage("yesterday", "x"), { type: "message", text: "x", user: "U1" }];
    const found = await errors(slackExport({ [day]: list, ...good }));
    expect(found).toHaveLength(3);
    expect(found[0]).toStartWith(`${day}, message 1: `);
    expect(found[1]).toBe(`${day}, message 2 (ts yesterday): ts: is not a time such as 1704067200.000100`);
    expect(found[2]).toStartWith(`${day}, message 3: ts: `);
  });

  test("a file that is no JSON, not UTF-8, or cut short", async () => {
    expect(await errors(slackExport({ [day]: '[{"type":', ...good }))).toEqual([
      expect.stringMatching(/^general\/2024-01-01\.json: It does not hold valid JSON: /),
    ]);
    expect(await errors(slackExport({ [day]: {}, ...good }))).toEqual([
      `${day}: It does not hold a JSON array.`,
    ]);
    expect(
      await errors(slackExport(good, [{ name: day, content: new Uint8Array([0x5b, 0xff, 0x5d]) }])),
    ).toEqual([`${day}: It is not UTF-8 text.`]);
  });

  test("a file that nests too deeply", async () => {
    const found = await errors(slackExport({ [day]: "[".repeat(3_000_000), ...good }));
    expect(found).toEqual([expect.stringMatching(/^general\/2024-01-01\.json: It does not hold valid JSON/)]);
  });

  test("a file that is damaged or encrypted", async () => {
    const content = JSON.stringify([slackMessage("1704067200.000100", "x")]);
    const damaged = slackExport(good, [{ name: day, content, compressed: false }]);
    damaged[Buffer.from(damaged).indexOf("1704067200")] = 0x39;
    expect(await errors(damaged)).toEqual([`${day}: It is damaged: its checksum is wrong.`]);
    expect(await errors(slackExport(good, [{ name: day, content, encrypted: true }]))).toEqual([
      `${day}: It is encrypted.`,
    ]);
  });

  test("a file that is larger than the limit, or than it says", async () => {
    const maxFileBytes = 10_000;
    const content = JSON.stringify([slackMessage("1704067200.000100", "x".repeat(100_000))]);
    const bytes = content.length;
    const honest = slackExport(good, [{ name: day, content }]);
    expect(await errors(honest, { maxFileBytes })).toEqual([
      `${day}: It has ${bytes} bytes; the limit is 10000.`,
    ]);
    const lying = slackExport(good, [{ name: day, content, declaredBytes: 1_000 }]);
    expect(await errors(lying, { maxFileBytes })).toEqual([
      expect.stringMatching(/^general\/2024-01-01\.json: It is damaged: too many bytes/),
    ]);
  });

  test("an item of a list", async () => {
    const users = [...slackLists["users.json"], { name: "no id" }, "U9"];
    expect(await errors(slackExport({ "users.json": users, ...good }))).toEqual([
      expect.stringMatching(/^users\.json, item 6: id: /),
      expect.stringMatching(/^users\.json, item 7: /),
    ]);
  });

  test("nothing, for odd names, duplicates and values in fields that do not matter", async () => {
    const odd = slackMessage("1704153600.000100", "good", {
      reactions: null,
      files: "x",
      edited: 5,
      attachments: [7, {}],
      blocks: "b",
    });
    const items = await readAll(
      slackSource(),
      buildZip([
        { name: "../../etc/passwd", content: "x" },
        { name: "/absolute", content: "x" },
        { name: "C:\\windows", content: "x" },
        { name: "general/", content: "", compressed: false },
        ...Object.entries(slackLists).map(([name, list]) => ({ name, content: JSON.stringify(list) })),
        { name: "users.json", content: JSON.stringify(slackLists["users.json"]) },
        { name: "general/2024-01-02.json", content: JSON.stringify([odd]) },
        { name: "general/2024-01-02.json", content: JSON.stringify([odd]) },
      ]),
    );
    expect(errorsIn(items)).toEqual([]);
    expect(recordsOf(items, "user")).toHaveLength(5);
    expect(recordsOf(items, "message").map(({ text }) => text)).toEqual(["good"]);
  });
});

test("a member list is CSV with quotes", () => {
  const rows = parseCsv('username,email,"full, name"\r\nada,a@b.org,"Ada ""the"" first"\n\nbob,,x');
  expect(rows).toEqual([
    ["username", "email", "full, name"],
    ["ada", "a@b.org", 'Ada "the" first'],
    ["bob", "", "x"],
  ]);
});
