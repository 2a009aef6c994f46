import { expect, test } from "bun:test";

import { ChatError, refusalError, StoreError } from "../../src/chat/errors.ts";
import { problem } from "../../src/http/problem.ts";

test("a problem has the status of its code, the sentence, and the details", async () => {
  const response = problem(refusalError({ refused: "ambiguous_email", details: { users: ["a", "b"] } }));
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect([response.status, await response.json()]).toEqual([
    409,
    {
      type: "about:blank",
      title: "Conflict",
      status: 409,
      code: "conflict",
      detail: "More than one member has this email address: use the user id instead.",
      users: ["a", "b"],
    },
  ]);
});

test("a status of its own overrides that of the code", () => {
  expect(problem(new ChatError("invalid_command", "No."), 404).status).toBe(404);
});

test.each([
  [new ChatError("unauthorized", "No."), "www-authenticate", "Bearer"],
  [new ChatError("rate_limited", "No.", { retryAfterMs: 1001 }), "retry-after", "2"],
  [new ChatError("rate_limited", "No.", { retryAfterMs: 1 }), "retry-after", "1"],
  [new StoreError("disk full"), "retry-after", "1"],
  [new ChatError("forbidden", "No.", { retryAfterMs: 5 }), "retry-after", null],
])("the answer to %p has the header %s: %p", (error, header, value) => {
  expect(problem(error).headers.get(header)).toBe(value);
});

test("nothing of an unexpected error leaves the server", async () => {
  const response = problem(new Error("secret"));
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("secret");
});
