import { roomSchema } from "../../protocol/bodies.ts";
import { restrictionSchema } from "../../protocol/moderation-bodies.ts";
import {
  auditRangeSchema,
  newRestrictionSchema,
  restrictionRangeSchema,
} from "../../protocol/moderation-requests.ts";
import { auditPageSchema, banPageSchema, mutePageSchema } from "../../protocol/responses.ts";
import type { Operations } from "./operation.ts";

const restricted = (done: string) => ({
  200: { schema: restrictionSchema, description: `The user was ${done} already. This replaces it.` },
  201: { schema: restrictionSchema, description: `The user is ${done}.`, hasLocation: true } as const,
});

export const moderationOperations: Operations = {
  "POST /api/rooms/:room/join": {
    id: "joinRoom",
    tag: "Members",
    summary: "Join an open room",
    description:
      "The user becomes a `member`. `room_not_found`: the room is not open. `forbidden`: the user is banned from it, or it is full.",
    responses: {
      200: { schema: roomSchema, description: "The user was a member already." },
      201: { schema: roomSchema, description: "The user has become a member.", hasLocation: true },
    },
    codes: ["forbidden"],
  },
  "GET /api/rooms/:room/bans": {
    id: "listBans",
    tag: "Moderation",
    summary: "List bans",
    description: "Newest first, without those that are over. For moderators and owners.",
    query: restrictionRangeSchema,
    responses: { 200: { schema: banPageSchema } },
    codes: ["forbidden"],
  },
  "PUT /api/rooms/:room/bans/:who": {
    id: "ban",
    tag: "Moderation",
    summary: "Ban a user",
    description:
      "Ends their membership. Until the ban is lifted or over, nobody can make them a member again, nor can they join. " +
      "`conflict`: the room would lose its last owner, or two users have the email address.",
    body: newRestrictionSchema,
    responses: restricted("banned"),
    codes: ["forbidden", "conflict"],
  },
  "DELETE /api/rooms/:room/bans/:who": {
    id: "liftBan",
    tag: "Moderation",
    summary: "Lift a ban",
    description: "For owners. The user does not become a member by it.",
    responses: { 204: { description: "The user is not banned, or not any more." } },
    codes: ["forbidden", "conflict"],
  },
  "GET /api/rooms/:room/mutes": {
    id: "listMutes",
    tag: "Moderation",
    summary: "List mutes",
    description: "Newest first, without those that are over. For moderators and owners.",
    query: restrictionRangeSchema,
    responses: { 200: { schema: mutePageSchema } },
    codes: ["forbidden"],
  },
  "PUT /api/rooms/:room/mutes/:who": {
    id: "mute",
    tag: "Moderation",
    summary: "Mute a user",
    description:
      "They read, and delete what they wrote, but cannot send, edit or react. It holds, too, when they leave and join again.",
    body: newRestrictionSchema,
    responses: restricted("muted"),
    codes: ["forbidden", "conflict"],
  },
  "DELETE /api/rooms/:room/mutes/:who": {
    id: "liftMute",
    tag: "Moderation",
    summary: "Lift a mute",
    responses: { 204: { description: "The user is not muted, or not any more." } },
    codes: ["forbidden", "conflict"],
  },
  "GET /api/rooms/:room/audit": {
    id: "listAudit",
    tag: "Moderation",
    summary: "List what moderators, owners and administrators did",
    description: "Newest first: the newest 10,000 entries are kept. For owners.",
    query: auditRangeSchema,
    responses: { 200: { schema: auditPageSchema } },
    codes: ["forbidden"],
  },
};
