import type { Action, Actor, Draft, Message, Room, RoomKey } from "../../src/chat/model.ts";

/** Somebody who needs no store. */
export function actor(key: number, admin = false): Actor {
  return { key, id: `sub|${key}`, email: `user-${key}@example.com`, name: null, admin };
}

export function draft(key: RoomKey, text: string, sender = actor(1)): Draft {
  return { room: key, actor: sender, at: 0, action: send(text) };
}

export function send(text: string, clientId: string | null = null, replyTo: number | null = null): Action {
  return { type: "send", text, clientId, replyTo };
}

/** A message that was not changed since it was sent, unless `rev` says so. */
export function message(seq: number, rev = seq, text = `text ${seq}`): Message {
  const sent = { sender: actor(1), sentAt: 0, clientId: null, replyTo: null };
  return { ...sent, seq, rev, text, editedAt: rev === seq ? null : 1, deletedAt: null, reactions: [] };
}

export function room(key: RoomKey, id = `room-${key}`): Room {
  return { key, id, name: id, seq: 0, rev: 0, createdAt: 0 };
}

/** Lets everything happen that waits for nothing from outside. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
