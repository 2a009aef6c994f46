import type { Ack } from "../../src/client/index.ts";
import type { MessageBody } from "../../src/protocol/frames.ts";

/** What a client asks the server to do. */
export type Command =
  | { kind: "send"; clientId: string; text: string; replyTo?: number; meta?: { of: string } }
  | { kind: "edit"; seq: number; text: string }
  | { kind: "delete"; seq: number }
  | { kind: "react"; seq: number; emoji: string; on: boolean }
  | { kind: "read"; seq: number };

export type Outcome =
  | ({ type: "acked" } & Ack)
  | { type: "refused"; code: string }
  /** The client gave up before an answer came: the command may have taken effect or not. */
  | { type: "unknown" };

interface Invocation {
  /** Position in the history, in the order of invocation. */
  index: number;
  /** Id of the room. */
  room: string;
  /** Name of the client. */
  client: string;
  /** Id of the client's user. */
  user: string;
  /** When it was invoked, and when its outcome was known, on the history's clock. */
  began: number;
  ended: number;
  /** Missing while the operation is in flight. */
  outcome?: Outcome;
  /**
   * Connections lost before the outcome was known. The command may have been sent again after each, and a delayed copy may
   * take effect after the last one was acked, and after later commands.
   */
  losses: number;
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

const MESSAGE_FIELDS = [
  "seq",
  "rev",
  "text",
  "sent_at",
  "edited_at",
  "deleted_at",
  "reply_to",
  "client_id",
  "meta",
];
const NESTED_FIELDS = ["sender", "id", "email", "name", "of", "reactions", "emoji", "by"];

/** A message as JSON with its keys in a fixed order, so that two states can be compared. */
export function canonical(message: MessageBody): string {
  return JSON.stringify(message, [...MESSAGE_FIELDS, ...NESTED_FIELDS]);
}

/** A hash of `canonical`. */
export function fingerprint(message: MessageBody): number | bigint {
  return Bun.hash(canonical(message));
}

/** A room that is deleted and created again is another one with the same id. */
export interface RoomIdentity {
  id: string;
  created_at: string;
}

const keyOf = ({ id, created_at }: RoomIdentity) => `${id} ${created_at}`;

/** What a list of rooms said about a room. */
export interface Counted {
  seq: number;
  rev: number;
  read: number;
  unread: number;
}

/** Everything that clients asked for, were answered and were shown. */
export class History {
  readonly operations: Operation[] = [];
  /** What was found wrong, during the run and by the checker. */
  readonly violations: string[] = [];
  readonly counts = new Map<string, number>();
  #now = 0;
  readonly #seen = new Map<string, Map<number, number | bigint>>();
  readonly #counted = new Map<string, Map<string, Counted & { client: string }>>();
  /** When a room was last deleted. */
  readonly #recreations = new Map<string, { began: number; ended: number }>();

  /** The time on a clock that counts events. */
  get now(): number {
    return this.#now;
  }

  /** Records a command that is about to be sent. */
  invoke(operation: Command & Pick<Invocation, "room" | "client" | "user">): Operation {
    const invocation = { index: this.operations.length, began: ++this.#now, ended: Infinity, losses: 0 };
    const recorded = { ...operation, ...invocation };
    this.operations.push(recorded);
    return recorded;
  }

  /** Records the outcome of an operation. */
  settle(operation: Operation, outcome: Outcome, losses: number): void {
    operation.outcome = outcome;
    operation.losses = losses;
    operation.ended = ++this.#now;
  }

  /** The message of a failed operation is sent again: it may be stored from now on. */
  reopen(operation: Operation): void {
    operation.outcome = { type: "unknown" };
    operation.ended = Infinity;
  }

  /** Records that a room is deleted. Call the function that it returns when it has been. */
  deleteRoom(room: string): () => void {
    const recreation = { began: ++this.#now, ended: Infinity };
    this.#recreations.set(room, recreation);
    return () => (recreation.ended = ++this.#now);
  }

  /** When the room was last deleted, or 0. */
  recreatedAt(room: string): number {
    return this.#recreations.get(room)?.ended ?? 0;
  }

  /**
   * The operations on the present room with this id. Those in flight while an earlier one was deleted count as unknown: they
   * may have been about that one.
   */
  operationsOn(room: string): Operation[] {
    const here = this.operations.filter((operation) => operation.room === room);
    const recreation = this.#recreations.get(room);
    if (!recreation) return here;
    return here
      .filter(({ ended }) => ended > recreation.began)
      .map((each) => (each.began > recreation.ended ? each : asUnknown(each)));
  }

  /** Records a message that someone was shown. Everyone must be shown the same state at the same `rev`. */
  observe(observer: string, room: RoomIdentity, message: MessageBody): void {
    const seen = this.seenIn(room);
    const hash = fingerprint(message);
    const known = seen.get(message.rev);
    if (known === undefined) seen.set(message.rev, hash);
    else if (known !== hash)
      this.violation(
        `${observer} in ${room.id} saw another state at rev ${message.rev}: ${canonical(message)}`,
      );
  }

  /** Fingerprints of the room's messages by the `rev` at which anyone saw them. */
  seenIn(room: RoomIdentity): Map<number, number | bigint> {
    return getOrCreate(this.#seen, keyOf(room), () => new Map());
  }

  /** Records what a client's list said about a room. */
  observeCounts(client: string, room: RoomIdentity, counted: Counted): void {
    const { seq, rev, read, unread } = counted;
    const key = `${rev} ${seq} ${read} ${unread}`;
    getOrCreate(this.countedIn(room), key, () => ({ ...counted, client }));
  }

  /** What lists said about a room, each state once. */
  countedIn(room: RoomIdentity): Map<string, Counted & { client: string }> {
    return getOrCreate(this.#counted, keyOf(room), () => new Map());
  }

  violation(what: string): void {
    this.violations.push(what);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }
}

function asUnknown(operation: Operation): Operation {
  return { ...operation, outcome: { type: "unknown" }, losses: 1 };
}

function getOrCreate<V>(map: Map<string, V>, key: string, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}
