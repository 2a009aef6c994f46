import { type Context, Hono } from "hono";

import type { Chat } from "../../chat/chat.ts";
import type { Ack, Action, Message, Room } from "../../chat/model.ts";
import { encodeMeta } from "../../chat/validation.ts";
import {
  changesRangeSchema,
  clientIdSchema,
  editSchema,
  emojiSchema,
  type MessageRange,
  messageRangeSchema,
  newMessageSchema,
  readMarkSchema,
  seqParameterSchema,
} from "../../protocol/schemas.ts";
import { encodeMessage, userBody } from "../../protocol/serialize.ts";
import type { ApiEnv } from "./env.ts";
import { parse, readBody, readQuery, roomParameter } from "./input.ts";
import { MAX_PAGE_BYTES, readChanges, readPage } from "./page.ts";
import { respond } from "./respond.ts";

export function createMessageRoutes(chat: Chat): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  const enter = (c: Context<ApiEnv>) => chat.messages.enter(c.get("actor"), roomParameter(c));

  async function execute(c: Context<ApiEnv>, action: Action): Promise<{ room: Room; ack: Ack }> {
    const room = await enter(c);
    return { room, ack: await chat.execute(c.get("actor"), room.key, action) };
  }

  /** Executes an action on the message of the URL, and responds with the message as it is then. */
  async function change(c: Context<ApiEnv>, action: Action): Promise<Response> {
    const { room, ack } = await execute(c, action);
    return json(c, encodeMessage(await chat.messages.one(room.key, ack.seq)));
  }

  routes.get("/messages", async (c) => {
    const range = readQuery(c, messageRangeSchema);
    const room = await enter(c);
    const { messages, next } = await readMessages(chat, room, range);
    return respond(c, `{"messages":[${messages.join()}],"next":${JSON.stringify(next)}}`);
  });

  routes.post("/messages", async (c) => {
    const { text, reply_to: replyTo = null, client_id, meta } = await readBody(c, newMessageSchema);
    const key = c.req.header("idempotency-key");
    const clientId = client_id ?? (key === undefined ? null : parse(clientIdSchema, key, "Idempotency-Key"));
    const action = { type: "send", text, clientId, replyTo, meta: meta ? encodeMeta(meta) : null } as const;
    const { room, ack } = await execute(c, action);
    const location = `/api/rooms/${room.id}/messages/${ack.seq}`;
    return json(c, encodeMessage(await chat.messages.one(room.key, ack.seq)), 201, { location });
  });

  routes.get("/messages/:seq", async (c) => {
    const room = await enter(c);
    return respond(c, encodeMessage(await chat.messages.one(room.key, seqParameter(c))));
  });

  routes.patch("/messages/:seq", async (c) => {
    const { text } = await readBody(c, editSchema);
    return change(c, { type: "edit", seq: seqParameter(c), text });
  });

  routes.delete("/messages/:seq", async (c) => {
    await execute(c, { type: "delete", seq: seqParameter(c) });
    return c.body(null, 204);
  });

  for (const [method, on] of [
    ["PUT", true],
    ["DELETE", false],
  ] as const) {
    routes.on(method, "/messages/:seq/reactions/:emoji", (c) => {
      const emoji = parse(emojiSchema, c.req.param("emoji"), "emoji");
      return change(c, { type: "react", seq: seqParameter(c), emoji, on });
    });
  }

  routes.get("/changes", async (c) => {
    const { since, limit } = readQuery(c, changesRangeSchema);
    const room = await enter(c);
    const read = (rev: number, count: number) => chat.messages.changes(room.key, rev, count);
    // A client may be ahead of the room: it was restored from a backup. Its `rev` says so.
    const { items, rev } =
      since > room.rev ? { items: [], rev: room.rev } : await readChanges(limit, since, read);
    return respond(c, `{"rev":${rev},"messages":[${items.join()}],"more":${rev < room.rev}}`);
  });

  routes.get("/reads", async (c) => {
    const room = await enter(c);
    const marks = await chat.messages.readMarks(c.get("actor"), room.key);
    return respond(
      c,
      JSON.stringify({ reads: marks.map(({ user, seq }) => ({ user: userBody(user), seq })) }),
    );
  });

  routes.put("/read", async (c) => {
    const { seq } = await readBody(c, readMarkSchema);
    return c.json({ seq: (await execute(c, { type: "read", seq })).ack.seq });
  });

  return routes;
}

interface MessagePage {
  /** Encoded, oldest first. */
  messages: string[];
  /** The cursor of the next page in the same direction. Null at the end. */
  next: string | null;
}

async function readMessages(chat: Chat, room: Room, range: MessageRange): Promise<MessagePage> {
  const { around, limit } = range;
  const { before, after } = range.cursor ?? range;
  if (around !== undefined) return readAround(chat, room, around, limit);
  // `after` alone reads forward; otherwise a page ends at the newest message or before `before`.
  if (after !== undefined && before === undefined) return readForward(chat, room, after, limit);
  return readBackward(chat, room, { after: after ?? 0, before: before ?? room.seq + 1 }, limit);
}

const forward =
  ({ messages }: Chat, room: Room, after: number) =>
  (last: Message | undefined, count: number) =>
    messages.range(room.key, { after: last?.seq ?? after, limit: count, oldest: true });

const backward =
  ({ messages }: Chat, room: Room, { after = 0, before }: { after?: number; before: number }) =>
  async (last: Message | undefined, count: number) =>
    (await messages.range(room.key, { after, before: last?.seq ?? before, limit: count })).toReversed();

async function readForward(chat: Chat, room: Room, after: number, limit: number): Promise<MessagePage> {
  const { items, last } = await readPage(limit, forward(chat, room, after));
  return { messages: items, next: last && last.seq < room.seq ? `after-${last.seq}` : null };
}

async function readBackward(
  chat: Chat,
  room: Room,
  range: { after: number; before: number },
  limit: number,
): Promise<MessagePage> {
  const { items, last } = await readPage(limit, backward(chat, room, range));
  const { after } = range;
  const bound = after > 0 ? `-after-${after}` : "";
  const next = last && last.seq > after + 1 ? `before-${last.seq}${bound}` : null;
  return { messages: items.toReversed(), next };
}

/** The message itself comes first, so that it is on the page however large those before it are. */
async function readAround(chat: Chat, room: Room, around: number, limit: number): Promise<MessagePage> {
  const first = Math.max(0, Math.floor(around - limit / 2));
  const read = backward(chat, room, { before: around + 1 });
  const earlier = await readPage(around - first, read, { maxBytes: MAX_PAGE_BYTES / 2 });
  const later = await readPage(limit - earlier.items.length, forward(chat, room, around), {
    maxBytes: MAX_PAGE_BYTES - earlier.bytes,
    minItems: earlier.items.length > 0 ? 0 : 1,
  });
  const newest = later.last?.seq ?? Math.min(around, room.seq);
  return {
    messages: [...earlier.items.toReversed(), ...later.items],
    next: newest < room.seq ? `after-${newest}` : null,
  };
}

function seqParameter(c: Context): number {
  return parse(seqParameterSchema, c.req.param("seq"), "seq");
}

function json(
  c: Context,
  body: string,
  status: 200 | 201 = 200,
  headers: Record<string, string> = {},
): Response {
  return c.body(body, status, { "content-type": "application/json", ...headers });
}
