import { describe, expect, test } from "bun:test";

import { array, assert, constantFrom, jsonValue, oneof, option, pre, property, string } from "fast-check";

import { compileTemplate, TemplateError, type Variables } from "../../../src/protocol/classic/template.ts";

interface Subject {
  text: string;
  seq: number;
  sender: string | null;
}

const variables: Variables<Subject> = {
  text: ({ text }) => JSON.stringify(text),
  seq: ({ seq }) => String(seq),
  sender_email: ({ sender }) => JSON.stringify(sender),
};
const subject: Subject = { text: "Hello!", seq: 3, sender: "bob@example.com" };

const render = (template: unknown, values = subject): unknown =>
  JSON.parse(compileTemplate(template, variables, "message")(values));

test("a string that is a variable becomes its value, of its own type", () => {
  const template = {
    text: "$text",
    nested: [{ id: "$seq" }, ["$sender_email"]],
    type: "chat",
    n: 1.5,
    no: null,
  };
  const rendered = {
    text: "Hello!",
    nested: [{ id: 3 }, ["bob@example.com"]],
    type: "chat",
    n: 1.5,
    no: null,
  };
  expect(render(template)).toEqual(rendered);
  expect(render({ from: "$sender_email" }, { ...subject, sender: null })).toEqual({ from: null });
  expect(render("$seq")).toBe(3);
});

test("other texts and all keys stay as they are; $$ stands for $", () => {
  const template = {
    $text: "costs $5",
    a: "$text!",
    b: " $text",
    c: "$",
    d: "$$text",
    e: "$$",
    f: "$5",
    g: "",
    h: "$$a$$",
  };
  expect(render(template)).toEqual({ ...template, d: "$text", e: "$", h: "$a$$" });
});

/** Texts of people, and such as might break out of a template, or be taken for a part of it. */
const hostileText = oneof(
  string({ unit: "binary" }),
  constantFrom(
    '"',
    "\\",
    '","seq":0,"x":"',
    "$text",
    "$sender_email",
    "$$text",
    "\u2028\u2029",
    "\ud800",
    "\udc00x",
    "\0\b\u001f",
    "</script>",
    "😀",
  ),
);
const hostileTexts = array(hostileText, { maxLength: 4 }).map((parts) => parts.join(""));

/** JSON with variables in it. */
const templates = jsonValue({ stringUnit: "binary" }).chain((json) =>
  constantFrom({ text: "$text", json }, [json, "$text", { $text: "$sender_email" }], {
    'a"\\\u2028': ["$text", "$text"],
    json,
    "__proto__ ": "$seq",
  }),
);

/** What a template must become: computed on parsed values, where nothing can be expanded twice. */
function expected(template: unknown, values: Subject): unknown {
  if (template === "$text") return values.text;
  if (template === "$seq") return values.seq;
  if (template === "$sender_email") return values.sender;
  if (typeof template === "string" && template.startsWith("$$")) return template.slice(1);
  if (Array.isArray(template)) return template.map((item) => expected(item, values));
  if (typeof template !== "object" || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, expected(value, values)]));
}

test("whatever the texts are, the frame is JSON, and nothing is expanded twice", () => {
  assert(
    property(templates, hostileTexts, option(hostileTexts), (template, text, sender) => {
      // Such a constant may be an unknown variable by chance.
      pre(!/"\$[A-Za-z_]\w*"/.test(JSON.stringify(template).replaceAll(/"\$(text|seq|sender_email)"/g, "")));
      const values = { text, seq: 7, sender };
      expect(render(template, values)).toEqual(JSON.parse(JSON.stringify(expected(template, values))));
    }),
    { numRuns: 2000 },
  );
});

describe("an unknown variable", () => {
  test.each([
    [{ a: [{ b: "$txt" }] }, 'message.a.0.b: unknown variable "$txt"'],
    ["$Text", 'message: unknown variable "$Text"'],
    [{ a: "$constructor" }, 'message.a: unknown variable "$constructor"'],
    [{ a: "$__proto__" }, 'message.a: unknown variable "$__proto__"'],
  ])("in %j is an error that names its place and the known ones", (template, message) => {
    const compile = () => compileTemplate(template, variables, "message");
    expect(compile).toThrow(TemplateError);
    expect(compile).toThrow(`${message}; known here: $text $seq $sender_email`);
  });
});
