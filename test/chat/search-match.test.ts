import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { isSender, matchText, snippetOf } from "../../src/chat/search-match.ts";
import { parseQuery } from "../../src/chat/search-query.ts";

/** A text's snippet with its hits in brackets. Undefined when it does not match. */
function snippet(query: string, text: string): string | undefined {
  const match = matchText(parseQuery(query).phrases, text);
  if (!match) return undefined;
  const { text: shown, hits } = snippetOf(text, match.hits);
  let marked = "";
  let at = 0;
  for (const [start, end] of hits) {
    marked += `${shown.slice(at, start)}[${shown.slice(start, end)}]`;
    at = end;
  }
  return marked + shown.slice(at);
}

test.each([
  ["plan", "a plan, the Plan", "a [plan], the [Plan]"],
  ['"a b" b', "a b b", "[a b] [b]"],
  ["abc* ab", "abcd ab", "[abcd] [ab]"],
  ["京都", "東京都に", "東[京都]に"],
  ["cafe", "ein Café!", "ein [Café]!"],
  ["👍", "ok 👍🏽👍", "ok [👍🏽][👍]"],
  ["a b", "a c", undefined],
])("the hits of %p in %p", (query, text, expected) => {
  expect(snippet(query, text)).toBe(expected as string);
});

const words = (from: number) => Array.from({ length: 60 }, (_, n) => `word${from + n}`).join(" ");

test("a long text is cut to the surroundings of its first hit, between words", () => {
  const shown = snippet("needle", `${words(100)} needle ${words(200)}`);
  expect(shown).toMatch(/^…word\d+ .* word159 \[needle\] word200 .* word\d+…$/);
  expect(shown?.length).toBeLessThan(210);
});

test("any snippet is well formed, and its hits are within it", () => {
  const word = fc.constantFrom("needle", "👩‍👩‍👧", "東京", "x".repeat(150), "👍".repeat(120), "\n", " ");
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (parts) => {
      const text = `${parts.join("")} needle ${parts.join(" ")}`;
      const match = matchText(parseQuery("needle").phrases, text);
      const shown = snippetOf(text, match?.hits ?? []);
      expect(shown.text.isWellFormed()).toBe(true);
      expect(shown.text.length).toBeLessThanOrEqual(203);
      expect(shown.hits.length).toBeGreaterThan(0);
      for (const [start, end] of shown.hits) expect(shown.text.slice(start, end)).toBe("needle");
    }),
  );
});

test.each([
  ["sub|1", true],
  ["Ann@example.com", true],
  ["ann", true],
  ["lee", true],
  ["Ann Lee", true],
  ["le", false],
  ["sub", false],
  ["---", false],
])("from:%s", (from, expected) => {
  const user = { key: 1, id: "sub|1", email: "ann@example.com", name: "Ann Lee" };
  expect(isSender(from, user)).toBe(expected);
});
