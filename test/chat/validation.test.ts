import { expect, test } from "bun:test";

import { parseInvitee } from "../../src/chat/validation.ts";

test.each([
  ["alice@example.com", { email: "alice@example.com" }],
  [" Alice@Example.COM ", { email: "alice@example.com" }],
  ["alice@intranet", { email: "alice@intranet" }],
  ["auth0|5f7c8ec7c33c6c004bbafe82", { sub: "auth0|5f7c8ec7c33c6c004bbafe82" }],
  ["sub:machine@clients", { sub: "machine@clients" }],
  ["sub:x y", { sub: "x y" }],
  // The sign for kelvin looks like a K, and is none.
  ["al\u212Ae@example.com", { email: "al\u212Ae@example.com" }],
])("%p names somebody", (text, who) => {
  expect(parseInvitee(text)).toEqual(who);
});

test.each([
  ["", "nothing"],
  [" ", "nothing"],
  ["sub:", "nothing"],
  ["alice@@example.com", "a mistyped email"],
  ["Alice <alice@example.com>", "a mistyped email"],
  ["alice@example.com,bob@example.com x", "a mistyped email"],
  ["x y", "no id without `sub:`"],
  ["a\0b", "NUL"],
  ["a\ud800", "a lone surrogate"],
  ["x".repeat(256), "too long"],
])("%p names nobody: %s", (text) => {
  expect(parseInvitee(text)).toBeUndefined();
});
