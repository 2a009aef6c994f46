/** A user's counts in a room, as of `rev`. */
export interface Counts {
  /** `seq` of the newest message. */
  seq: number;
  rev: number;
  /** The user's read mark. */
  read: number;
  /** Messages after the mark that are not deleted. */
  unread: number;
}

/** What counting needs to know of a message. */
export interface CountedMessage {
  seq: number;
  /** The room's `rev` at the message's last change. */
  rev: number;
  isDeleted: boolean;
  /** Whether the user has sent it. Sending a message moves the sender's mark to it. */
  isOwn: boolean;
}

/** A read mark, and the unread messages as of `room_rev`, when `room_seq` was the newest message. */
export interface Mark {
  seq: number;
  unread?: number;
  room_seq?: number;
  room_rev?: number;
}

/**
 * Keeps a user's counts in a room exact. Frames may be repeated, and may overlap: what a frame says about a `rev` that has
 * been counted is ignored. It must not leave out a change between two that are counted.
 *
 * `unread` is `seq` − `read` − deleted messages after `read`. The server tells it now and then; in between, messages have
 * a `seq` without gaps, and each is deleted once at most.
 */
export class RoomCounts implements Counts {
  seq = 0;
  rev = -1;
  read = 0;
  unread = 0;
  /** `rev` of the counts that the server told last. */
  #toldRev = -1;
  /** Deletions since then, of messages after the mark. */
  #deletions: { seq: number; rev: number }[] = [];

  constructor(counts: Counts) {
    this.replace(counts);
  }

  /** Takes the server's counts, unless those here are newer. */
  replace({ seq, rev, read, unread }: Counts): void {
    if (rev < this.rev || (rev === this.rev && read < this.read)) return;
    Object.assign(this, { seq, rev, read, unread });
    this.#toldRev = rev;
    this.#deletions = [];
  }

  /** The mark has moved. */
  applyMark({ seq: read, unread, room_seq: seq, room_rev: rev }: Mark): void {
    if (read < this.read) return;
    if (unread === undefined || seq === undefined || rev === undefined || rev < this.#toldRev) {
      // How many messages between the two marks are deleted is not known. This does not happen on one server.
      if (read > this.read) this.#moveTo(read, Math.min(this.unread, this.seq - read));
    } else if (rev >= this.rev) {
      this.replace({ seq, rev, read, unread });
    } else {
      const later = this.#deletions.filter((deletion) => deletion.rev > rev && deletion.seq > read);
      this.#moveTo(read, unread + this.seq - seq - later.length);
    }
  }

  /** Counts everything up to `rev`: `messages` has each message that has changed since then, in any order. */
  applyMessages(messages: readonly CountedMessage[], rev: number): void {
    for (const message of messages) if (message.rev > this.rev) this.#count(message);
    this.rev = Math.max(this.rev, rev);
  }

  #count({ seq, rev, isDeleted, isOwn }: CountedMessage): void {
    if (seq > this.seq) {
      this.unread += seq - this.seq;
      this.seq = seq;
    }
    if (seq <= this.read) return;
    if (isDeleted) {
      this.unread--;
      this.#deletions.push({ seq, rev });
    }
    if (isOwn) {
      // It is newer than the counts that the server told, so all deletions of messages after it are known.
      const after = this.#deletions.filter((deletion) => deletion.seq > seq);
      this.#moveTo(seq, this.seq - seq - after.length);
    }
  }

  #moveTo(read: number, unread: number): void {
    this.read = read;
    this.unread = Math.max(0, unread);
    this.#deletions = this.#deletions.filter(({ seq }) => seq > read);
  }
}
