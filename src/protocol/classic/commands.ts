import { ChatError } from "../../chat/errors.ts";
import { isClientId } from "../../chat/validation.ts";
import type { Description } from "./description.ts";
import {
  type Captured,
  type Captures,
  captureText,
  compilePattern,
  ownValue,
  type Pattern,
} from "./pattern.ts";
import { TemplateError } from "./template.ts";
import { compileTokenFrames } from "./token-frames.ts";
import { parseId } from "./variables.ts";

/** What a client's frame asks for. `seq` undefined: the newest message. */
export type ClassicCommand =
  | { type: "send"; text: string; clientId: string | null }
  | { type: "edit"; seq: number; text: string }
  | { type: "delete"; seq: number }
  | { type: "read"; seq: number | undefined }
  | { type: "ignore" };

type CommandType = ClassicCommand["type"];

const captures: Captures = {
  text: captureText,
  client_id: toClientId,
  id: captureText,
  seq: toSeq,
};

function toClientId(value: unknown): string | undefined {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === "string" && isClientId(text) ? text : undefined;
}

/** Pages keep numbers in attributes, which are text. */
function toSeq(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 1 ? number : undefined;
}

/** The variables that the template of a command must have, and may have. */
const variablesOf: Record<CommandType, { required: readonly string[]; optional: readonly string[] }> = {
  send: { required: ["text"], optional: ["client_id"] },
  edit: { required: ["text"], optional: ["seq", "id"] },
  delete: { required: [], optional: ["seq", "id"] },
  read: { required: [], optional: ["seq", "id"] },
  ignore: { required: [], optional: [] },
};

interface Accepted {
  command: CommandType;
  pattern: Pattern;
}

/** Parses a frame of a client in this room. Throws `invalid_message`, or `message_not_found` for an id of another room. */
export type ParseFrame = (frame: string, room: string) => ClassicCommand;

/** What all tokens look like: three parts in base64url (RFC 7515, section 3.1). */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Compiles `token`, `text` and `accept` of classic.json. Throws `TemplateError`. */
export function compileCommands(description: Description): ParseFrame {
  const find = compileSearch(description);
  const findToken = compileTokenFrames(description);
  return (frame, room) => {
    const json = parseJson(frame);
    const command = find(json, room);
    // Clients that have connected in another way may send their token all the same. Nobody else may see it.
    const isToken =
      findToken && command.type === "send" && TOKEN.test(command.text) && findToken(json) === command.text;
    return isToken ? { type: "ignore" } : command;
  };
}

function compileSearch({ text = ["message"], accept = [] }: Description) {
  const accepted = accept.map(({ command, frame }, index) =>
    compileAccepted(command, frame, `accept.${index}.frame`),
  );
  const paths = text.map((key) => key.split("."));
  const example = frameOfText(text[0] ?? "message", "some text");
  return (json: unknown, room: string): ClassicCommand => {
    let refused: CommandType | undefined;
    for (const { command, pattern } of accepted) {
      const match = pattern.match(json);
      if (match.result === "match") return toCommand(command, match.values, room);
      if (match.result === "refers") refused ??= command;
    }
    // It must not be sent as a text that the others read.
    if (refused) throw new ChatError("invalid_message", `This frame lacks a value that "${refused}" needs.`);
    for (const path of paths) {
      const found = path.reduce(ownValue, json);
      if (typeof found === "string") return { type: "send", text: found, clientId: null };
    }
    throw new ChatError("invalid_message", `A frame must look like ${example}.`);
  };
}

/** A frame that sends a text under a key of `text`, for people to read. */
export function frameOfText(key: string, text: string): string {
  return key
    .split(".")
    .reduceRight((value, part) => `{${JSON.stringify(part)}: ${value}}`, JSON.stringify(text));
}

function compileAccepted(command: CommandType, frame: unknown, place: string): Accepted {
  const pattern = compilePattern(frame, captures, place);
  const { required, optional } = variablesOf[command];
  const missing = required.find((name) => !pattern.variables.includes(name));
  if (missing) throw new TemplateError(`${place}: "${command}" needs the variable "$${missing}"`);
  const extra = pattern.variables.find((name) => !required.includes(name) && !optional.includes(name));
  if (extra) throw new TemplateError(`${place}: "${command}" does not use the variable "$${extra}"`);
  const addresses = pattern.variables.filter((name) => name === "seq" || name === "id").length;
  const needsAddress = command === "edit" || command === "delete";
  if (addresses > 1 || (needsAddress && addresses === 0))
    throw new TemplateError(`${place}: "${command}" needs one of the variables "$seq" and "$id"`);
  return { command, pattern };
}

function parseJson(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch (cause) {
    throw new ChatError("invalid_message", "A frame must be one JSON object.", { cause });
  }
}

function toCommand(type: CommandType, values: Captured, room: string): ClassicCommand {
  const text = String(values["text"] ?? "");
  switch (type) {
    case "send":
      return { type, text, clientId: values["client_id"] === undefined ? null : String(values["client_id"]) };
    case "edit":
      return { type, text, seq: seqOf(values, room) };
    case "delete":
      return { type, seq: seqOf(values, room) };
    case "read":
      return { type, seq: "seq" in values || "id" in values ? seqOf(values, room) : undefined };
    case "ignore":
      return { type };
  }
  return type satisfies never;
}

function seqOf({ seq, id }: Captured, room: string): number {
  const found = typeof seq === "number" ? seq : parseId(room, String(id));
  if (found === undefined) throw new ChatError("message_not_found", "There is no such message in this room.");
  return found;
}
