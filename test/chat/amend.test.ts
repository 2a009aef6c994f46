import { expect, test } from "bun:test";

import { amend, type Amendment } from "../../src/chat/decide.ts";
import type { Message, Reaction, Role } from "../../src/chat/model.ts";
import { actor, message } from "../support/people.ts";

const [sender, other] = [actor(1), actor(2)];
const edit: Amendment = { type: "edit", seq: 1, text: "edited" };
const remove: Amendment = { type: "delete", seq: 1 };
const react = (emoji = "👍", on = true): Amendment => ({ type: "react", seq: 1, emoji, on });
const reacted = (...reactions: Reaction[]): Message => ({ ...message(1), reactions });
const many = (count: number) => Array.from({ length: count }, (_, index) => `sub|${index + 1}`);
const deleted: Message = { ...message(1), text: null, deletedAt: 5 };

/** What becomes of a message of `sender`'s when somebody does that: the kind of change, why not, or that nothing has. */
function outcome(before: Message, action: Amendment, who = sender, role: Role | null = "member") {
  const amended = amend(before, action, { actor: who, role, at: 9 });
  return typeof amended === "string" ? amended : (amended?.kind ?? "nothing");
}

/** The message that comes of it. */
function after(before: Message, action: Amendment, who = sender): Message {
  const amended = amend(before, action, { actor: who, role: "member", at: 9 });
  return typeof amended === "object" ? amended.message : expect.unreachable();
}

/** Who, in which role: may he edit, delete, react? */
const rules: [string, typeof sender, Role | null, edits: string, deletes: string][] = [
  ["its sender", sender, "member", "edited", "deleted"],
  ["its sender, a moderator", sender, "moderator", "edited", "deleted"],
  ["its sender, an owner", sender, "owner", "edited", "deleted"],
  ["another member", other, "member", "not_sender", "not_moderator"],
  ["a moderator", other, "moderator", "not_sender", "deleted"],
  ["an owner", other, "owner", "not_sender", "deleted"],
  ["an administrator in the room", actor(3, true), "member", "edited", "deleted"],
  ["an administrator from outside", actor(3, true), null, "edited", "deleted"],
];

test.each(rules)("%s", (_, who, role, edits, deletes) => {
  expect(outcome(message(1), edit, who, role)).toBe(edits);
  expect(outcome(message(1), remove, who, role)).toBe(deletes);
  expect(outcome(message(1), react(), who, role)).toBe("reacted");
  // What is deleted stays so, and whoever may not touch a message is not told what became of it.
  expect(outcome(deleted, edit, who, role)).toBe(edits === "edited" ? "deleted" : edits);
  expect(outcome(deleted, remove, who, role)).toBe(deletes === "deleted" ? "nothing" : deletes);
  expect(outcome(deleted, react(), who, role)).toBe("deleted");
  expect(outcome(deleted, react("👍", false), who, role)).toBe("deleted");
});

test("an edit changes the text and says when; all else stays", () => {
  const before = { ...reacted({ emoji: "👍", by: ["a"] }), replyTo: 4, clientId: "c" };
  const amended = amend(before, edit, { actor: sender, role: "member", at: 9 });
  expect(amended).toEqual({ kind: "edited", message: { ...before, text: "edited", editedAt: 9 } });
});

test("a deletion takes the text and the reactions, and says when; all else stays", () => {
  const before = { ...reacted({ emoji: "👍", by: ["a"] }), replyTo: 4, clientId: "c", editedAt: 3 };
  const amended = amend(before, remove, { actor: sender, role: "member", at: 9 });
  expect(amended).toEqual({
    kind: "deleted",
    message: { ...before, text: null, reactions: [], deletedAt: 9 },
  });
});

test("what is so already is no change", () => {
  expect(outcome(message(1), { ...edit, text: "text 1" })).toBe("nothing");
  expect(outcome(message(1), react("👍", false))).toBe("nothing");
  const mine = reacted({ emoji: "👍", by: ["sub|2", "sub|1"] });
  expect(outcome(mine, react())).toBe("nothing");
  expect(outcome(mine, react("👍", false))).toBe("reacted");
  expect(outcome(mine, react("👍", false), actor(3))).toBe("nothing");
});

test("reactions come in the order in which they were first made, and go with the last of them", () => {
  let now = after(message(1), react("👍"));
  now = after(now, react("🎉"), other);
  now = after(now, react("👍"), other);
  expect(now).toEqual({
    ...message(1),
    reactions: [
      { emoji: "👍", by: ["sub|1", "sub|2"] },
      { emoji: "🎉", by: ["sub|2"] },
    ],
  });
  now = after(now, react("👍", false));
  expect(now.reactions[0]).toEqual({ emoji: "👍", by: ["sub|2"] });
  now = after(now, react("👍", false), other);
  expect(now.reactions).toEqual([{ emoji: "🎉", by: ["sub|2"] }]);
});

test("a message takes twenty different emoji; each of them can still be joined, and taken back", () => {
  const emoji = Array.from({ length: 20 }, (_, index) => `:${index}:`);
  const full = reacted(...emoji.map((each) => ({ emoji: each, by: ["sub|2"] })));
  expect(outcome(reacted(...full.reactions.slice(1)), react())).toBe("reacted");
  expect(outcome(full, react())).toBe("too_many_reactions");
  expect(outcome(full, react(":7:"))).toBe("reacted");
  expect(outcome(full, react(":7:", false), other)).toBe("reacted");
  expect(outcome(full, react("👍", false))).toBe("nothing");
});

test("a message takes a thousand reactions in all; one that is there already is no change", () => {
  const full = reacted({ emoji: "👍", by: many(900) }, { emoji: "🎉", by: many(100) });
  const late = actor(5000);
  expect(outcome(reacted({ emoji: "👍", by: many(999) }), react(), late)).toBe("reacted");
  expect(outcome(full, react(), late)).toBe("too_many_reactions");
  expect(outcome(full, react("🥳"), late)).toBe("too_many_reactions");
  expect(outcome(full, react())).toBe("nothing");
  expect(outcome(full, react("👍", false))).toBe("reacted");
});

test("the message before is left as it was", () => {
  const before = reacted({ emoji: "👍", by: ["sub|2"] });
  const copy = structuredClone(before);
  for (const action of [edit, remove, react(), react("👍", false), react("🎉")]) {
    for (const who of [sender, other]) amend(before, action, { actor: who, role: "owner", at: 9 });
  }
  expect(before).toEqual(copy);
});
