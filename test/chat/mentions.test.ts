import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { MAX_MENTIONS, nameKey, parseMentions, ROOM_KEY } from "../../src/chat/mentions.ts";

/** What would be mentioned at each place of a text. `known` are names and emails. */
function mentioned(text: string, ...known: string[]): string[] {
  const keys = new Set([...known, ROOM_KEY].map(nameKey));
  return parseMentions(text).flatMap(({ email, names }) => {
    if (email !== undefined && keys.has(email)) return [email];
    return [...names].findLast((name) => keys.has(name)) ?? [];
  });
}

describe("a mention", () => {
  test.each([
    ["@Ada", ["ada"]],
    ["hello @ADA!", ["ada"]],
    ['(@ada), "@Bob"', ["ada", "bob"]],
    ["@Ada's idea", ["ada"]],
    ["@ada\nLovelace", ["ada"]],
    ["*@ada*", ["ada"]],
    ["👍@ada ❤️@bob", ["ada", "bob"]],
    ["我觉得@ada 好", ["ada"]],
    ["@ada @bob", ["ada", "bob"]],
    ["@ada@bob", []],
    ["@@ada", []],
    ["@ ada", []],
    ["mail@ada", []],
    ["né@ada", []],
    ["a.@ada", []],
    ["_@ada", []],
    ["@Adam", []],
    ["@ada-marie", []],
    ["@ada_", []],
    ["@ada.com", []],
    ["@adaé", []],
    ["nobody", []],
    ["@", []],
  ])("%j is of %j", (text, expected) => {
    expect(mentioned(text, "Ada", "Bob")).toEqual(expected);
  });

  test("is of the longest name, which may have spaces and end with a punctuation mark", () => {
    const names = ["Ann", "Ann Lee", "Ann Lee Jr.", "Ann-Marie"];
    const of = (text: string) => mentioned(text, ...names);
    expect(of("@Ann Lee Jr. and @ann  lee, @Ann-Marie, @Ann Marie")).toEqual([
      "ann lee jr.",
      "ann lee",
      "ann-marie",
      "ann",
    ]);
    expect(of("@Ann Leeds")).toEqual(["ann"]);
  });

  test("may be of any name, whatever its script and case", () => {
    const names = [
      "王伟",
      "Øyvind Ås",
      "ΟΔΥΣΣΕΥΣ",
      "Straße",
      "محمد علي",
      "İpek",
      "🦊 Fox",
      "Ｗｉｄｅ",
      "O'Brien",
    ];
    for (const name of names) {
      for (const written of [name, name.toUpperCase(), name.toLowerCase(), name.normalize("NFD")])
        expect(mentioned(`hi @${written}, look`, ...names, "hi")).toEqual([nameKey(name)]);
    }
  });

  test("may be of an email, next to punctuation and at the end of a sentence", () => {
    const known = ["ada@example.com", "j.d+x@sub.example.org"];
    const of = (text: string) => mentioned(text, ...known);
    expect(of("@ada@example.com.")).toEqual(["ada@example.com"]);
    expect(of("(@ADA@Example.com), @j.d+x@sub.example.org!")).toEqual(known);
    for (const text of ["ada@example.com", "@ada@example.co", "@ada@example.com.au", "@eve@ada@example.com"])
      expect(of(text)).toEqual([]);
  });

  test("of the room is a word of its own, unless a longer name is meant", () => {
    const text = "@room, @ROOM! @Room Service @room-service @rooms";
    expect(mentioned(text, "Room Service", "room")).toEqual(["room", "room", "room service"]);
  });
});

test("a name with white space around and within it, or invisible characters, is the same name", () => {
  expect(nameKey("  Ada \u00a0 Lovelace\u200b ")).toBe(nameKey("ADA lovelace"));
  expect(nameKey("\u200b")).toBe("");
});

const piece = fc.oneof(
  fc.constantFrom("@", "@@", "@room", " ", "\n", ".", "-", "a@b.c", "😀", "é", "王", "\ufe0f", "\ud800"),
  fc.string({ unit: "binary", maxLength: 8 }),
);
const anyText = fc.array(piece, { maxLength: 60, size: "max" }).map((pieces) => pieces.join(""));

test("no text is refused, and the places and look-ups of each have a bound", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const places = parseMentions(text);
      expect(places.length).toBeLessThanOrEqual(MAX_MENTIONS);
      for (const { names } of places) {
        const keys = [...names];
        expect(keys.length).toBeLessThanOrEqual(10);
        for (const [index, key] of keys.entries()) expect(key).toStartWith(keys[index - 1] ?? "");
      }
    }),
    { numRuns: 2000 },
  );
});

test("any visible name is found where it is mentioned, whatever is around it", () => {
  const name = fc
    .array(fc.constantFrom("Ada", "ß", "王伟", "O'Neil", "J.", "van", "🦊", "Ünal"), {
      minLength: 1,
      maxLength: 4,
    })
    .map((words) => words.join(" "));
  const before = fc.constantFrom("", " ", "x ", "(", "😀", "王", "@x ", "a@b.c ");
  const after = fc.constantFrom("", " ", ".", "!", " and more", "\nDa", ", @nobody");
  fc.assert(
    fc.property(before, name, after, (start, each, end) => {
      expect(mentioned(`${start}@${each}${end}`, each)).toEqual([nameKey(each)]);
    }),
  );
});

test("a text of 16 KiB takes a few milliseconds at most, whatever it is made of", () => {
  const pieces = [
    "@",
    "@.",
    "@a ",
    "a@",
    "@a@b",
    "@a.b-",
    `@${"a ".repeat(60)}`,
    "@\n",
    "é@",
    "@🦊",
    "@é@é",
    "@\u00ad\n",
  ];
  // The form of this character is 18 times as long.
  for (const each of [...pieces, ` @${"ﷺ".repeat(255)}`, ` @${`${"ﷺ".repeat(30)}!`.repeat(8)}`]) {
    const text = each.repeat(16_384 / each.length);
    const times = Array.from({ length: 6 }, () => {
      const start = performance.now();
      for (const { names } of parseMentions(text)) for (const _ of names) break;
      return performance.now() - start;
    });
    expect([each, Math.min(...times) < 10]).toEqual([each, true]);
  }
});
