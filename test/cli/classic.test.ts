import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { root, runProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const folder = temporaryFolder();

/** Checks a file with this text. */
function check(text: string) {
  const path = join(folder.path, "classic.json");
  writeFileSync(path, text);
  const command = [process.execPath, join(root, "src/main.ts"), "classic", "check", "classic.json"];
  return runProcess(command, { cwd: folder.path, env: {} });
}

test("classic check shows where clients connect, and the frames of a sample conversation", async () => {
  const description = {
    paths: ["/ws/:room/", "/ws/?room=:room"],
    token: [{ query: "token" }, { pair: "Bearer" }, { scheme: "JWT" }, { frame: { auth: "$token" } }],
    text: ["message", "data.text"],
    history: { limit: 1, frame: { messages: "$items" } },
    item: { id: "$seq", text: "$text", by: "$sender_name" },
    message: { id: "$id", text: "$text", room: "$room_name", at: "$sent_at_ms" },
    edited: { edited: "$seq", text: "$text", at: "$edited_at" },
    error: null,
    accept: [{ command: "edit", frame: { edit: "$seq", text: "$text" } }],
    close: { unauthorized: 4001 },
  };
  const { code, stdout, stderr } = await check(JSON.stringify(description));
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`Clients connect to:
  ws://<server>/ws/?room=lobby
  ws://<server>/ws/lobby/
  ws://<server>/ws/chat/lobby/
with their token in:
  the header Authorization: Bearer <jwt>
  the subprotocols ["classic", "bearer.<jwt>"]
  the cookie parley_session
  the query ?token=<jwt>
  the subprotocols ["Bearer", "<jwt>"]
  the header Authorization: JWT <jwt>
  the first frame {"auth":"<jwt>"}
Alice opens the room "lobby" and gets:
  {"messages":[{"id":2,"text":"Hi there!","by":"Bob"}]}
Alice may send:
  {"message": "Hello!"}  (send)
  {"data": {"text": "Hello!"}}  (send)
  {"edit":2,"text":"Hello!"}  (edit)
Bob sends "Hello Alice!", and Alice gets:
  {"id":"lobby:3","text":"Hello Alice!","room":"Lobby","at":1767268980000}
Bob edits the message, and Alice gets:
  {"edited":3,"text":"Hello, Alice!","at":"2026-01-01T12:05:00.000Z"}
Bob deletes the message, and Alice gets:
  nothing
Alice sends a text that is too long, and gets:
  nothing
Close codes:
  4001 for unauthorized
  docs/protocol.md has the codes of all other reasons
`);
});

test.each([
  ["{", "is not JSON (JSON Parse error: Expected '}')"],
  ["", "is not JSON (JSON Parse error: Unexpected EOF)"],
  ['{"mesage": {}}', "mesage: is not a known key"],
  ['{"message": {"text": "$txt"}}', 'message.text: unknown variable "$txt"; known here: $text $seq'],
  ['{"paths": ["/a/:room", "/a/:room/"]}', 'paths: "/a/:room" and "/a/:room/" match the same requests'],
])("a file with %j is refused in one line", async (text, reason) => {
  const { code, stdout, stderr } = await check(text);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toStartWith(`parley: classic.json: ${reason}`);
  expect(stderr.trimEnd()).not.toContain("\n");
});
