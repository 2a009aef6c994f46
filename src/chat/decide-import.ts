import type { Position, UserKey } from "./model.ts";
import type { MessagePosition } from "./transfer.ts";

/** The rules of imports that depend on what the chat has already. Pure: the store looks up the facts and writes. */

/** A message that was in the room before, with the key of one in the file. */
export interface Earlier {
  seq: number;
  sender: UserKey;
  sentAt: number;
}

/**
 * The message that an earlier import made of this one: with the same key and the same time. Its sender may be another user now,
 * because their address has changed. `key_taken`: its sender has used the key at another time, for a message of Parley's own.
 */
export function findImported(
  { sender, sentAt }: Omit<Earlier, "seq">,
  earlier: readonly Earlier[],
): Earlier | "key_taken" | undefined {
  const found = earlier.find((each) => each.sentAt === sentAt);
  return found ?? (earlier.some((each) => each.sender === sender) ? "key_taken" : undefined);
}

/** Numbers messages of another product: each follows the room's newest one. */
export class Numbering {
  seq: number;
  rev: number;

  constructor(head: Position) {
    this.seq = head.seq;
    this.rev = head.rev;
  }

  /** The position of the next message. `changed`: it was edited, deleted or reacted to, which has a `rev` of its own. */
  next(changed: boolean): MessagePosition {
    const [seq, rev] = [++this.seq, ++this.rev];
    return { seq, rev, changedRev: changed ? ++this.rev : null };
  }

  /** The `rev` of a change to a message that is here already. */
  nextRev(): number {
    return ++this.rev;
  }
}

/** What makes two messages with one number the same, and their state. */
export interface NumberedMessage extends MessagePosition {
  /** Any key that both sides share. */
  sender: number;
  sentAt: number;
  hasReactions: boolean;
}

/** `insert` a new message, `update` one to a newer state, `keep` what is here. */
export type Step = "insert" | "update" | "keep";

/**
 * Brings a room from Parley back, or continues it. Its messages come with their numbers, from 1 without gaps. If the room is
 * here already, one of the two must continue the other: the one with the lower `rev` is an earlier state of the other.
 */
export class Restoration {
  #seq = 0;
  #rev = 0;

  /** `file`: the newest position in the file. `here`: in the chat; 0 and 0 for a new room. */
  constructor(
    private readonly file: Position,
    private readonly here: Position,
  ) {}

  /** The room's newest position afterwards. */
  get head(): Position {
    return this.file.rev > this.here.rev ? this.file : this.here;
  }

  /** Decides about the next message of the file, in order of `seq`. `here` is the message with this number in the chat. */
  next(message: NumberedMessage, here: NumberedMessage | undefined): Step | { invalid: string } {
    const { seq, rev, changedRev } = message;
    if (seq !== this.#seq + 1) return this.#missing();
    if (rev <= this.#rev)
      return { invalid: `Message ${seq} has rev ${rev}, which does not follow rev ${this.#rev}.` };
    if (seq > this.file.seq || (changedRev ?? rev) > this.file.rev)
      return { invalid: `Message ${seq} is beyond the room's seq ${this.file.seq} or rev ${this.file.rev}.` };
    if (message.hasReactions && changedRev === null)
      return { invalid: `Message ${seq} has reactions, but no changed rev.` };
    this.#seq = seq;
    this.#rev = rev;
    const step = this.#compare(message, here);
    return (
      step ?? {
        invalid: `Message ${seq} differs from the one that is here: neither room continues the other.`,
      }
    );
  }

  /** To be called after the last message. */
  end(): { invalid: string } | undefined {
    if (this.#seq < this.file.seq) return this.#missing();
    const older = this.file.rev <= this.here.rev;
    if (older ? this.file.seq > this.here.seq : this.file.seq < this.here.seq)
      return { invalid: "Neither the room in the file nor the one that is here continues the other." };
    return undefined;
  }

  #missing(): { invalid: string } {
    return {
      invalid: `Message ${this.#seq + 1} is missing. The file must have all messages from the first one on.`,
    };
  }

  /** Undefined when neither state can have come from the other. */
  #compare(message: NumberedMessage, here: NumberedMessage | undefined): Step | undefined {
    if (!here) return message.rev > this.here.rev ? "insert" : undefined;
    const { sender, sentAt, rev } = here;
    if (message.sender !== sender || message.sentAt !== sentAt || message.rev !== rev) return undefined;
    const [theirs, ours] = [message.changedRev ?? rev, here.changedRev ?? rev];
    if (theirs === ours) return "keep";
    // A change that only one side has must be later than everything on the other side.
    if (theirs > ours) return theirs > this.here.rev ? "update" : undefined;
    return ours > this.file.rev ? "keep" : undefined;
  }
}
