import { messageSchema } from "../../protocol/bodies.ts";
import {
  changesSchema,
  messagePageSchema,
  readMarksSchema,
  resultPageSchema,
} from "../../protocol/responses.ts";
import {
  changesRangeSchema,
  clientIdSchema,
  editSchema,
  messageRangeSchema,
  newMessageSchema,
  readMarkSchema,
  searchSchema,
} from "../../protocol/schemas.ts";
import type { Operations } from "./operation.ts";

export const messageOperations: Operations = {
  "GET /api/rooms/:room/messages": {
    id: "listMessages",
    tag: "Messages",
    summary: "List messages",
    description:
      "Oldest first. Without a parameter, the page has the last messages. A page ends at its limit or at 256 KiB, whichever " +
      "comes first. `cursor`, `around`, and `before` with `after` cannot be combined.",
    query: messageRangeSchema,
    responses: { 200: { schema: messagePageSchema } },
  },
  "POST /api/rooms/:room/messages": {
    id: "sendMessage",
    tag: "Messages",
    summary: "Send a message",
    description:
      "With a `client_id`, or the header `Idempotency-Key`, the request can be repeated: the message is stored once. " +
      "`conflict`: another message has this key. `message_not_found`: there is no message `reply_to`. `forbidden`: only moderators " +
      "and owners may post in the room, or the user is muted, `until` when. `rate_limited`: the room has a slow mode.",
    headers: { "Idempotency-Key": clientIdSchema },
    body: newMessageSchema,
    responses: { 201: { schema: messageSchema, hasLocation: true } },
    codes: ["invalid_message", "forbidden", "conflict", "message_not_found"],
  },
  "GET /api/rooms/:room/messages/:seq": {
    id: "getMessage",
    tag: "Messages",
    summary: "Get a message",
    description: "Also if it is deleted.",
    responses: { 200: { schema: messageSchema } },
    codes: ["message_not_found"],
  },
  "PATCH /api/rooms/:room/messages/:seq": {
    id: "editMessage",
    tag: "Messages",
    summary: "Change the text of a message",
    description: "Only its sender may do so.",
    body: editSchema,
    responses: { 200: { schema: messageSchema } },
    codes: ["invalid_message", "forbidden", "message_not_found"],
  },
  "DELETE /api/rooms/:room/messages/:seq": {
    id: "deleteMessage",
    tag: "Messages",
    summary: "Delete a message",
    description: "It keeps its `seq` and loses its text, its metadata and its reactions.",
    responses: { 204: { description: "The message is deleted." } },
    codes: ["forbidden", "message_not_found"],
  },
  "PUT /api/rooms/:room/messages/:seq/reactions/:emoji": {
    id: "addReaction",
    tag: "Messages",
    summary: "Add the user's reaction to a message",
    responses: { 200: { schema: messageSchema } },
    codes: ["forbidden", "message_not_found"],
  },
  "DELETE /api/rooms/:room/messages/:seq/reactions/:emoji": {
    id: "removeReaction",
    tag: "Messages",
    summary: "Remove the user's reaction from a message",
    responses: { 200: { schema: messageSchema } },
    codes: ["forbidden", "message_not_found"],
  },
  "GET /api/rooms/:room/changes": {
    id: "listChanges",
    tag: "Messages",
    summary: "List changes",
    description: "What changed after the `rev` `since`: each message as it is now, in the order of `rev`.",
    query: changesRangeSchema,
    responses: { 200: { schema: changesSchema } },
  },
  "GET /api/rooms/:room/reads": {
    id: "listReadMarks",
    tag: "Messages",
    summary: "List the members' read marks",
    responses: { 200: { schema: readMarksSchema } },
  },
  "PUT /api/rooms/:room/read": {
    id: "markAsRead",
    tag: "Messages",
    summary: "Move the user's read mark forward",
    body: readMarkSchema,
    responses: { 200: { schema: readMarkSchema, description: "Where the mark is now." } },
    codes: ["forbidden"],
  },
  "GET /api/search": {
    id: "search",
    tag: "Search",
    summary: "Search the messages of the user's rooms",
    description: "The best results come first. A page may have few or no results although more follow.",
    query: searchSchema,
    responses: { 200: { schema: resultPageSchema } },
    codes: ["room_not_found"],
  },
};
