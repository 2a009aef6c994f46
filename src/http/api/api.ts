import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import * as v from "valibot";

import type { Verifier } from "../../auth/verifier.ts";
import type { Chat } from "../../chat/chat.ts";
import { ChatError } from "../../chat/errors.ts";
import { parseInvitee } from "../../chat/validation.ts";
import { type Actor, type Identity, isRoomId, roles, roomIdRule } from "../../chat/model.ts";
import { explain } from "../../protocol/explain.ts";
import { memberBody, messageBody, roomBody, summaryBody, userBody } from "../../protocol/serialize.ts";
import { dropSession, originAllowed, readToken, setSession } from "../credentials.ts";
import { problem } from "../problem.ts";

export interface RestOptions {
  chat: Chat;
  verifier: Verifier;
  allowedOrigins: readonly string[] | undefined;
}

interface Env {
  Variables: { identity: Identity; token: string; actor: Actor };
}

/** Bytes that one request's body may have. */
const bodyBytes = 65_536;

const roomId = v.pipe(v.string(), v.check(isRoomId, roomIdRule));
const seq = v.pipe(v.string(), v.regex(/^\d{1,15}$/, "must be a whole number"), v.transform(Number));

/** Whole: a room, or a user, may be called "read". */
const readMarkPath = /^\/api\/rooms\/[^/]+\/read$/;

// What may stand in them is for the chat to say.
const newRoom = v.object({ id: v.optional(v.string()), name: v.string() });
const roomChange = v.object({ name: v.string() });
const grant = v.object({ role: v.optional(v.picklist(roles)) });
const readMark = v.object({ seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });
// Strict: a parameter that is not known would be answered with other messages than were asked for.
const page = v.strictObject({
  before: v.optional(seq),
  after: v.optional(seq),
  limit: v.optional(v.pipe(seq, v.minValue(1), v.maxValue(100)), "50"),
});

/** The HTTP API: the same rules as the socket's, by the same `Chat`. */
export function createRest({ chat, verifier, allowedOrigins }: RestOptions) {
  const api = new Hono<Env>();

  api.use(
    cors({
      origin: (origin, c) => (originAllowed(c, allowedOrigins) ? origin : null),
      credentials: true,
      allowHeaders: ["authorization", "content-type"],
      // What a page may read of an answer beside its body.
      exposeHeaders: ["location", "retry-after"],
      allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
      maxAge: 600,
    }),
    bodyLimit({
      maxSize: bodyBytes,
      onError: () => problem(new ChatError("message_too_long", `A body may have up to ${bodyBytes} bytes.`)),
    }),
  );

  // Dropping the cookie needs no token: it is for whoever has none any more.
  api.delete("/session", (c) => {
    dropSession(c);
    return c.body(null, 204);
  });

  api.use(async (c, next) => {
    const token = readToken(c);
    const identity = await verifier.verify(token);
    c.set("token", token);
    c.set("identity", identity);
    c.set("actor", await chat.signIn(identity));
    c.header("cache-control", "no-store");
    await next();
  });
  api.use(async (c, next) => {
    const { method, path } = c.req;
    const cheap = method === "GET" || (method === "PUT" && readMarkPath.test(path));
    chat.spend(c.get("actor"), cheap ? "read" : "command");
    await next();
  });

  api.post("/session", (c) => {
    setSession(c, c.get("token"), c.get("identity").expiresAt);
    return c.body(null, 204);
  });

  api.get("/me", (c) => c.json({ ...userBody(c.get("actor")), admin: c.get("actor").admin }));

  api.get("/rooms", async (c) => {
    const rooms = await chat.rooms.of(c.get("actor"));
    return c.json({ rooms: rooms.map(summaryBody) });
  });

  api.post("/rooms", async (c) => {
    const { id = crypto.randomUUID(), name } = await body(c, newRoom);
    const room = await chat.rooms.create(c.get("actor"), id, name);
    return c.json(roomBody({ room, role: "owner" }), 201, { location: `/api/rooms/${room.id}` });
  });

  api.get("/rooms/:room", async (c) =>
    c.json(roomBody(await chat.rooms.enter(c.get("actor"), roomParam(c)))),
  );

  api.patch("/rooms/:room", async (c) => {
    const { name } = await body(c, roomChange);
    return c.json(roomBody(await chat.rooms.rename(c.get("actor"), roomParam(c), name)));
  });

  api.delete("/rooms/:room", async (c) => {
    await chat.rooms.delete(c.get("actor"), roomParam(c));
    return c.body(null, 204);
  });

  api.get("/rooms/:room/members", async (c) => {
    const members = await chat.rooms.members(c.get("actor"), roomParam(c));
    return c.json({ members: members.map(memberBody) });
  });

  api.put("/rooms/:room/members/:email", async (c) => {
    const { role } = await body(c, grant);
    const { member, added } = await chat.rooms.setMember(c.get("actor"), roomParam(c), inviteeParam(c), role);
    return c.json(memberBody(member), added ? 201 : 200);
  });

  api.delete("/rooms/:room/members/:email", async (c) => {
    await chat.rooms.removeMember(c.get("actor"), roomParam(c), inviteeParam(c));
    return c.body(null, 204);
  });

  api.get("/rooms/:room/messages", async (c) => {
    const { limit, before, after } = parse(page, c.req.query());
    const range = {
      limit,
      // With `after` alone a client reads forward, and otherwise back.
      oldest: after !== undefined && before === undefined,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    };
    const messages = await chat.history(c.get("actor"), roomParam(c), range);
    return c.json({ messages: messages.map(messageBody) });
  });

  api.put("/rooms/:room/read", async (c) => {
    const mark = await body(c, readMark);
    return c.json({ seq: await chat.markRead(c.get("actor"), roomParam(c), mark.seq) });
  });

  return api;
}

function roomParam(c: Context): string {
  return parse(roomId, c.req.param("room"), "room");
}

function inviteeParam(c: Context) {
  const who = parseInvitee(c.req.param("email") ?? "");
  if (!who) throw new ChatError("invalid_command", "email: must be an email, or a user's id.");
  return who;
}

async function body<T extends v.GenericSchema>(c: Context, schema: T): Promise<v.InferOutput<T>> {
  const sent = await c.req.text();
  let json: unknown;
  try {
    json = sent === "" ? {} : JSON.parse(sent);
  } catch (cause) {
    throw new ChatError("invalid_command", "The body must be JSON.", { cause });
  }
  return parse(schema, json);
}

function parse<T extends v.GenericSchema>(schema: T, input: unknown, name = "body"): v.InferOutput<T> {
  const parsed = v.safeParse(schema, input);
  if (parsed.success) return parsed.output;
  throw new ChatError("invalid_command", explain(parsed.issues, name));
}
