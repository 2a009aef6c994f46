import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import {
  type Change,
  isEmoji,
  isName,
  isStorable,
  type Limits,
  type Message,
  type Notice,
  type Position,
  type User,
} from "../chat/model.ts";
import { explain } from "./explain.ts";
import type { Command, ErrorFrame, Hello, LimitsBody, NoticeFrame, ServerFrame } from "./frames.ts";
import { encodeMessage, time, userBody } from "./serialize.ts";

/** Our own dialect: frames in, frames out. Their shapes are in frames.ts, and docs/protocol.md explains them. */

const commandId = v.pipe(v.string(), v.check(isName, "must have 1 to 64 characters"));
const messageSeq = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const clientId = v.pipe(commandId, v.check(isStorable, "must hold neither lone surrogates nor NUL"));
const emoji = v.pipe(v.string(), v.check(isEmoji, "must be one emoji, or a short word"));

// Strict: a mistyped `client_id` would be a message that is stored twice.
const commands = {
  send: v.strictObject({
    type: v.literal("send"),
    id: commandId,
    text: v.string(),
    client_id: v.exactOptional(clientId),
    reply_to: v.exactOptional(messageSeq),
  }),
  edit: v.strictObject({ type: v.literal("edit"), id: commandId, seq: messageSeq, text: v.string() }),
  delete: v.strictObject({ type: v.literal("delete"), id: commandId, seq: messageSeq }),
  react: v.strictObject({ type: v.literal("react"), id: commandId, seq: messageSeq, emoji, on: v.boolean() }),
  read: v.strictObject({
    type: v.literal("read"),
    id: commandId,
    seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  }),
  auth: v.strictObject({ type: v.literal("auth"), id: commandId, token: v.string() }),
  typing: v.strictObject({ type: v.literal("typing"), id: v.exactOptional(commandId) }),
};
/** By its `type` a frame says which of them it is. */
const kind = v.object({ type: v.picklist(Object.keys(commands)) });
const isCommand = (type: unknown): type is keyof typeof commands =>
  typeof type === "string" && Object.hasOwn(commands, type);

/** A frame that was read: the command, or why it is none; and its `id`, if it has one that can be answered. */
export interface Parsed {
  id: string | undefined;
  command: Command | ChatError;
}

export function parse(frame: string): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch (cause) {
    const command = new ChatError("invalid_command", "A frame is one JSON object.", { cause });
    return { id: undefined, command };
  }
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  const parsed = v.safeParse(isCommand(type) ? commands[type] : kind, json);
  if (!parsed.success) return { id: idOf(json), command: refusalOf(parsed.issues) };
  const command = parsed.output as Command;
  return { id: command.id, command };
}

/** The `id` of a frame that is no command. */
function idOf(json: unknown): string | undefined {
  const known = v.safeParse(v.object({ id: commandId }), json);
  return known.success ? known.output.id : undefined;
}

function refusalOf(issues: Parameters<typeof explain>[0]): ChatError {
  return new ChatError("invalid_command", explain(issues, "frame"));
}

/** UTF-16 units of messages in one frame: few enough that a slow reader is not cut by a single one. */
const chunkLength = 65_536;

/** Messages that go on from a cursor, as many as one frame takes, and the `rev` to which they bring it. */
export interface Chunk {
  /** Encoded, with commas between them. */
  messages: string;
  count: number;
  rev: number;
}

/** All of a page, which may be empty: at least one chunk. */
export function* chunks({ messages, rev }: { messages: readonly Message[]; rev: number }): Iterable<Chunk> {
  let encoded = "";
  let count = 0;
  for (const [index, message] of messages.entries()) {
    // Added up, and made one piece when it is sent: `join` would make one of each message first.
    encoded += count++ === 0 ? encodeMessage(message) : `,${encodeMessage(message)}`;
    if (encoded.length < chunkLength || index === messages.length - 1) continue;
    yield { messages: encoded, count, rev: message.rev };
    [encoded, count] = ["", 0];
  }
  yield { messages: encoded, count, rev };
}

/** The last messages. In the rare room where they are longer than `most` bytes, the oldest stay out. */
export function lastMessages(messages: readonly Message[], most: number): string {
  const parts: string[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    const part = encodeMessage(message);
    bytes += Buffer.byteLength(part) + 1;
    if (bytes > most) break;
    parts.push(part);
  }
  return parts.toReversed().join(",");
}

/** The first frame. `messages` encodes them; it is told how many bytes all the rest has. */
export function hello(about: Omit<Hello, "type" | "messages">, messages: (rest: number) => string): string {
  const { room, me, rev, resumed, ...rest } = about;
  const front = JSON.stringify({ type: "hello", room, me, rev, resumed }).slice(0, -1);
  const back = JSON.stringify(rest).slice(1);
  return `${front},"messages":[${messages(Buffer.byteLength(front) + Buffer.byteLength(back))}],${back}`;
}

export function changes({ messages, rev }: Pick<Chunk, "messages" | "rev">): string {
  return `{"type":"changes","rev":${rev},"messages":[${messages}]}`;
}

export function change({ kind: what, message }: Change): string {
  return `{"type":"change","kind":"${what}","message":${encodeMessage(message)}}`;
}

export function ack(id: string, { seq: where, rev }: Position): string {
  return JSON.stringify({ type: "ack", id, seq: where, rev } satisfies ServerFrame);
}

/** A refusal, to the sender alone. */
export function refusal(id: string | undefined, { code, message, retryAfterMs }: ChatError): string {
  const frame: ErrorFrame = {
    type: "error",
    ...(id !== undefined && { id }),
    code,
    message,
    ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
  };
  return JSON.stringify(frame);
}

export function notice(told: Notice): string {
  return JSON.stringify(noticeFrame(told));
}

function noticeFrame(told: Notice): NoticeFrame {
  if (told.type === "room") return { type: "room", room: { id: told.room.id, name: told.room.name } };
  return { ...told, user: userBody(told.user) };
}

export function presence(user: User, online: boolean): string {
  return notice({ type: "presence", user, online });
}

export function expiring(expiresAt: number): string {
  return JSON.stringify({ type: "token.expiring", expires_at: time(expiresAt) } satisfies ServerFrame);
}

/** `after` in milliseconds. */
export function restarting(after: number): string {
  return JSON.stringify({ type: "restarting", retry_after_ms: Math.ceil(after) } satisfies ServerFrame);
}

export function limitsBody(limits: Limits, frameBytes: number): LimitsBody {
  const { textBytes, messageRate, messageBurst } = limits;
  return { text_bytes: textBytes, frame_bytes: frameBytes, rate: messageRate, burst: messageBurst };
}
