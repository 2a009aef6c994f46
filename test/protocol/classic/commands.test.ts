import { describe, expect, test } from "bun:test";

import { asChatError } from "../../../src/chat/errors.ts";
import { compileClassic } from "../../../src/protocol/classic/classic.ts";

/** The command of a frame in the room "lobby", or the code of its refusal. */
function parse(description: unknown, frame: unknown): unknown {
  try {
    return compileClassic(description).parseFrame(JSON.stringify(frame), "lobby");
  } catch (error) {
    return asChatError(error).code;
  }
}

const sent = (text: string, clientId: string | null = null) => ({ type: "send", text, clientId });

describe("a text", () => {
  const description = { text: ["message", "text", "data.body.text"] };
  test.each<[frame: unknown, command: unknown]>([
    [{ text: "b", message: "a" }, sent("a")],
    [{ text: "b", message: 5 }, sent("b")],
    [{ data: { body: { text: "c" } } }, sent("c")],
    [{ data: { body: "c" } }, "invalid_message"],
    [{ data: null }, "invalid_message"],
    [{ content: "x" }, "invalid_message"],
    [["message"], "invalid_message"],
    ["message", "invalid_message"],
  ])("in %j is found under the first key that has one", (frame, command) => {
    expect(parse(description, frame)).toEqual(command);
  });

  test("is only looked for in the frame itself, and not in what objects inherit", () => {
    expect(parse({ text: ["constructor.name", "__proto__.x", "length"] }, { a: 1 })).toBe("invalid_message");
  });
});

/** The reason of a refusal, as clients get it. */
function reason(description: unknown, frame: unknown): string {
  try {
    compileClassic(description).parseFrame(JSON.stringify(frame), "lobby");
  } catch (error) {
    return asChatError(error).message;
  }
  throw new Error("the frame was not refused");
}

test("a token that comes again, in a frame like the first one, is never sent as a text", () => {
  const ignored = { type: "ignore" };
  const description = {
    token: [{ query: "token" }, { frame: { type: "auth", message: "$token" } }, { frame: { jwt: "$token" } }],
    text: ["message", "jwt"],
    accept: [{ command: "send", frame: { type: "auth", message: "$text" } }],
  };
  expect(parse(description, { type: "auth", message: "e30.e30.x-_" })).toEqual(ignored);
  expect(parse(description, { jwt: "e30.e30.x" })).toEqual(ignored);
  expect(parse(description, { jwt: "e30.e30.x", message: "hi" })).toEqual(sent("hi"));
  expect(parse(description, { message: "e30.e30.x" })).toEqual(sent("e30.e30.x"));
  expect(parse(description, { jwt: "hi" })).toEqual(sent("hi"));
});

test("a frame without a text is told what one looks like", () => {
  expect(reason({}, {})).toBe('A frame must look like {"message": "some text"}.');
  expect(reason({ text: ["data.text"] }, {})).toBe('A frame must look like {"data": {"text": "some text"}}.');
});

describe("a frame that is accepted beyond sending", () => {
  const description = {
    accept: [
      { command: "edit", frame: { action: "edit", id: "$seq", message: "$text" } },
      { command: "edit", frame: { action: "edit", key: "$id", message: "$text" } },
      { command: "delete", frame: { action: "delete", id: "$seq" } },
      { command: "read", frame: { action: "read", up_to: "$seq" } },
      { command: "read", frame: { action: "read", key: "$id" } },
      { command: "read", frame: { action: "seen" } },
      { command: "ignore", frame: { price: "$$5" } },
      { command: "send", frame: { type: "chat", body: { text: "$text", nonce: "$client_id" } } },
      { command: "ignore", frame: { type: "typing" } },
      { command: "ignore", frame: [1, null] },
    ],
  };
  test.each<[frame: unknown, command: unknown]>([
    [
      { action: "edit", id: 3, message: "new" },
      { type: "edit", seq: 3, text: "new" },
    ],
    [
      { action: "edit", id: "3", message: "new", more: [] },
      { type: "edit", seq: 3, text: "new" },
    ],
    [
      { action: "edit", key: "lobby:4", message: "new" },
      { type: "edit", seq: 4, text: "new" },
    ],
    [{ action: "edit", key: "other:4", message: "new" }, "message_not_found"],
    [{ action: "edit", key: "lobby:04", message: "new" }, "message_not_found"],
    [{ action: "edit", key: "lobby:0", message: "new" }, "message_not_found"],
    // Not as a text that everyone reads.
    [{ action: "edit", id: "x", message: "new" }, "invalid_message"],
    [{ action: "edit", message: "new" }, "invalid_message"],
    [{ action: "edit", id: 0, message: "new" }, "invalid_message"],
    [{ action: "edit", id: 1.5, message: "new" }, "invalid_message"],
    [{ action: "edit", id: 3, message: 4 }, "invalid_message"],
    [
      { action: "delete", id: 2 },
      { type: "delete", seq: 2 },
    ],
    [
      { action: "read", up_to: 9 },
      { type: "read", seq: 9 },
    ],
    [
      { action: "read", key: "lobby:9" },
      { type: "read", seq: 9 },
    ],
    [{ price: "$5" }, { type: "ignore" }],
    [{ action: "seen" }, { type: "read", seq: undefined }],
    [{ type: "chat", body: { text: "hi", nonce: "n1" } }, sent("hi", "n1")],
    [{ type: "chat", body: { text: "hi", nonce: 17 } }, sent("hi", "17")],
    [{ type: "chat", body: { text: "hi", nonce: "" } }, "invalid_message"],
    [{ type: "chat", body: { text: "hi", nonce: "n".repeat(65) } }, "invalid_message"],
    [{ type: "chat", body: { text: "hi", nonce: "\ud800" } }, "invalid_message"],
    [{ type: "chat", body: { text: "hi", nonce: "\0" } }, "invalid_message"],
    [{ type: "chat", body: { text: "hi", nonce: 1.5 } }, "invalid_message"],
    [{ type: "chat", body: "hi" }, "invalid_message"],
    [{ type: "typing", message: "hi" }, { type: "ignore" }],
    [[1, null, 2], { type: "ignore" }],
    [[1], "invalid_message"],
    [{ action: "archive", message: "hi" }, sent("hi")],
    [{ message: "hi" }, sent("hi")],
  ])("%j", (frame, command) => {
    expect(parse(description, frame)).toEqual(command);
  });

  test.each<[frame: unknown, ignored: unknown, sent: unknown[]]>([
    [{ typing: {} }, { typing: { on: true } }, [{}, { typing: null }, { typing: [] }, { typing: "yes" }]],
    [{ typing: [] }, { typing: [1] }, [{}, { typing: {} }]],
    [[], [1], [{}]],
  ])("with an empty object or array in its template, %j, must have one there", (frame, ignored, others) => {
    const only = { accept: [{ command: "ignore", frame }] };
    expect(parse(only, ignored)).toEqual({ type: "ignore" });
    for (const other of others)
      expect(parse(only, { ...(other as object), message: "hi" })).toEqual(sent("hi"));
  });

  test("needs all variables where a pattern has nothing else, and is a text otherwise", () => {
    const loose = { accept: [{ command: "edit", frame: { pk: "$seq", message: "$text" } }] };
    expect(parse(loose, { pk: 1, message: "new" })).toEqual({ type: "edit", seq: 1, text: "new" });
    expect(parse(loose, { pk: "x", message: "hi" })).toEqual(sent("hi"));
  });
});
