import * as v from "valibot";

import { ChatError } from "../chat/errors.ts";
import type {
  Change,
  Limits,
  MarkMove,
  Message,
  Notice,
  Page,
  Position,
  Restriction,
  User,
} from "../chat/model.ts";
import { explain } from "./explain.ts";
import type { AckFrame, ErrorFrame, HelloFrame, LimitsBody, NoticeFrame, RoomFrame } from "./frames.ts";
import {
  type Command,
  commandIdSchema,
  commandRoomSchema,
  commandSchemas,
  type CommandType,
  unknownCommandSchema,
} from "./schemas.ts";
import { encodeMessage, formatTime, muteBody, settingsBody, userBody } from "./serialize.ts";

/** Frames of `chat.v2`, as docs/protocol.md describes them: parses those of clients, encodes those of the server. */

/** A client's frame: its command, or the error to refuse it with, and its `id` and `room`, if they are valid. */
export interface ParsedFrame {
  id: string | undefined;
  room: string | undefined;
  command: Command | ChatError;
}

export function parseCommand(frame: string): ParsedFrame {
  let json: unknown;
  try {
    json = JSON.parse(frame);
  } catch (cause) {
    const command = new ChatError("invalid_command", "A frame must be one JSON object.", { cause });
    return { id: undefined, room: undefined, command };
  }
  const type = typeof json === "object" && json !== null && "type" in json ? json.type : undefined;
  if (!isCommandType(type)) {
    const { issues } = v.safeParse(unknownCommandSchema, json);
    return { ...addressOf(json), command: invalidCommand(issues) };
  }
  const parsed = v.safeParse(commandSchemas[type], json);
  if (!parsed.success) return { ...addressOf(json), command: invalidCommand(parsed.issues) };
  const command: Command = parsed.output;
  return { id: command.id, room: "room" in command ? command.room : undefined, command };
}

function isCommandType(type: unknown): type is CommandType {
  return typeof type === "string" && Object.hasOwn(commandSchemas, type);
}

/** The valid parts of a refused frame that go into its error. */
function addressOf(json: unknown): { id: string | undefined; room: string | undefined } {
  const [id, room] = [v.safeParse(commandIdSchema, json), v.safeParse(commandRoomSchema, json)];
  return { id: id.success ? id.output.id : undefined, room: room.success ? room.output.room : undefined };
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

/** Encodes the first frame of a room's URL. `messages` returns its encoded messages; it is passed the bytes of the rest. */
export function encodeHello(
  { room, me, rev, resumed, ...rest }: Omit<HelloFrame, "type" | "messages">,
  messages: (restBytes: number) => string,
): string {
  return encodeAround({ type: "hello", room, me, rev, resumed }, rest, messages);
}

/** Encodes an object with the key `messages` between the keys of two others. */
export function encodeAround(before: object, after: object, messages: (restBytes: number) => string): string {
  const front = JSON.stringify(before).slice(0, -1);
  const back = JSON.stringify(after).slice(1);
  return `${front},"messages":[${messages(Buffer.byteLength(front) + Buffer.byteLength(back))}],${back}`;
}

// Room ids are written without escaping: they consist of letters, digits, dots, underscores and hyphens.

export function encodeChanges(room: string, { messages, rev }: Pick<Chunk, "messages" | "rev">): string {
  return `{"type":"changes","room":"${room}","rev":${rev},"messages":[${messages}]}`;
}

export function encodeChange(room: string, { kind, message, mentionsBefore }: Change): string {
  const before = mentionsBefore === undefined ? "" : `,"mentions_before":${mentionsBefore ?? "null"}`;
  return `{"type":"change","room":"${room}","kind":"${kind}","message":${encodeMessage(message)}${before}}`;
}

/** Encodes an ack. Those of commands that store nothing have no position, and `auth` in a session has no room. */
export function encodeAck(room: string | undefined, id: string, position?: Position): string {
  const frame: AckFrame = { type: "ack", ...(room !== undefined && { room }), id };
  return JSON.stringify(position ? { ...frame, seq: position.seq, rev: position.rev } : frame);
}

/** Encodes an error, for the sender of the refused frame. */
export function encodeError(room: string | undefined, id: string | undefined, error: ChatError): string {
  const { code, message, retryAfterMs, details } = error;
  const frame: ErrorFrame = {
    type: "error",
    ...(room !== undefined && { room }),
    ...(id !== undefined && { id }),
    code,
    message,
    ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
    ...(details.seq !== undefined && { seq: details.seq }),
    ...(details.until !== undefined && { until: details.until }),
  };
  return JSON.stringify(frame);
}

/** Encodes a notice for everyone in the room. */
export function encodeNotice(room: string, notice: Notice): string {
  return JSON.stringify(noticeFrame(room, notice));
}

function noticeFrame(room: string, notice: Notice): NoticeFrame {
  if (notice.type === "room")
    return { type: "room", room: { id: notice.room.id, ...settingsBody(notice.room) } };
  const { type, user, ...rest } = notice;
  return { type, room, user: userBody(user), ...rest } as NoticeFrame;
}

export function encodePresence(room: string, user: User, online: boolean): string {
  return encodeNotice(room, { type: "presence", user, online });
}

/** Encodes a read mark that has moved, for its user and for the others. */
export function encodeRead(room: string, user: User, { seq, unread, mentions, head }: MarkMove): string {
  const counts = { unread, mentions, room_seq: head.seq, room_rev: head.rev };
  return JSON.stringify({ type: "read", room, user: userBody(user), seq, ...counts } satisfies NoticeFrame);
}

export function encodeMute(room: string, mute: Pick<Restriction, "until"> | undefined): string {
  return JSON.stringify({ type: "mute", room, mute: mute ? muteBody(mute) : null } satisfies NoticeFrame);
}

/** `expiresAt` is in milliseconds since the epoch. */
export function encodeTokenExpiring(expiresAt: number): string {
  const frame: RoomFrame = { type: "token.expiring", expires_at: formatTime(expiresAt) };
  return JSON.stringify(frame);
}

export function encodeRestarting(retryAfterMs: number): string {
  const frame: RoomFrame = { type: "restarting", retry_after_ms: Math.ceil(retryAfterMs) };
  return JSON.stringify(frame);
}

export function limitsBody(limits: Limits, frameBytes: number): LimitsBody {
  const { textBytes, messageRate, messageBurst } = limits;
  return { text_bytes: textBytes, frame_bytes: frameBytes, rate: messageRate, burst: messageBurst };
}
