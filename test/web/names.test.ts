import { expect, test } from "bun:test";

import { initialsOf, matchesUser, titleOf } from "../../src/web/ui/names.ts";

const zoe = { id: "z", name: null, email: "Zoe@example.com" };

test("a user is found by a part of their name or email, and not by what they lack", () => {
  const found = (text: string) => matchesUser(zoe, text);
  expect(["", "zoe", " ZOE@", "null", "adam"].map(found)).toEqual([true, true, true, false, false]);
  expect(matchesUser({ ...zoe, name: "Zoe Adams" }, "adam")).toBe(true);
});

test("a direct conversation is called what the other user is called", () => {
  expect(titleOf({ id: "1", name: "A, B", direct: zoe })).toBe("Zoe@example.com");
  expect(titleOf({ id: "1", name: "Team" })).toBe("Team");
  expect(titleOf({ id: "team" })).toBe("team");
});

test("initials are the first letters of the first and the last word, whatever the script", () => {
  expect(["Ada Lovelace", "zoe@example.com", "王小明", "👩‍🚀 Space", "", "a.b.c"].map(initialsOf)).toEqual([
    "AL",
    "Z",
    "王",
    "👩‍🚀S",
    "?",
    "AC",
  ]);
});
