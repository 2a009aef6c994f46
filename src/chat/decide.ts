import { type AuditRecord, auditRecord, snapshot } from "./audit.ts";
import { amend, type Amendment } from "./decide-amendment.ts";
import { refuseAmendment, refusePost, refuseTooSoon, type Standing } from "./decide-posting.ts";
import type { Action, Actor, Draft, Message, Position, Posting, RoomKey, UserKey } from "./model.ts";
import { can } from "./permissions.ts";
import { type MentionFacts, RoomMentions } from "./room-mentions.ts";
import type { Outcome } from "./store.ts";
import { unreadCount } from "./unread.ts";

type Send = Extract<Action, { type: "send" }>;
/** A message that its sender named with a `clientId`, as it was when it was stored. */
export interface SentMessage extends Position {
  /** Null when it has been edited or deleted since: its original text is no longer known. */
  text: string | null;
  /** Undefined when it has been deleted since. An edit keeps it. */
  meta: string | null | undefined;
  replyTo: number | null;
}

/** A room's state, as far as messages depend on it. */
export interface RoomHead extends Position {
  posting: Posting;
  /** Seconds between two messages of one member; 0 is off. */
  slowMode: number;
}

/** The facts that a batch depends on, as of its start. The store looks them up under the lock that it writes with. */
export interface Facts extends MentionFacts {
  /** Undefined when the room has been deleted. */
  head(room: RoomKey): RoomHead | undefined;
  standing(room: RoomKey, user: UserKey): Standing;
  /** When a member last sent a message while the room had a slow mode. Asked for in such rooms only. */
  lastSentAt(room: RoomKey, user: UserKey): number | undefined;
  readMark(room: RoomKey, user: UserKey): number;
  /** The message that the sender stored under a `clientId`. */
  sentAs(room: RoomKey, sender: UserKey, clientId: string): SentMessage | undefined;
  message(room: RoomKey, seq: number): Message | undefined;
  /** The number of messages after `seq` that are deleted. */
  deletedAfter(room: RoomKey, seq: number): number;
}

/** What a batch writes in one room. */
export interface RoomWrites extends Position {
  /** New messages by `seq`, as they were created. */
  created: readonly Message[];
  /** Messages that were edited, deleted or reacted to, new ones included, as they are at the end of the batch. */
  changed: ReadonlyMap<number, Message>;
  readMarks: ReadonlyMap<UserKey, number>;
  /** When members last sent a message, in a room with a slow mode. */
  sentAt: ReadonlyMap<UserKey, number>;
  /** What is added to the audit list, oldest first. */
  audit: readonly AuditRecord[];
  /** Whom messages mention, by `seq`, for those that mention others than before. `EVERYONE` stands for all members. */
  mentioned: ReadonlyMap<number, readonly UserKey[]>;
}

/** Decides drafts one after the other: each sees the effects of those before it. Pure; every store uses it. */
export class Batch {
  readonly #rooms = new Map<RoomKey, RoomState | undefined>();

  constructor(private readonly facts: Facts) {}

  /** Decides the next draft. */
  decide({ room, actor, at, action }: Draft): Outcome {
    const state = this.#state(room);
    if (!state) return { refused: "room_deleted" };
    const standing = state.standing(actor.key);
    if (!can(actor, standing.role, "participate")) return { refused: "removed" };
    if (action.type === "send") return state.send(actor, standing, at, action);
    if (action.type === "read") return state.read(actor.key, action.seq);
    return state.amend(action, { actor, standing, at });
  }

  /** What the store must write, room by room. */
  *writes(): Iterable<[RoomKey, RoomWrites]> {
    for (const [room, state] of this.#rooms) if (state) yield [room, state];
  }

  #state(room: RoomKey): RoomState | undefined {
    if (!this.#rooms.has(room)) {
      const head = this.facts.head(room);
      this.#rooms.set(room, head && new RoomState(room, head, this.facts));
    }
    return this.#rooms.get(room);
  }
}

/** The state of a room within a batch. */
class RoomState implements RoomWrites {
  seq: number;
  rev: number;
  readonly created: Message[] = [];
  readonly changed = new Map<number, Message>();
  readonly readMarks = new Map<UserKey, number>();
  readonly sentAt = new Map<UserKey, number>();
  readonly audit: AuditRecord[] = [];
  readonly #standings = new Map<UserKey, Standing>();
  /** By sender and `clientId`. */
  readonly #sent = new Map<string, SentMessage>();
  /** Messages that were deleted in this batch. */
  readonly #deleted: number[] = [];
  readonly mentioned: RoomWrites["mentioned"];
  readonly #mentions: RoomMentions;
  readonly #firstNewSeq: number;

  constructor(
    private readonly room: RoomKey,
    private readonly head: RoomHead,
    private readonly facts: Facts,
  ) {
    this.seq = head.seq;
    this.rev = head.rev;
    this.#firstNewSeq = head.seq + 1;
    this.#mentions = new RoomMentions(room, facts);
    this.mentioned = this.#mentions.mentioned;
  }

