import { memberSchema, roomSchema, roomSummarySchema } from "../../protocol/bodies.ts";
import { grantedSchema, memberPageSchema, roomListSchema } from "../../protocol/responses.ts";
import {
  bulkGrantSchema,
  ensuredRoomSchema,
  grantSchema,
  memberRangeSchema,
  newRoomSchema,
  roomChangeSchema,
  roomRangeSchema,
} from "../../protocol/room-requests.ts";
import type { Operations } from "./operation.ts";

export const roomOperations: Operations = {
  "GET /api/rooms": {
    id: "listRooms",
    tag: "Rooms",
    summary: "List rooms",
    description:
      "The rooms that the user is a member of, most recent activity first. With `all=true` every room, by id, for administrators; with `open=true` the open rooms, by id.",
    query: roomRangeSchema,
    responses: { 200: { schema: roomListSchema } },
    codes: ["forbidden"],
  },
  "POST /api/rooms": {
    id: "createRoom",
    tag: "Rooms",
    summary: "Create a room",
    description:
      "The user becomes its owner. `conflict`: the id is taken. `forbidden`: the user has created too many.",
    body: newRoomSchema,
    responses: { 201: { schema: roomSchema, hasLocation: true } },
    codes: ["conflict", "forbidden"],
  },
  "GET /api/rooms/:room": {
    id: "getRoom",
    tag: "Rooms",
    summary: "Get a room",
    description: "`role` is null for a user who is not a member and who sees it because it is open.",
    responses: { 200: { schema: roomSchema } },
  },
  "PUT /api/rooms/:room": {
    id: "ensureRoom",
    tag: "Rooms",
    summary: "Create a room unless it exists",
    description: "The room has no owner. For administrators.",
    body: ensuredRoomSchema,
    responses: {
      200: { schema: roomSchema, description: "The room exists. It is as it was." },
      201: { schema: roomSchema, description: "The room was created.", hasLocation: true },
    },
    codes: ["conflict", "forbidden"],
  },
  "PATCH /api/rooms/:room": {
    id: "changeRoom",
    tag: "Rooms",
    summary: "Change a room's name or settings",
    body: roomChangeSchema,
    responses: { 200: { schema: roomSchema } },
    codes: ["forbidden"],
  },
  "DELETE /api/rooms/:room": {
    id: "deleteRoom",
    tag: "Rooms",
    summary: "Delete a room with everything in it",
    description: "Connections to its URL are closed with 4404.",
    responses: { 204: { description: "The room is deleted." } },
    codes: ["forbidden"],
  },
  "PUT /api/direct/:who": {
    id: "openDirect",
    tag: "Rooms",
    summary: "Open the direct conversation with another user",
    description:
      "A room of two, whose members and settings are fixed. `member_not_found`: the two are members of no room together; " +
      "administrators may write to anybody who is known. `forbidden`: the user has created too many rooms, or it is themselves.",
    responses: {
      200: { schema: roomSummarySchema, description: "The conversation, which exists." },
      201: { schema: roomSummarySchema, description: "The conversation was created.", hasLocation: true },
    },
    codes: ["member_not_found", "forbidden"],
  },
  "GET /api/rooms/:room/members": {
    id: "listMembers",
    tag: "Members",
    summary: "List the members of a room",
    description: "Owners, then moderators, then the others.",
    query: memberRangeSchema,
    responses: { 200: { schema: memberPageSchema } },
  },
  "POST /api/rooms/:room/members": {
    id: "setMembers",
    tag: "Members",
    summary: "Add many members, or change their roles",
    description: "All of them or none. `conflict`: the room would lose its last owner.",
    body: bulkGrantSchema,
    responses: { 200: { schema: grantedSchema } },
    codes: ["forbidden", "conflict"],
  },
  "GET /api/rooms/:room/members/:who": {
    id: "getMember",
    tag: "Members",
    summary: "Get a member",
    responses: { 200: { schema: memberSchema } },
    codes: ["member_not_found", "conflict"],
  },
  "PUT /api/rooms/:room/members/:who": {
    id: "setMember",
    tag: "Members",
    summary: "Add a member, or change a member's role",
    description: "`conflict`: the room would lose its last owner, or two members have the email address.",
    body: grantSchema,
    responses: {
      200: { schema: memberSchema, description: "The user was a member already." },
      201: { schema: memberSchema, description: "The user was added.", hasLocation: true },
    },
    codes: ["forbidden", "conflict"],
  },
  "DELETE /api/rooms/:room/members/:who": {
    id: "removeMember",
    tag: "Members",
    summary: "Remove a member, or leave a room",
    description: "Their connections to the room's URL are closed with 4403.",
    responses: { 204: { description: "The user is not a member, or not any more." } },
    codes: ["forbidden", "conflict"],
  },
};
