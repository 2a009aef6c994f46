import { Batch, type Facts, type RoomWrites } from "../../chat/decide.ts";
import type { Draft, RoomKey, UserKey } from "../../chat/model.ts";
import type { Outcome } from "../../chat/store.ts";
import { addToAudit } from "./audit-list.ts";
import type { Queries } from "./queries.ts";
import { toMessages } from "./rows.ts";

/** Decides and writes a batch. Must be called within a transaction. */
export function appendDrafts(queries: Queries, facts: Facts, drafts: readonly Draft[]): Outcome[] {
  const batch = new Batch(facts);
  const outcomes = drafts.map((draft) => batch.decide(draft));
  for (const [room, writes] of batch.writes()) write(queries, room, writes);
  return outcomes;
}

/** Looks facts up by query. Within a transaction they cannot change. */
export function factsOf(queries: Queries): Facts {
  return {
    head(room) {
      const row = queries.head.get({ room });
      if (!row) return undefined;
      const [seq, rev, isReadOnly, slowMode] = row;
      return { seq, rev, posting: isReadOnly ? "moderators" : "members", slowMode };
    },
    standing(room, user) {
      const [role, mutedUntil] = queries.standing.get({ room, user }) ?? [null, null];
      const mute = mutedUntil === null ? undefined : { until: mutedUntil < 0 ? null : mutedUntil };
      return { role: role ?? undefined, mute };
    },
    lastSentAt: (room, user) => queries.lastSentAt.get({ room, user })?.[0] ?? undefined,
    readMark: (room, user) => queries.readMark.get({ room, user })?.[0] ?? 0,
    sentAs(room, sender, clientId) {
      const row = queries.sentAs.get({ room, sender, clientId });
      if (!row) return undefined;
      const [seq, rev, text, replyTo, editedAt, meta] = row;
      // A deleted message has no text.
      return {
        seq,
        rev,
        text: editedAt === null ? text : null,
        meta: text === null ? undefined : meta,
        replyTo,
      };
    },
    message: (room, seq) => toMessages(queries, queries.message.all({ room, seq }))[0],
    deletedAfter: (room, seq) => queries.deletedAfter.get({ room, seq })?.[0] ?? 0,
    isBeginningOfName: (key) => queries.nameBeginning.get({ key }) !== undefined,
    membersNamed: (room, name) => queries.membersByName.all({ room, name }).map(toMentioned),
    membersWithEmail: (room, email) => queries.membersByEmail.all({ room, email }).map(toMentioned),
    mentionedIn: (room, seq) => queries.mentionedIn.all({ room, seq }).map(([user]) => user),
    mentionsAfter: (room, seq, user, limit) =>
      queries.mentionsAfter.get({ room, seq, user, limit })?.[0] ?? 0,
  };
}

const toMentioned = ([key, id]: [UserKey, string | null]) => ({ key, id });

function write(queries: Queries, room: RoomKey, writes: RoomWrites): void {
  const { seq, rev, created, changed, readMarks, sentAt, audit, mentioned } = writes;
  for (const message of created) {
    queries.insert.run({
      room,
      seq: message.seq,
      rev: message.rev,
      sender: message.sender.key,
      text: message.text ?? "",
      sentAt: message.sentAt,
      replyTo: message.replyTo,
      clientId: message.clientId,
      meta: message.meta,
      mentions: message.mentions,
    });
  }
  for (const message of changed.values()) {
    queries.update.run({
      room,
      seq: message.seq,
      rev: message.rev,
      text: message.text,
      meta: message.meta,
      mentions: message.mentions,
      editedAt: message.editedAt,
      deletedAt: message.deletedAt,
      reactions: message.reactions.length > 0 ? JSON.stringify(message.reactions) : null,
    });
  }
  if (created.length > 0 || changed.size > 0) queries.advance.run({ room, seq, rev });
  const firstNewSeq = created[0]?.seq ?? Infinity;
  for (const [each, users] of mentioned) {
    if (each < firstNewSeq) queries.forgetMentions.run({ room, seq: each });
    queries.addMentions.run({ room, seq: each, users: JSON.stringify(users) });
  }
  for (const [user, mark] of readMarks) queries.setReadMark.run({ room, user, seq: mark });
  for (const [user, at] of sentAt) queries.setLastSentAt.run({ room, user, sentAt: at });
  for (const record of audit) addToAudit(queries, room, record);
}
