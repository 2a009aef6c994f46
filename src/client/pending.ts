import type { MessageBody, UserBody } from "../protocol/frames.ts";

/** A message of one's own that is not among the room's yet. */
export interface PendingMessage {
  /** The `client_id` that its message will have. */
  clientId: string;
  text: string;
  /** When `send` was called, in milliseconds since the epoch. */
  sentAt: number;
  /** The `seq` of the message it answers. */
  replyTo?: number;
  /** `stored`: the server has it on disk, and its message is about to come. */
  status: "waiting" | "stored";
}

/** Messages of one's own that were sent here and are not among the room's yet, in the order in which they were sent. */
export class Pending {
  /** A new array whenever something in it changes. */
  list: readonly PendingMessage[] = [];
  /** The room's `rev` with each that is stored. */
  readonly #stored = new Map<string, number>();

  add(message: PendingMessage): void {
    this.list = [...this.list, message];
  }

  /** It is on disk, as of `rev`. Its message may have come before. */
  stored(clientId: string, rev: number): void {
    if (!this.list.some((each) => each.clientId === clientId)) return;
    this.#stored.set(clientId, rev);
    this.list = this.list.map((each) => (each.clientId === clientId ? { ...each, status: "stored" } : each));
  }

  /** It is given up. */
  failed(clientId: string): PendingMessage | undefined {
    const message = this.list.find((each) => each.clientId === clientId);
    this.#keep((each) => each !== message);
    return message;
  }

  /** Messages came; the room is known up to `cursor`. Whatever is among them, or was stored by then, is here no more. */
  arrived(me: UserBody | undefined, messages: readonly MessageBody[], cursor: number): void {
    if (this.list.length === 0) return;
    const own = new Set(
      messages.map(({ sender, client_id }) => (sender.id === me?.id ? client_id : undefined)),
    );
    this.#keep(({ clientId }) => !own.has(clientId) && !((this.#stored.get(clientId) ?? Infinity) <= cursor));
  }

  #keep(wanted: (message: PendingMessage) => boolean): void {
    const kept = this.list.filter(wanted);
    if (kept.length === this.list.length) return;
    this.list = kept;
    const ids = new Set(kept.map(({ clientId }) => clientId));
    for (const id of this.#stored.keys()) if (!ids.has(id)) this.#stored.delete(id);
  }
}
