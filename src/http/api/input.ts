import type { Context } from "hono";
import * as v from "valibot";

import { ChatError } from "../../chat/errors.ts";
import type { Invitee, UserSnapshot } from "../../chat/model.ts";
import { isJsonObject, parseInvitee } from "../../chat/validation.ts";
import { explain } from "../../protocol/explain.ts";
import { roomIdSchema } from "../../protocol/schemas.ts";
import type { ApiEnv } from "./env.ts";

/** The body is not declared as JSON. */
export class UnsupportedMediaType extends ChatError {
  constructor() {
    super("invalid_command", "The content-type of the body must be application/json.");
  }
}

/** Readers of a request's input. Each throws `invalid_command` with the reason. */

/** The body may be of any type that JSON is sent as, or of none. */
const JSON_TYPE = /^application\/([\w.+-]+\+)?json *(;|$)/i;

/** Bytes of a body that one command of the rate limit pays for: of most routes, a whole one. */
const BYTES_PER_COMMAND = 65_536;
const utf8 = new TextDecoder("utf-8", { fatal: true });

export async function readBody<T extends v.GenericSchema>(
  c: Context<ApiEnv>,
  schema: T,
): Promise<v.InferOutput<T>> {
  const type = c.req.header("content-type");
  if (type !== undefined && !JSON_TYPE.test(type)) throw new UnsupportedMediaType();
  const bytes = await c.req.arrayBuffer();
  const extra = Math.floor(bytes.byteLength / BYTES_PER_COMMAND);
  if (extra > 0) c.get("budgets").spend(c.get("actor"), "changes", extra);
  let json: unknown;
  try {
    json = bytes.byteLength === 0 ? {} : JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new ChatError("invalid_command", "The request body must be JSON in UTF-8.", { cause });
  }
  // `v.object` accepts an array.
  if (!isJsonObject(json)) throw new ChatError("invalid_command", "The request body must be a JSON object.");
  return parse(schema, json, "body");
}

export function readQuery<T extends v.GenericSchema>(c: Context, schema: T): v.InferOutput<T> {
  return parse(schema, c.req.query(), "query");
}

/** Hono leaves a parameter as it is when it cannot be decoded. It would be taken for another one. */
export function checkPath(url: string): void {
  try {
    decodeURIComponent(URL.parse(url)?.pathname ?? "");
  } catch (cause) {
    throw new ChatError("invalid_command", "The path is not valid percent-encoded UTF-8.", { cause });
  }
}

export function roomParameter(c: Context): string {
  return parse(roomIdSchema, c.req.param("room"), "room");
}

/** `:who` is an email or a user's id. */
export function memberParameter(c: Context): Invitee {
  return parseInvitee(c.req.param("who") ?? "");
}

/** User ids that need no mark in a path: others may look like an email, or have a mark. */
const PLAIN_ID = /^[\w.|-]+$/;

/** The path of what belongs to a user in a room, such as their membership, as `memberParameter` reads it. */
export function pathOf(
  room: string,
  list: "members" | "bans" | "mutes",
  { id, email }: UserSnapshot,
): string {
  const who = id === null ? email : PLAIN_ID.test(id) ? id : `sub:${id}`;
  return `/api/rooms/${room}/${list}/${encodeURIComponent(who ?? "")}`;
}

/** `name` stands for the input in errors. */
export function parse<T extends v.GenericSchema>(schema: T, input: unknown, name: string): v.InferOutput<T> {
  // One issue is told. Without this, a body with a hundred thousand of them would collect all.
  const parsed = v.safeParse(schema, input, { abortEarly: true });
  if (parsed.success) return parsed.output;
  throw new ChatError("invalid_command", explain(parsed.issues, name));
}
