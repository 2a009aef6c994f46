import { ChatError } from "../../chat/errors.ts";
import type { Change, Message, User } from "../../chat/model.ts";
import type { Classic } from "./classic.ts";
import { frameOfText } from "./commands.ts";
import { compileTemplate, type Variables } from "./template.ts";

const ROOM = { id: "lobby", name: "Lobby" };
const ALICE: User = { key: 1, id: "auth0|alice", email: "alice@example.com", name: "Alice" };
const BOB: User = { key: 2, id: "auth0|bob", email: "bob@example.com", name: "Bob" };
const START = Date.UTC(2026, 0, 1, 12);
const MINUTE_MS = 60_000;
const MAX_BYTES = 1 << 20;

function sample(seq: number, sender: User, text: string): Message {
  return {
    seq,
    rev: seq,
    sender,
    text,
    sentAt: START + seq * MINUTE_MS,
    editedAt: null,
    deletedAt: null,
    replyTo: null,
    clientId: null,
    meta: null,
    mentions: null,
    reactions: [],
  };
}

/** Says in lines of text how clients connect, and which frames they get in a sample conversation. */
export function describeClassic(classic: Classic): string {
  return [
    ...section(
      "Clients connect to",
      classic.paths.map(({ pattern }) => `ws://<server>${shown(pattern)}`),
    ),
    ...section("with their token in", carriers(classic)),
    ...section(`Alice opens the room "${ROOM.id}" and gets`, [history(classic)]),
    ...section("Alice may send", sendable(classic)),
    ...section('Bob sends "Hello Alice!", and Alice gets', [changeFrame(classic, "created")]),
    ...section("Bob edits the message, and Alice gets", [changeFrame(classic, "edited")]),
    ...section("Bob deletes the message, and Alice gets", [changeFrame(classic, "deleted")]),
    ...section("Alice sends a text that is too long, and gets", [errorFrame(classic)]),
    ...section("Close codes", closeCodes(classic)),
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

const shown = (pattern: string) => pattern.replace(":room", ROOM.id);

function carriers({ description: { token = [] } }: Classic): string[] {
  const own = [
    "the header Authorization: Bearer <jwt>",
    'the subprotocols ["classic", "bearer.<jwt>"]',
    "the cookie parley_session",
  ];
  const more = token.flatMap(({ query, pair, scheme, frame }) => [
    ...(query === undefined ? [] : [`the query ?${query}=<jwt>`]),
    ...(pair === undefined ? [] : [`the subprotocols ["${pair}", "<jwt>"]`]),
    ...(scheme === undefined ? [] : [`the header Authorization: ${scheme} <jwt>`]),
    ...(frame === undefined ? [] : [`the first frame ${fill(frame)}`]),
  ]);
  return [...own, ...more];
}

/** The frames that a client may send, each with its command. */
function sendable({ description: { text = ["message"], accept = [] } }: Classic): string[] {
  const texts = text.map((key) => `${frameOfText(key, "Hello!")}  (send)`);
  return [...texts, ...accept.map(({ command, frame }) => `${fill(frame)}  (${command})`)];
}

/** A frame that sends a text. */
export function sampleMessage({ description: { text = ["message"] } }: Classic, message: string): string {
  return frameOfText(text[0] ?? "message", message);
}

/** A frame with sample values in place of its variables. */
function fill(frame: unknown): string {
  const values = { text: "Hello!", seq: 2, id: `${ROOM.id}:2`, client_id: "1", token: "<jwt>" };
  const variables = Object.entries(values).map(([name, value]) => [name, () => JSON.stringify(value)]);
  return compileTemplate(frame, Object.fromEntries(variables) as Variables<undefined>, "frame")(undefined);
}

function history({ historyLength, frames }: Classic): string {
  if (historyLength === 0) return "no history";
  const messages = [sample(1, ALICE, "Hello!"), sample(2, BOB, "Hi there!")].slice(-historyLength);
  return frames.encodeHistory(messages, ROOM, MAX_BYTES);
}

function changeFrame({ frames }: Classic, kind: "created" | "edited" | "deleted"): string {
  const created = sample(3, BOB, "Hello Alice!");
  const at = START + 5 * MINUTE_MS;
  const changes: Record<typeof kind, Change> = {
    created: { kind: "created", message: created },
    edited: { kind: "edited", message: { ...created, rev: 4, text: "Hello, Alice!", editedAt: at } },
    deleted: { kind: "deleted", message: { ...created, rev: 5, text: null, deletedAt: at } },
  };
  return frames.encodeChange(changes[kind], ROOM) ?? "nothing";
}

/** Only those that differ from Parley's own. */
function closeCodes({ closeCodes: codes }: Classic): string[] {
  const lines = Object.entries(codes).map(([reason, code]) => `${code} for ${reason}`);
  return [...lines, "docs/protocol.md has the codes of all other reasons"];
}

function errorFrame({ frames }: Classic): string {
  const error = new ChatError("message_too_long", "A message may have up to 16384 bytes of UTF-8.");
  return frames.encodeError(error) ?? "nothing";
}
