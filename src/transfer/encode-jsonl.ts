import { defaultSettings, type Invitee } from "../chat/model.ts";
import type {
  MessageRecord,
  MessageRef,
  RestrictionRecord,
  RoomRecord,
  TransferRecord,
  UserRecord,
} from "../chat/transfer.ts";

/** The line of a record, without its end. Keys without a value are left out. */
export function encodeLine(record: TransferRecord): string {
  return JSON.stringify(toLine(record));
}

function toLine(record: TransferRecord): object {
  if (record.type === "user") return userLine(record);
  if (record.type === "room") return roomLine(record);
  if (record.type === "message") return messageLine(record);
  const { type, room } = record;
  const user = ref(record.user);
  if (record.type === "member")
    return { type, room, user, role: record.role, joined_at: time(record.joinedAt) };
  if (record.type === "read") return { type, room, user, seq: record.seq };
  if (record.type === "reaction")
    return { type, room, message: messageRef(record.message), emoji: record.emoji, user };
  return restrictionLine(record);
}

function userLine({ type, user, name, email, emails, signedIn }: UserRecord): object {
  return {
    type,
    ...("sub" in user && { id: user.sub }),
    email: "email" in user ? user.email : given(email),
    name: given(name),
    emails: emails.length > 0 ? emails : undefined,
    signed_in: signedIn || undefined,
  };
}

function restrictionLine(record: RestrictionRecord): object {
  const { type, room, user, at, until, reason, by } = record;
  return {
    type,
    room,
    user: ref(user),
    at: time(at),
    until: until === null ? undefined : time(until),
    reason: given(reason),
    by: by ? { id: given(by.id), email: given(by.email), name: given(by.name) } : undefined,
  };
}

function roomLine({ type, id, name, settings, direct, createdAt, createdBy, head }: RoomRecord): object {
  const { access, posting, slowMode } = { ...defaultSettings, ...settings };
  return {
    type,
    id,
    name,
    access: access === defaultSettings.access ? undefined : access,
    posting: posting === defaultSettings.posting ? undefined : posting,
    slow_mode: slowMode === defaultSettings.slowMode ? undefined : slowMode,
    direct: direct?.map(ref),
    created_at: time(createdAt),
    created_by: createdBy ? ref(createdBy) : undefined,
    seq: head?.seq,
    rev: head?.rev,
  };
}

function messageLine(record: MessageRecord): object {
  const { type, room, sender, text, sentAt, editedAt, deletedAt, replyTo, clientId, meta, position } = record;
  return {
    type,
    room,
    seq: position?.seq,
    rev: position?.rev,
    changed_rev: given(position?.changedRev ?? null),
    sender: ref(sender),
    text: given(text),
    sent_at: time(sentAt),
    edited_at: editedAt === null ? undefined : time(editedAt),
    deleted_at: deletedAt === null ? undefined : time(deletedAt),
    reply_to: replyTo === null ? undefined : messageRef(replyTo),
    client_id: given(clientId),
    meta: given(meta),
  };
}

/** `JSON.stringify` leaves out undefined values, not null. */
const given = <T>(value: T | null) => value ?? undefined;
const ref = (user: Invitee) => ("sub" in user ? { id: user.sub } : user);
const messageRef = (message: MessageRef) => ("seq" in message ? message.seq : message.key);
/** RFC 3339, in UTC with milliseconds. */
const time = (at: number) => new Date(at).toISOString();
