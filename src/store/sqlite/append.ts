import { amend, type Amendment } from "../../chat/decide.ts";
import type { Action, Actor, Draft, Message, Position, Role, RoomKey, UserKey } from "../../chat/model.ts";
import { mayEnter } from "../../chat/permissions.ts";
import type { Outcome } from "../../chat/store.ts";
import { type Statements, toMessages } from "./queries.ts";

/** A room within one transaction. */
interface Head extends Position {
  grown: boolean;
  /** Who was looked up, and his role; undefined when he has none. */
  roles: Map<UserKey, Role | undefined>;
  /** Read marks that have moved. */
  marks: Map<UserKey, number>;
}

/** One transaction's drafts: what is true of a room is looked up once, however many drafts are for it. */
export class Batch {
  readonly #heads = new Map<RoomKey, Head | undefined>();

  constructor(private readonly statements: Statements) {}

  append(draft: Draft): Outcome {
    const { room, actor, action } = draft;
    const head = this.#head(room);
    if (!head) return { refused: "room_deleted" };
    const role = this.#role(room, head, actor.key);
    if (!mayEnter(actor, role)) return { refused: "removed" };
    if (action.type === "send") return this.#send(head, draft, action);
    if (action.type === "read") return this.#read(head, room, actor, action.seq);
    return this.#amend(head, draft, action, role ?? null);
  }

  /** Writes the counters of the rooms that have grown, and the read marks that have moved. */
  finish(): void {
    for (const [room, head] of this.#heads) {
      if (!head) continue;
      if (head.grown) this.statements.advance.run({ room, seq: head.seq, rev: head.rev });
      for (const [user, seq] of head.marks) this.statements.setMark.run({ room, user, seq });
    }
  }

  #send(
    head: Head,
    { room, actor, at: sentAt }: Draft,
    { text, clientId, replyTo }: Extract<Action, { type: "send" }>,
  ): Outcome {
    if (clientId !== null) {
      const repeated = this.statements.repeated.get({ room, sender: actor.key, clientId });
      if (repeated) return { ack: { seq: repeated[0], rev: repeated[1] } };
    }
    if (replyTo !== null && !(replyTo >= 1 && replyTo <= head.seq)) return { refused: "no_message" };
    const seq = ++head.seq;
    const rev = ++head.rev;
    head.grown = true;
    this.statements.insert.run({ room, seq, rev, sender: actor.key, text, sentAt, replyTo, clientId });
    // Who sends has seen what was there, and need not be told that his own message is unread.
    head.marks.set(actor.key, seq);
    const message: Message = {
      seq,
      rev,
      sender: actor,
      text,
      sentAt,
      editedAt: null,
      deletedAt: null,
      replyTo,
      clientId,
      reactions: [],
    };
    return { ack: { seq, rev }, change: { kind: "created", message } };
  }

  #read(head: Head, room: RoomKey, { key }: Actor, wanted: number): Outcome {
    const before = head.marks.get(key) ?? this.statements.mark.get({ room, user: key })?.[0] ?? 0;
    const seq = Math.max(before, Math.min(wanted, head.seq));
    if (seq === before) return { ack: { seq, rev: head.rev } };
    head.marks.set(key, seq);
    return { ack: { seq, rev: head.rev }, marked: true };
  }

  #amend(head: Head, { room, actor, at }: Draft, action: Amendment, role: Role | null): Outcome {
    const { seq } = action;
    const [before] = toMessages(this.statements, this.statements.message.all({ room, seq }));
    if (!before) return { refused: "no_message" };
    const amended = amend(before, action, { actor, role, at });
    if (typeof amended === "string") return { refused: amended };
    if (!amended) return { ack: { seq, rev: before.rev } };
    const rev = ++head.rev;
    head.grown = true;
    const message = { ...amended.message, rev };
    const { text, editedAt, deletedAt } = message;
    const reactions = message.reactions.length > 0 ? JSON.stringify(message.reactions) : null;
    this.statements.amend.run({ room, seq, rev, text, editedAt, deletedAt, reactions });
    return { ack: { seq, rev }, change: { kind: amended.kind, message } };
  }

  #head(room: RoomKey): Head | undefined {
    if (!this.#heads.has(room)) {
      const row = this.statements.head.get({ room });
      const head = row && { seq: row[0], rev: row[1], grown: false, roles: new Map(), marks: new Map() };
      this.#heads.set(room, head);
    }
    return this.#heads.get(room);
  }

  #role(room: RoomKey, { roles }: Head, user: UserKey): Role | undefined {
    let role = roles.get(user);
    if (role === undefined && !roles.has(user)) {
      role = this.statements.role.get({ room, user })?.[0];
      roles.set(user, role);
    }
    return role;
  }
}