  standing(user: UserKey): Standing {
    let standing = this.#standings.get(user);
    if (!standing) this.#standings.set(user, (standing = this.facts.standing(this.room, user)));
    return standing;
  }

  send(sender: Actor, standing: Standing, sentAt: number, action: Send): Outcome {
    const { text, clientId, replyTo, meta } = action;
    const repeated = clientId === null ? undefined : this.#sentAs(sender.key, clientId);
    if (repeated) return repeatSend(repeated, action);
    const refusal = refusePost(sender, standing, this.head.posting, sentAt);
    if (refusal) return refusal;
    if (replyTo !== null && !(replyTo >= 1 && replyTo <= this.seq)) return { refused: "message_not_found" };
    const { slowMode } = this.head;
    if (slowMode > 0 && !can(sender, standing.role, "skip_slow_mode")) {
      const last = this.sentAt.get(sender.key) ?? this.facts.lastSentAt(this.room, sender.key);
      const tooSoon = refuseTooSoon(last, slowMode, sentAt);
      if (tooSoon) return tooSoon;
      this.sentAt.set(sender.key, sentAt);
    }
    const [seq, rev] = [++this.seq, ++this.rev];
    const message: Message = {
      seq,
      rev,
      sender,
      text,
      sentAt,
      editedAt: null,
      deletedAt: null,
      replyTo,
      clientId,
      meta,
      mentions: this.#mentions.resolve(seq, text),
      reactions: [],
    };
    this.created.push(message);
    if (clientId !== null) this.#sent.set(`${sender.key} ${clientId}`, { seq, rev, text, meta, replyTo });
    // Senders have seen the room up to their own message.
    this.readMarks.set(sender.key, seq);
    const ack = { seq, rev };
    return { ack, change: { kind: "created", message }, mark: { seq, unread: 0, mentions: 0, head: ack } };
  }

  read(user: UserKey, wanted: number): Outcome {
    const before = this.readMarks.get(user) ?? this.facts.readMark(this.room, user);
    const seq = Math.max(before, Math.min(wanted, this.seq));
    const ack = { seq, rev: this.rev };
    if (seq === before) return { ack };
    this.readMarks.set(user, seq);
    const mentions = seq === this.seq ? 0 : this.#mentions.countAfter(seq, user);
    const head = { seq: this.seq, rev: this.rev };
    return { ack, mark: { seq, unread: this.#unreadAfter(seq), mentions, head } };
  }

  amend(
    action: Amendment,
    { actor, standing, at }: { actor: Actor; standing: Standing; at: number },
  ): Outcome {
    const { seq } = action;
    const before = this.#message(seq);
    if (!before) return { refused: "message_not_found" };
    const { role } = standing;
    const refusal = refuseAmendment(action, actor, standing, this.head.posting, at);
    if (refusal) return refusal;
    const change = amend(before, action, { actor, role, at });
    if (change === undefined) return { ack: { seq, rev: before.rev } };
    if ("refused" in change) return change;
    const message = { ...change.message, rev: ++this.rev };
    const mentioning = this.#mentions.amend(before, { kind: change.kind, message });
    this.changed.set(seq, mentioning.message);
    if (change.kind === "deleted") {
      this.#deleted.push(seq);
      const { sender } = before;
      if (sender.key !== actor.key)
        this.audit.push(auditRecord(actor, at, { action: "message_deleted", user: snapshot(sender), seq }));
    }
    return { ack: { seq, rev: message.rev }, change: mentioning };
  }

  #unreadAfter(read: number): number {
    if (read === this.seq) return 0;
    const deletedBefore = this.facts.deletedAfter(this.room, read);
    const deletedHere = this.#deleted.filter((seq) => seq > read).length;
    return unreadCount({ seq: this.seq, read, deletedAfterRead: deletedBefore + deletedHere });
  }

  #sentAs(sender: UserKey, clientId: string): SentMessage | undefined {
    const sent = this.#sent.get(`${sender} ${clientId}`) ?? this.facts.sentAs(this.room, sender, clientId);
    const changed = sent && this.changed.get(sent.seq);
    if (changed && changed.deletedAt !== null) return { ...sent, text: null, meta: undefined };
    return changed && changed.editedAt !== null ? { ...sent, text: null } : sent;
  }

  #message(seq: number): Message | undefined {
    const own = this.changed.get(seq) ?? this.created[seq - this.#firstNewSeq];
    return own ?? this.facts.message(this.room, seq);
  }
}

/** Answers a `clientId` that was used before. A different message is refused: an ack would hide that it is not stored. */
function repeatSend({ seq, rev, ...first }: SentMessage, { text, meta, replyTo }: Send): Outcome {
  const same =
    (first.text === null || first.text === text) &&
    (first.meta === undefined || first.meta === meta) &&
    first.replyTo === replyTo;
  return same ? { ack: { seq, rev } } : { refused: "client_id_used", details: { seq } };
}
