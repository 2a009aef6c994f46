import { expect, test } from "bun:test";

import { decideDirect, directKey, directName } from "../../src/chat/decide-direct.ts";
import { isRefused } from "../../src/chat/errors.ts";
import { actor } from "../support/samples.ts";

const [me, other] = [actor(1), actor(2)];
const admin = { ...me, admin: true };
const decide = (facts: Partial<Parameters<typeof decideDirect>[1]>, roomsPerUser = 0, created = 0) => {
  const rest = { actor: me, user: other, exists: false, sharesRoom: () => true, roomsCreated: () => created };
  const decision = decideDirect({ roomsPerUser }, { ...rest, ...facts });
  return isRefused(decision) ? decision.refused : `with ${decision.key}`;
};

test.each<[what: string, decision: string, expected: string]>([
  ["a user in one of the actor's rooms", decide({}), "with 2"],
  ["a user who is not known", decide({ user: undefined }), "user_not_found"],
  ["a user in none of these rooms", decide({ sharesRoom: () => false }), "user_not_found"],
  ["that one, for an administrator", decide({ actor: admin, sharesRoom: () => false }), "with 2"],
  ["nobody, for an administrator", decide({ actor: admin, user: undefined }), "user_not_found"],
  ["oneself", decide({ user: me }), "own_direct"],
  ["oneself, for an administrator", decide({ actor: admin, user: me }), "own_direct"],
  [
    "one who has left the rooms that were shared",
    decide({ exists: true, sharesRoom: () => false }),
    "with 2",
  ],
  ["the last room of the limit", decide({}, 3, 2), "with 2"],
  ["one more room than the limit", decide({}, 3, 3), "too_many_rooms"],
  ["an existing conversation, at the limit", decide({ exists: true }, 3, 3), "with 2"],
  ["a stranger, at the limit", decide({ sharesRoom: () => false }, 3, 3), "user_not_found"],
])("%s: %s", (_, decision, expected) => {
  expect(decision).toBe(expected);
});

test("the key of a conversation is the same for both of its users", () => {
  expect([directKey(7, 12), directKey(12, 7)]).toEqual(["7:12", "7:12"]);
});

test.each<[name: string | null, email: string | null, id: string | null, shown: string]>([
  ["Ann Lee", "ann@example.com", "sub|1", "Ann Lee"],
  [null, "ann@example.com", "sub|1", "ann@example.com"],
  [null, null, "sub|1", "sub|1"],
  ["two\n lines", null, "sub|1", "two lines"],
  ["x".repeat(255), null, "sub|1", `${"x".repeat(98)}…`],
  [`${"x".repeat(97)}😀😀`, null, "sub|1", `${"x".repeat(97)}…`],
])(
  "the name of the room has the name, or the email, or the id of each: %p, %p, %p",
  (name, email, id, shown) => {
    expect(directName({ name, email, id }, { name: "Bob", email: null, id: null })).toBe(`${shown}, Bob`);
  },
);
