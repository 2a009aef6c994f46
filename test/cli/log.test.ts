import { describe, expect, test } from "bun:test";

import { createLog } from "../../src/cli/log.ts";

/** The line that a logger writes, without its newline. */
function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = [];
  write(createLog("info", { write: (line) => void lines.push(line) }));
  expect(lines).toHaveLength(1);
  const [line = ""] = lines;
  expect(line).toMatch(/^[^\n]*\n$/);
  return line.trimEnd();
}

test("a line is one JSON object with level, time and message", () => {
  const line = logged((log) => log.warn({ room: 1 }, "room is full"));
  expect(JSON.parse(line)).toEqual({
    level: 40,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    room: 1,
    msg: "room is full",
  });
});

describe("invisible characters are escaped, wherever they are", () => {
  test.each([
    ["C0", "\u001b[2J"],
    ["newline", "\n"],
    ["DEL", "\u007f"],
    ["C1", "\u009b31m"],
    ["right-to-left override", "\u202e"],
    ["zero width space", "\u200b"],
    ["line separator", "\u2028"],
    ["paragraph separator", "\u2029"],
    ["soft hyphen", "\u00ad"],
    ["byte order mark", "\ufeff"],
    ["lone surrogate", "\ud800"],
    ["tag letter", "\u{e0041}"],
    ["Hangul filler", "\u3164"],
    ["combining grapheme joiner", "\u034f"],
  ])("%s", (_, text) => {
    const line = logged((log) =>
      log.child({ user: text }).info({ path: text, [text]: 1, deep: [{ text }] }, text),
    );
    expect(line).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(line)).toMatchObject({
      user: text,
      path: text,
      [text]: 1,
      deep: [{ text }],
      msg: text,
    });
  });

  test("what can be seen stays as it is", () => {
    const text = "Zürich 東京 ✅ \u{1f600} «…»";
    expect(logged((log) => log.info({ text }, text))).toContain(`"text":"${text}","msg":"${text}"`);
  });
});

describe("lengths are bounded", () => {
  const long = "/".repeat(14_000);

  test("a long string is cut, with an ellipsis", () => {
    const line = logged((log) => log.info({ path: long, deep: { list: [long] } }, long));
    const cut = `${"/".repeat(299)}…`;
    expect(JSON.parse(line)).toMatchObject({ path: cut, deep: { list: [cut] }, msg: cut });
  });

  test("a string of 300 characters is not", () => {
    const path = "/".repeat(300);
    expect(JSON.parse(logged((log) => log.info({ path }, "request")))).toMatchObject({ path });
  });

  test("a surrogate pair is not cut in two", () => {
    const line = logged((log) => log.info({ text: "\u{1f600}".repeat(200) }, ""));
    expect(line).toMatch(/\u{1f600}+\ufffd…/u);
  });

  test("a stack trace may be longer, and is bounded too", () => {
    const err = new Error("failed", { cause: new Error("the cause") });
    err.stack = `Error: failed\n${"    at somewhere\n".repeat(10_000)}`;
    const line = logged((log) => log.error({ err }, "request failed"));
    const { stack } = (JSON.parse(line) as { err: { stack: string } }).err;
    expect(stack.length).toBeGreaterThan(1000);
    expect(stack.length).toBeLessThanOrEqual(4000);
  });

  test("of an object that is still too large, message, level and time are left", () => {
    const list = Array.from({ length: 1000 }, (_, index) => `entry ${index} ${"x".repeat(100)}`);
    const line = logged((log) => log.error({ list }, "too much"));
    expect(JSON.parse(line)).toEqual({
      level: 50,
      time: expect.any(String),
      msg: "too much",
      truncated: true,
    });
  });
});
