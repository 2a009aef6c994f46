import type { ChatError } from "../../chat/errors.ts";
import type { Message, Room, User } from "../../chat/model.ts";
import { formatTime } from "../serialize.ts";
import type { Variables } from "./template.ts";

export type NamedRoom = Pick<Room, "id" | "name">;

export interface MessageSubject {
  message: Message;
  room: NamedRoom;
}

export interface HistorySubject {
  /** The JSON of the array of items. */
  items: string;
  room: NamedRoom;
}

const roomVariables: Variables<{ room: NamedRoom }> = {
  room: ({ room }) => JSON.stringify(room.id),
  room_name: ({ room }) => JSON.stringify(room.name),
};

/** Variables of a message, in the history, in a broadcast, edited or deleted. */
export const messageVariables: Variables<MessageSubject> = {
  text: ({ message }) => JSON.stringify(message.text ?? ""),
  seq: ({ message }) => String(message.seq),
  rev: ({ message }) => String(message.rev),
  /** Unique over all rooms: room ids have no colon. */
  id: ({ message, room }) => JSON.stringify(formatId(room.id, message.seq)),
  sender_email: ({ message }) => JSON.stringify(shownEmail(message.sender)),
  sender_id: ({ message }) => JSON.stringify(message.sender.id),
  sender_number: ({ message }) => numberOf(message.sender.id),
  sender_name: ({ message }) => JSON.stringify(message.sender.name ?? shownEmail(message.sender)),
  sent_at: ({ message }) => JSON.stringify(formatTime(message.sentAt)),
  sent_at_ms: ({ message }) => String(message.sentAt),
  edited_at: ({ message }) =>
    message.editedAt === null ? "null" : JSON.stringify(formatTime(message.editedAt)),
  client_id: ({ message }) => JSON.stringify(message.clientId),
  meta: ({ message }) => message.meta ?? "null",
  ...roomVariables,
};

/** Variables of the frame that has the history. */
export const historyVariables: Variables<HistorySubject> = {
  items: ({ items }) => items,
  ...roomVariables,
};

export const errorVariables: Variables<ChatError> = {
  code: ({ code }) => JSON.stringify(code),
  reason: ({ message }) => JSON.stringify(message),
};

function formatId(room: string, seq: number): string {
  return `${room}:${seq}`;
}

/** The `seq` of a message of this room, by its `$id`. Undefined for anything else. */
export function parseId(room: string, id: string): number | undefined {
  const [, of, seq] = /^(.*):([1-9]\d{0,14})$/.exec(id) ?? [];
  return of === room ? Number(seq) : undefined;
}

/** Django's primary keys are numbers, and pages compare them with `===`. */
function numberOf(id: string | null): string {
  return id !== null && /^(0|[1-9]\d{0,14})$/.test(id) ? id : "null";
}

/** A user without an email is shown with their `sub`. */
function shownEmail({ email, id }: User): string {
  return email ?? id ?? "";
}
