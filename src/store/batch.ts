import type { Draft, Position, RoomKey, UserKey } from "../chat/model.ts";
import type { Outcome } from "../chat/store.ts";
import type { Statements } from "./statements.ts";

/** A room within one transaction. */
interface Head extends Position {
  grown: boolean;
  /** Who was looked up, and whether he is a member. */
  members: Map<UserKey, boolean>;
}

/** One transaction's drafts: what is true of a room is looked up once, however many messages it gets. */
export class Batch {
  readonly #heads = new Map<RoomKey, Head | undefined>();

  constructor(private readonly statements: Statements) {}

  append(draft: Draft): Outcome {
    const { room, sender, clientId, text, sentAt } = draft;
    const head = this.#head(room);
    if (!head) return { refused: "room_deleted" };
    if (!sender.admin && !this.#isMember(room, head, sender.key)) return { refused: "removed" };
    if (clientId !== null) {
      const repeated = this.statements.repeated.get({ room, sender: sender.key, clientId });
      if (repeated) return { repeated: { seq: repeated[0], rev: repeated[1] } };
    }
    const seq = ++head.seq;
    const rev = ++head.rev;
    head.grown = true;
    this.statements.insert.run({ room, seq, rev, sender: sender.key, text, sentAt, clientId });
    return {
      stored: { seq, rev, sender, text, sentAt, editedAt: null, deletedAt: null, replyTo: null, clientId },
    };
  }

  /** Writes the counters of the rooms that have grown. */
  finish(): void {
    for (const [room, head] of this.#heads) {
      if (head?.grown) this.statements.advance.run({ room, seq: head.seq, rev: head.rev });
    }
  }

  #head(room: RoomKey): Head | undefined {
    if (!this.#heads.has(room)) {
      const row = this.statements.head.get({ room });
      this.#heads.set(room, row && { seq: row[0], rev: row[1], grown: false, members: new Map() });
    }
    return this.#heads.get(room);
  }

  #isMember(room: RoomKey, { members }: Head, user: UserKey): boolean {
    let member = members.get(user);
    if (member === undefined) {
      member = this.statements.role.get({ room, user }) !== undefined;
      members.set(user, member);
    }
    return member;
  }
}
