import { describe, expect, test } from "bun:test";

import { excerpt } from "../../src/web/messages/excerpt.ts";
import { otherHost, parse, safeUrl } from "../../src/web/messages/markdown.ts";

/** The kinds of the tokens of a text, also those within others. */
function typesOf(text: string, names?: readonly string[]): string[] {
  const types: string[] = [];
  const visit = (value: unknown) => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      if ("type" in value) types.push(String(value.type));
      if ("tokens" in value) visit(value.tokens);
      if ("items" in value) visit(value.items);
    }
  };
  visit(parse(text, names));
  return types;
}

/** The mentions in a text. */
const mentionsIn = (text: string, names: readonly string[]) =>
  typesOf(text, names).filter((type) => type === "mention");

describe("Markdown of a chat", () => {
  test.each([
    ["**bold**", "strong"],
    ["*italic*", "em"],
    ["~~struck~~", "del"],
    ["`code`", "codespan"],
    ["```\ncode\n```", "code"],
    ["> quote", "blockquote"],
    ["- item", "list"],
    ["https://example.com", "link"],
    ["a@example.com", "link"],
    ["one\ntwo", "br"],
  ])("%j has %s", (text, type) => {
    expect(typesOf(text)).toContain(type);
  });

  test.each([
    "# title",
    "title\n===",
    "---",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "<b>html</b>",
    "    indented",
    "[a]: https://example.com",
    "snake_case_name",
    "5 * 3 * 2",
  ])("%j has no format", (text) => {
    const formats = new Set(typesOf(text));
    for (const type of ["paragraph", "text", "br", "link", "space"]) formats.delete(type);
    expect([...formats]).toEqual([]);
  });

  test("mentions are those of the names that the message mentions", () => {
    expect(mentionsIn("Hi @Ann Lee, and @ann@example.com", ["ann@example.com", "ann lee"])).toHaveLength(2);
    expect(mentionsIn("Hi @Ann Leeds", ["ann lee"])).toEqual([]);
    expect(mentionsIn("`@room`", ["room"])).toEqual([]);
    expect(mentionsIn("Hi @Ann", [])).toEqual([]);
  });

  test("a text that would take long is one plain text", () => {
    for (const text of [">".repeat(16_000), "> - ".repeat(3_000), "- ".repeat(8_000), "*a".repeat(8_000)])
      expect(parse(text)).toEqual([{ type: "text", raw: text, text }]);
  });
});

test("links lead to http, https and mailto only", () => {
  expect(safeUrl("https://example.com/a")).toBe("https://example.com/a");
  expect(safeUrl("mailto:a@example.com")).toBe("mailto:a@example.com");
  for (const href of [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "/path",
    "vbscript:x",
    "",
  ])
    expect(safeUrl(href)).toBeUndefined();
});

test("a link whose text is another address shows where it leads", () => {
  expect(otherHost("https://bank.example", "https://evil.example/x")).toBe("evil.example");
  expect(otherHost("bank.example/login", "https://evil.example/x")).toBe("evil.example");
  expect(otherHost("https://bank.example/a", "https://bank.example/b")).toBeUndefined();
  expect(otherHost("our site", "https://example.com")).toBeUndefined();
});

test.each([
  ["**Bold**, ~~struck~~ and `code`", "Bold, struck and code"],
  ["So:\n```js\nawait pay();\n```\nDone", "So: await pay(); Done"],
  ["2 ** 3 ** 4, and a ` alone", "2 ** 3 ** 4, and a ` alone"],
  [`${"😀".repeat(59)}x${"😀".repeat(9)}`, `${"😀".repeat(59)}x …`],
])("an excerpt of %j is %j", (text, expected) => {
  expect(excerpt(text)).toBe(expected);
});
