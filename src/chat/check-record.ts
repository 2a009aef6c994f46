import { ChatError } from "./errors.ts";
import type { Invitee } from "./model.ts";
import type {
  MessageRecord,
  ReactionRecord,
  RestrictionRecord,
  RoomRecord,
  TransferRecord,
  UserRecord,
} from "./transfer.ts";
import {
  checkMessageText,
  encodeMeta,
  isClientName,
  isEmail,
  isEmoji,
  isRoomId,
  isStorable,
  isUserId,
  MAX_TIME_MS,
  normalizeEmail,
  parseReason,
  parseRoomName,
  ROOM_ID_RULE,
} from "./validation.ts";

/** The largest text that a message may have, whatever the server's setting: PARLEY_MAX_TEXT is no larger. */
const MAX_IMPORTED_TEXT_BYTES = 60_000;
/** As in tokens, in UTF-16 units. */
const MAX_USER_NAME_LENGTH = 255;

/**
 * Checks a record by itself and returns it as it is stored: emails and names normalized. Returns the reason, one line, when it
 * breaks a rule of the chat. What Parley stored before is not normalized again, so that an export can be imported anywhere.
 */
export function checkRecord(record: TransferRecord): TransferRecord | { invalid: string } {
  try {
    return check(record);
  } catch (error) {
    if (error instanceof InvalidRecord || error instanceof ChatError) return { invalid: error.message };
    throw error;
  }
}

class InvalidRecord extends Error {}

function ensure(condition: boolean, reason: string): void {
  if (!condition) throw new InvalidRecord(reason);
}

function check(record: TransferRecord): TransferRecord {
  if (record.type === "user") return checkUser(record);
  if (record.type === "room") return checkRoom(record);
  ensure(isRoomId(record.room), `"${record.room.slice(0, 120)}" cannot be the id of a room. ${ROOM_ID_RULE}`);
  if (record.type === "message") return checkMessage(record);
  if (record.type === "member") checkTime(record.joinedAt, "joined at");
  if (record.type === "ban" || record.type === "mute") checkRestriction(record);
  if (record.type === "reaction") checkReaction(record);
  if (record.type === "read") checkNumber(record.seq, 0, "seq");
  return { ...record, user: checkInvitee(record.user) };
}

function checkRestriction({ at, until, reason, by }: RestrictionRecord): void {
  checkTime(at, "at");
  if (until !== null) checkTime(until, "until");
  if (reason !== null) parseReason(reason);
  const texts = [by?.id, by?.email, by?.name].filter((text) => typeof text === "string");
  ensure(
    texts.every((text) => text.length <= MAX_USER_NAME_LENGTH && isStorable(text)),
    `Each text of a user has up to ${MAX_USER_NAME_LENGTH} characters, without lone surrogates and NUL.`,
  );
}

function checkReaction({ emoji, message }: ReactionRecord): void {
  ensure(isEmoji(emoji), "A reaction must be one emoji or a short word.");
  if ("seq" in message) checkNumber(message.seq, 1, "seq");
}

function checkUser(record: UserRecord): UserRecord {
  const name = record.name === "" ? null : record.name;
  ensure(
    name === null || (name.length <= MAX_USER_NAME_LENGTH && isStorable(name)),
    `A user's name has up to ${MAX_USER_NAME_LENGTH} characters, without lone surrogates and NUL.`,
  );
  const user = checkInvitee(record.user);
  ensure("sub" in user || !record.signedIn, "A user who has signed in has an id.");
  const email = record.email === null ? null : checkEmail(record.email);
  return { ...record, user, name, email, emails: record.emails.map(checkEmail) };
}

function checkRoom(record: RoomRecord): RoomRecord {
  const { id, name, head, createdBy, direct } = record;
  ensure(isRoomId(id), `"${id.slice(0, 120)}" cannot be the id of a room. ${ROOM_ID_RULE}`);
  checkTime(record.createdAt, "created at");
  if (head !== null) {
    checkNumber(head.seq, 0, "seq");
    checkNumber(head.rev, head.seq, "rev");
    ensure(name !== "" && isStorable(name), "A room needs a name without lone surrogates and NUL.");
  }
  ensure(!direct || !record.settings, "A direct conversation has no settings.");
  return {
    ...record,
    ...(direct && { direct: [checkInvitee(direct[0]), checkInvitee(direct[1])] }),
    name: head === null ? parseRoomName(name) : name,
    createdBy: createdBy && checkInvitee(createdBy),
  };
}

function checkMessage(record: MessageRecord): MessageRecord {
  const { text, sentAt, editedAt, deletedAt, replyTo, clientId, meta, position } = record;
  ensure((text === null) === (deletedAt !== null), "A message has either a text or a time of deletion.");
  if (text !== null && position)
    ensure(isStorable(text), "A text may contain neither lone surrogates nor NUL.");
  else if (text !== null) checkMessageText(text, MAX_IMPORTED_TEXT_BYTES);
  ensure(meta === null || deletedAt === null, "A deleted message has no metadata.");
  if (meta !== null) encodeMeta(meta);
  checkTime(sentAt, "sent at");
  if (editedAt !== null) checkTime(editedAt, "edited at");
  if (deletedAt !== null) checkTime(deletedAt, "deleted at");
  ensure(
    clientId === null || (isClientName(clientId) && isStorable(clientId)),
    "The key of a message has 1 to 64 characters, without lone surrogates and NUL.",
  );
  const sender = checkInvitee(record.sender);
  if (position) {
    const { seq, rev, changedRev } = position;
    checkNumber(seq, 1, "seq");
    checkNumber(rev, seq, "rev");
    if (changedRev !== null) checkNumber(changedRev, rev + 1, "changed rev");
    ensure(
      changedRev !== null || (editedAt === null && deletedAt === null),
      "A message that was edited or deleted has a changed rev.",
    );
    ensure(
      replyTo === null || ("seq" in replyTo && replyTo.seq < seq && replyTo.seq >= 1),
      "A message replies to an earlier seq.",
    );
    // The messages of a user without an id are found by this key when they sign in.
    ensure("sub" in sender || clientId !== null, "A message of a user without an id needs a client id.");
  } else {
    ensure(clientId !== null, "A message needs a key, so that it is not imported twice.");
    ensure(replyTo === null || "key" in replyTo, "A message with a key replies to another one by its key.");
  }
  return { ...record, sender };
}

function checkInvitee(user: Invitee): Invitee {
  if ("email" in user) return { email: checkEmail(user.email) };
  ensure(isUserId(user.sub), "The id of a user has 1 to 255 characters, without lone surrogates and NUL.");
  return user;
}

function checkEmail(text: string): string {
  const email = normalizeEmail(text);
  ensure(isEmail(email) && isStorable(email), `"${text.slice(0, 120)}" is not an email address.`);
  return email;
}

function checkTime(time: number, what: string): void {
  ensure(Number.isInteger(time) && time >= 0 && time <= MAX_TIME_MS, `The time "${what}" is out of range.`);
}

function checkNumber(value: number, min: number, what: string): void {
  ensure(Number.isSafeInteger(value) && value >= min, `The ${what} must be a whole number, at least ${min}.`);
}
