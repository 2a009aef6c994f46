import { isNull, sql } from "drizzle-orm";

import { messages, rooms, users } from "./schema.ts";

export const userColumns = { key: users.pk, id: users.sub, email: users.email, name: users.name };
export const roomColumns = {
  key: rooms.pk,
  id: rooms.id,
  name: rooms.name,
  access: rooms.access,
  posting: rooms.posting,
  slowMode: rooms.slowMode,
  seq: rooms.seq,
  rev: rooms.rev,
  createdAt: rooms.createdAt,
};
export const messageColumns = {
  seq: messages.seq,
  rev: sql<number>`coalesce(${messages.changedRev}, ${messages.createdRev})`,
  sender: messages.sender,
  text: messages.text,
  sentAt: messages.sentAt,
  editedAt: messages.editedAt,
  deletedAt: messages.deletedAt,
  replyTo: messages.replyTo,
  clientId: messages.clientId,
  reactions: messages.reactions,
  meta: messages.meta,
  mentions: messages.mentions,
};

export const roomExists = isNull(rooms.deletedAt);
/** A named parameter. */
export const $ = sql.placeholder;
