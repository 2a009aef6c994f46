import { expect, test } from "bun:test";

import { ChatError, type Code, refusalError } from "../../src/chat/errors.ts";
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

test.each<[Code, retryAfterMs: number | undefined, header: string, value: string | null]>([
  ["unauthorized", undefined, "www-authenticate", "Bearer"],
  ["rate_limited", 1001, "retry-after", "2"],
  ["rate_limited", 1, "retry-after", "1"],
  ["storage_unavailable", undefined, "retry-after", "1"],
  ["forbidden", 5, "retry-after", null],
])("the answer to %s, after %p ms, has the header %s: %p", (code, retryAfterMs, header, value) => {
  const error = new ChatError(code, "No.", retryAfterMs === undefined ? {} : { retryAfterMs });
  expect(problem(error).headers.get(header)).toBe(value);
});

test("nothing of an unexpected error leaves the server", async () => {
  const response = problem(new Error("secret"));
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("secret");
});
