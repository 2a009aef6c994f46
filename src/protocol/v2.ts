import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type { Change, Limits, Message, Notice, Page, Position, User } from "../chat/model.ts";
import { explain } from "./explain.ts";
import type { ErrorFrame, HelloFrame, LimitsBody, NoticeFrame, ServerFrame } from "./frames.ts";
import {
  type Command,
  commandIdSchema,
  commandSchemas,
  type CommandType,
  unknownCommandSchema,
} from "./schemas.ts";
import { encodeMessage, formatTime, userBody } from "./serialize.ts";

/** Frames of `chat.v2`, as docs/protocol.md describes them: parses those of clients, encodes those of the server. */

/** A client's frame: its command, or the error to refuse it with, and its `id`, if it has a valid one. */
export interface ParsedFrame {
  id: string | undefined;
  command: Command | ChatError;
}

export function parseCommand(frame: string): ParsedFrame {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch (cause) {
    const command = new ChatError("invalid_command", "A frame must be one JSON object.", { cause });
    return { id: undefined, command };
  }
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  if (!isCommandType(type)) {
    const { issues } = v.safeParse(unknownCommandSchema, json);
    return { id: idOf(json), command: invalidCommand(issues) };
  }
  const parsed = v.safeParse(commandSchemas[type], json);
  if (!parsed.success) return { id: idOf(json), command: invalidCommand(parsed.issues) };
  return { id: parsed.output.id, command: parsed.output };
}

function isCommandType(type: unknown): type is CommandType {
  return typeof type === "string" && Object.hasOwn(commandSchemas, type);
}

function idOf(json: unknown): string | undefined {
  const parsed = v.safeParse(commandIdSchema, json);
  return parsed.success ? parsed.output.id : undefined;
}

function invalidCommand(issues: Parameters<typeof explain>[0] | undefined): ChatError {
  const reason = issues ? explain(issues, "frame") : "frame: is not a command";
  return new ChatError("invalid_command", reason);
}

/** UTF-16 units of encoded messages in one frame: a single frame must not exceed a slow reader's send buffer. */
const MAX_CHUNK_LENGTH = 65_536;

/** Changes that fit into one frame, and the `rev` to which they advance a cursor. */
export interface Chunk {
  /** Encoded, separated by commas. */
  messages: string;
  count: number;
  rev: number;
}

/** Splits a page into chunks. Yields at least one, even for an empty page. */
export function* encodeChunks({ messages, rev }: Page): Iterable<Chunk> {
  let encoded = "";
  let count = 0;
  for (const [index, message] of messages.entries()) {
    // Concatenated and flattened once, when it is sent. An array and `join` take more memory.
    encoded += count++ === 0 ? encodeMessage(message) : `,${encodeMessage(message)}`;
    if (encoded.length < MAX_CHUNK_LENGTH || index === messages.length - 1) continue;
    yield { messages: encoded, count, rev: message.rev };
    [encoded, count] = ["", 0];
  }
  yield { messages: encoded, count, rev };
}

/** Encodes the last messages, separated by commas. If they exceed `maxBytes`, the oldest are left out. */
export function encodeMessages(messages: readonly Message[], maxBytes: number): string {
  const parts: string[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    const part = encodeMessage(message);
    bytes += Buffer.byteLength(part) + 1;
    if (bytes > maxBytes) break;
    parts.push(part);
  }
  return parts.toReversed().join(",");
}

/** Encodes the first frame. `messages` returns its encoded messages; it is passed the length of the rest, in bytes. */
export function encodeHello(
  parts: Omit<HelloFrame, "type" | "messages">,
  messages: (restBytes: number) => string,
): string {
  const { room, me, rev, resumed, ...rest } = parts;
  const front = JSON.stringify({ type: "hello", room, me, rev, resumed }).slice(0, -1);
  const back = JSON.stringify(rest).slice(1);
  return `${front},"messages":[${messages(Buffer.byteLength(front) + Buffer.byteLength(back))}],${back}`;
}

export function encodeChanges({ messages, rev }: Pick<Chunk, "messages" | "rev">): string {
  return `{"type":"changes","rev":${rev},"messages":[${messages}]}`;
}

export function encodeChange({ kind, message }: Change): string {
  return `{"type":"change","kind":"${kind}","message":${encodeMessage(message)}}`;
}

export function encodeAck(id: string, { seq, rev }: Position): string {
  return JSON.stringify({ type: "ack", id, seq, rev } satisfies ServerFrame);
}

/** Encodes an error, for the sender of the refused frame. */
export function encodeError(id: string | undefined, error: ChatError): string {
  const { code, message, retryAfterMs, details } = error;
  const frame: ErrorFrame = {
    type: "error",
    ...(id !== undefined && { id }),
    code,
    message,
    ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
    ...(details.seq !== undefined && { seq: details.seq }),
  };
  return JSON.stringify(frame);
}

export function encodeNotice(notice: Notice): string {
  return JSON.stringify(noticeFrame(notice));
}

function noticeFrame(notice: Notice): NoticeFrame {
  if (notice.type === "room") return { type: "room", room: { id: notice.room.id, name: notice.room.name } };
  return { ...notice, user: userBody(notice.user) };
}

export function encodePresence(user: User, online: boolean): string {
  return encodeNotice({ type: "presence", user, online });
}

/** `expiresAt` is in milliseconds since the epoch. */
export function encodeTokenExpiring(expiresAt: number): string {
  const frame: ServerFrame = { type: "token.expiring", expires_at: formatTime(expiresAt) };
  return JSON.stringify(frame);
}

export function encodeRestarting(retryAfterMs: number): string {
  const frame: ServerFrame = { type: "restarting", retry_after_ms: Math.ceil(retryAfterMs) };
  return JSON.stringify(frame);
}

export function limitsBody(limits: Limits, frameBytes: number): LimitsBody {
  const { textBytes, messageRate, messageBurst } = limits;
  return { text_bytes: textBytes, frame_bytes: frameBytes, rate: messageRate, burst: messageBurst };
}
