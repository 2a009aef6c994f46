import type { Ack } from "../../src/client/index.ts";
import type { MessageBody } from "../../src/protocol/frames.ts";

/** What a client asks the server to do. */
export type Command =
  | { kind: "send"; clientId: string; text: string; replyTo?: number }
  | { kind: "edit"; seq: number; text: string }
  | { kind: "delete"; seq: number }
  | { kind: "react"; seq: number; emoji: string; on: boolean };

export type Outcome =
  | ({ type: "acked" } & Ack)
  | { type: "refused"; code: string }
  /** The client was closed before an answer came: the command may have taken effect or not. */
  | { type: "unknown" };

interface Invocation {
  /** Position in the history, in the order of invocation. */
  index: number;
  room: string;
  /** Name of the client. */
  client: string;
  /** Id of the client's user. */
  user: string;
  /** Missing while the operation is in flight. */
  outcome?: Outcome;
  /**
   * A connection was lost before the outcome was known, so the command may have been sent twice. A delayed first copy may
   * take effect after the second one was acked, and after later commands.
   */
  retried?: boolean;
}

/** A command with its outcome. */
export type Operation = Command & Invocation;
export type OperationOf<K extends Command["kind"]> = Extract<Operation, { kind: K }>;
export type Acked<T extends Operation> = T & { outcome: Extract<Outcome, { type: "acked" }> };

export function ofKind<K extends Command["kind"]>(
  operations: readonly Operation[],
  kind: K,
): OperationOf<K>[] {
  return operations.filter((operation): operation is OperationOf<K> => operation.kind === kind);
}

export function isAcked<T extends Operation>(operation: T): operation is Acked<T> {
  return operation.outcome?.type === "acked";
}

export function isUnknown({ outcome }: Operation): boolean {
  return outcome?.type === "unknown";
}

const MESSAGE_FIELDS = ["seq", "rev", "text", "sent_at", "edited_at", "deleted_at", "reply_to", "client_id"];
const NESTED_FIELDS = ["sender", "id", "email", "name", "reactions", "emoji", "by"];

/** A message as JSON with its keys in a fixed order, so that two states can be compared. */
export function canonical(message: MessageBody): string {
  return JSON.stringify(message, [...MESSAGE_FIELDS, ...NESTED_FIELDS]);
}

/** A hash of `canonical`. */
export function fingerprint(message: MessageBody): number | bigint {
  return Bun.hash(canonical(message));
}

/** Everything that clients asked for, were answered and were shown. */
export class History {
  readonly operations: Operation[] = [];
  /** What was found wrong, during the run and by the checker. */
  readonly violations: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #seen = new Map<string, Map<number, number | bigint>>();
  readonly #lostConnections = new Map<string, number>();

  /** Records a command that is about to be sent. The caller sets the outcome. */
  invoke(operation: Command & Omit<Invocation, "index">): Operation {
    const recorded = { ...operation, index: this.operations.length };
    this.operations.push(recorded);
    return recorded;
  }

  /** Records a message that someone was shown. Everyone must be shown the same state at the same `rev`. */
  observe(observer: string, room: string, message: MessageBody): void {
    const seen = this.seenIn(room);
    const hash = fingerprint(message);
    const known = seen.get(message.rev);
    if (known === undefined) seen.set(message.rev, hash);
    else if (known !== hash)
      this.violation(`${observer} in ${room} saw another state at rev ${message.rev}: ${canonical(message)}`);
  }

  /** Fingerprints of the room's messages by the `rev` at which anyone saw them. */
  seenIn(room: string): Map<number, number | bigint> {
    let seen = this.#seen.get(room);
    if (!seen) this.#seen.set(room, (seen = new Map()));
    return seen;
  }

  /** Records a lost connection: the answer to the command in flight may be lost with it. */
  loseConnection(room: string): void {
    this.#lostConnections.set(room, this.lostConnectionsIn(room) + 1);
  }

  lostConnectionsIn(room: string): number {
    return this.#lostConnections.get(room) ?? 0;
  }

  violation(what: string): void {
    this.violations.push(what);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }
}
