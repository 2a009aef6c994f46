import { expect, test } from "bun:test";

import { parseQuery } from "../../src/chat/search-query.ts";

/** A query in one line: its phrases, what the index is asked for, and the sender. */
function explain(text: string): string {
  const { phrases, terms, from } = parseQuery(text);
  const words = phrases.map(
    ({ units, isPrefix }) => units.map(({ form }) => form).join("+") + (isPrefix ? "*" : ""),
  );
  const asked = terms.map((term) => term.text + (term.isPrefix ? "*" : ""));
  return `${words.join(" ")} | ${asked.join(" ")}${from === undefined ? "" : ` | ${from}`}`;
}

test.each([
  ["two Words", "two words | two words"],
  ['"two words"', "two+words | two words"],
  ['"two words', undefined],
  ['one"two three"four', "one two+three four | one two three four"],
  ["deplo*", "deplo* | deplo*"],
  ['"new deplo"*', "new+deplo* | new deplo*"],
  ['"new deplo*"', "new+deplo | new deplo"],
  ["de*plo", undefined],
  ["deplo**", undefined],
  ["from:ann lunch", "lunch | lunch | ann"],
  ['FROM:"Ann Lee" lunch', "lunch | lunch | Ann Lee"],
  ["lunch from:", undefined],
  ['lunch from:""', undefined],
  ["lunch from:a from:b", undefined],
  ["10:30 not-from:here", "10+30 not+from+here | 10 30 not from here"],
  ["AND OR NOT NEAR(a b)", "and or not near+a b | and or not near a b"],
  ["a - b", "a b | a b"],
  ["北京", "北+京 | 北京"],
  ["北京大学", "北+京+大+学 | 北京 京大 大学"],
  ["学", undefined],
  ["学 hello", "学 hello | hello"],
  ["学*", undefined],
  ["大学*", "大+学* | 大学"],
  ["iphone手机", "iphone+手+机 | iphone 手机"],
  ["👍🏽", "👍 | 👍"],
  ["ﷺ", "صلىاللهعليهوسلم | صلىاللهعليهوسلم"],
  ["w".repeat(60), `${"w".repeat(60)} | ${"w".repeat(40)}`],
])("the query %p", (text, expected) => {
  if (expected === undefined)
    expect(() => explain(text)).toThrow(expect.objectContaining({ code: "invalid_command" }));
  else expect(explain(text)).toBe(expected);
});
