import type { Ack, MessageBody } from "../../src/client/index.ts";

export type Kind = "send" | "edit" | "delete" | "react";

export type Outcome =
  | ({ type: "acked" } & Ack)
  | { type: "refused"; code: string }
  /** The client was closed meanwhile: it may have happened or not. */
  | { type: "unknown" };

/** Something that a client asked for, and what it was told. */
export interface Operation {
  /** Of all, in the order in which they were asked for. */
  number: number;
  room: string;
  /** The client's name, and the id of its user. */
  seat: string;
  user: string;
  kind: Kind;
  /** The message that it is about; a `send` has none before its ack. */
  seq?: number;
  text?: string;
  clientId?: string;
  replyTo?: number;
  emoji?: string;
  on?: boolean;
  outcome?: Outcome;
  /**
   * A connection was lost before its ack. It may have been sent twice, and a network that held the first one back may
   * bring it when the second was acked, and others after it.
   */
  repeated?: boolean;
}

/** A message in one form, so that two can be compared. */
export function canonical(message: MessageBody): string {
  const { seq, rev, sender, text, sent_at, edited_at, deleted_at, reply_to, client_id, reactions } = message;
  return JSON.stringify([
    seq,
    rev,
    [sender.id, sender.email, sender.name],
    text,
    sent_at,
    edited_at,
    deleted_at,
    reply_to,
    client_id,
    reactions.map(({ emoji, by }) => [emoji, by]),
  ]);
}

/** What was asked for, what was answered, and what anybody ever saw. */
export class Ledger {
  readonly operations: Operation[] = [];
  /** What went wrong, as far as somebody could tell on the spot. */
  readonly complaints: string[] = [];
  /** By room: the message as it was at each `rev` that anybody saw. */
  readonly #seen = new Map<string, Map<number, number | bigint>>();
  /** By room: connections that were lost. Each may have had one command under way. */
  readonly lost = new Map<string, number>();
  readonly counts = new Map<string, number>();

  begin(operation: Omit<Operation, "number" | "outcome">): Operation {
    const made = { number: this.operations.length, ...operation };
    this.operations.push(made);
    return made;
  }

  /** Somebody was sent this message. At one `rev` it must be the same for all. */
  saw(who: string, room: string, message: MessageBody): void {
    const seen = this.seen(room);
    const hash = Bun.hash(canonical(message));
    const before = seen.get(message.rev);
    if (before === undefined) seen.set(message.rev, hash);
    else if (before !== hash)
      this.complain(`${who} in ${room} saw another state at rev ${message.rev}: ${canonical(message)}`);
  }

  seen(room: string): Map<number, number | bigint> {
    let seen = this.#seen.get(room);
    if (!seen) this.#seen.set(room, (seen = new Map()));
    return seen;
  }

  complain(what: string): void {
    this.complaints.push(what);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  lose(room: string): void {
    this.lost.set(room, (this.lost.get(room) ?? 0) + 1);
  }
}
