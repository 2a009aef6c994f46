/** A user's counts in a room, as of `rev`. */
export interface Counts {
  /** `seq` of the newest message. */
  seq: number;
  rev: number;
  /** The user's read mark. */
  read: number;
  /** Messages after the mark that are not deleted. */
  unread: number;
  /** Those of them that mention the user, counted to `MAX_MENTIONS`. */
  mentions: number;
}

/** What counting needs to know of a message. */
export interface CountedMessage {
  seq: number;
  /** The room's `rev` at the message's last change. */
  rev: number;
  isDeleted: boolean;
  /** Whether the user has sent it. Sending a message moves the sender's mark to it. */
  isOwn: boolean;
  /** Whether it mentions the user, as of its `rev`, and before that. Undefined: that is not known, or it was not there. */
  isMention?: boolean;
  wasMention?: boolean | undefined;
}

/** The server counts to this number. */
const MAX_MENTIONS = 1000;

/** A read mark, and the unread messages as of `room_rev`, when `room_seq` was the newest message. */
export interface Mark {
  seq: number;
  unread?: number;
  mentions?: number;
  room_seq?: number;
  room_rev?: number;
}

/**
 * Keeps a user's counts in a room exact. Frames may be repeated, and may overlap: what a frame says about a `rev` that has
 * been counted is ignored. It must not leave out a change between two that are counted.
 *
 * `unread` is `seq` − `read` − deleted messages after `read`. The server tells it now and then; in between, messages have
 * a `seq` without gaps, and each is deleted once at most. `mentions` is different: of a message that was changed meanwhile it
 * is not always known whether it was counted.
 */
export class RoomCounts implements Counts {
  seq = 0;
  rev = -1;
  read = 0;
  unread = 0;
  mentions = 0;
  /** Whether `mentions` may be wrong, until the server tells it again. */
  isUncertain = false;
  /** `rev` of the counts that the server told last. */
  #toldRev = -1;
  /** Deletions and changes of mentions since then, of messages after the mark. */
  #changes: CountedMessage[] = [];

  constructor(counts: Counts) {
    this.replace(counts);
  }

  /** Takes the server's counts, unless those here are newer. */
  replace({ seq, rev, read, unread, mentions }: Counts): void {
    if (rev < this.rev || (rev === this.rev && read < this.read)) return;
    Object.assign(this, { seq, rev, read, unread, mentions, isUncertain: false });
    this.#toldRev = rev;
    this.#changes = [];
  }

  /** The mark has moved. */
  applyMark({ seq: read, unread, mentions = 0, room_seq: seq, room_rev: rev }: Mark): void {
    if (read < this.read) return;
    if (unread === undefined || seq === undefined || rev === undefined || rev < this.#toldRev) {
      // How many messages between the two marks are deleted is not known. This does not happen on one server.
      if (read <= this.read) return;
      this.isUncertain ||= this.mentions > 0;
      const { seq: newest, mentions: before } = this;
      const rest = Math.min(this.unread, newest - read);
      this.#moveTo({ read, unread: rest, mentions: before, seq: newest, rev: Infinity });
    } else if (rev >= this.rev) {
      this.replace({ seq, rev, read, unread, mentions });
    } else {
      this.#moveTo({ read, unread: unread + this.seq - seq, mentions, seq, rev });
    }
  }

  /** Counts everything up to `rev`: `messages` has each message that has changed since then, in any order. */
  applyMessages(messages: readonly CountedMessage[], rev: number): void {
    const before = this.seq;
    for (const message of messages) if (message.rev > this.rev) this.#count(message, before);
    this.rev = Math.max(this.rev, rev);
  }

  #count(message: CountedMessage, known: number): void {
    const { seq, isDeleted, isOwn, isMention, wasMention = true } = message;
    if (seq > this.seq) {
      this.unread += seq - this.seq;
      this.seq = seq;
    }
    if (seq <= this.read) return;
    if (isDeleted || isMention || wasMention) this.#changes.push(message);
    this.#apply(message, known);
    // It is newer than the counts that the server told, so all changes of messages after it are known.
    if (isOwn) this.#moveTo({ read: seq, unread: this.seq - seq, mentions: 0, seq, rev: -1 });
  }

  /** Adds a change to counts that include messages up to `known`, as they were before. */
  #apply({ seq, isDeleted, isMention = false, wasMention }: CountedMessage, known: number): void {
    if (isDeleted) this.unread--;
    // An older message may be among those that are counted. It is not when none is.
    if (wasMention === undefined && seq <= known && this.mentions > 0) this.isUncertain = true;
    const count = Number(isMention) - Number(wasMention ?? false);
    // How many there are beyond the number to which the server counts is not known.
    if (count < 0 && this.mentions >= MAX_MENTIONS) this.isUncertain = true;
    this.mentions = Math.min(MAX_MENTIONS, Math.max(0, this.mentions + count));
  }

  /** Moves the mark. The counts are as of `rev`, when `seq` was the newest message, but for `unread`, which is up to the present one. */
  #moveTo({ read, unread, mentions, seq, rev }: Counts): void {
    Object.assign(this, { read, unread, mentions });
    this.#changes = this.#changes.filter((change) => change.seq > read);
    for (const change of this.#changes) if (change.rev > rev) this.#apply(change, seq);
    this.unread = Math.max(0, this.unread);
    if (read === this.seq) Object.assign(this, { mentions: 0, isUncertain: false });
  }
}
