import type { LimitsBody, MemberBody, MessageBody, UserBody } from "../protocol/frames.ts";
import type { PendingMessage, RoomEvent, RoomEventOf, Status } from "./events.ts";
import type { RoomPosition } from "./history.ts";
import type { ConnectOptions, SendOptions } from "./options.ts";
import type { Ack } from "./outbox.ts";
import { RoomSync } from "./room-sync.ts";

/** The largest page of messages that the HTTP API returns. */
const MAX_PAGE_SIZE = 100;

/**
 * A room on a server, over a connection that reconnects whenever it is lost.
 *
 * The methods that change something (`send`, `edit`, `remove`, `react`, `read`) queue a command, wait for a connection if
 * need be, and repeat the command until the server answers. Their promises resolve once the change is on disk, and reject
 * with a `ParleyError`: with the server's code if it refused, `closed` if the room was closed first, `too_many_pending`
 * if 1,000 commands are waiting, or `conflict` if the room was recreated or restored meanwhile. A rejection may be
 * ignored.
 *
 * `online`, `me`, `name`, `role` and `limits` are empty or undefined until the room is first open.
 */
export class Room implements AsyncIterable<RoomEvent> {
  readonly id: string;
  /** Resolves when the room is first open. Rejects with a `ParleyError` if it is closed before that. */
  readonly ready: Promise<void>;
  readonly #sync: RoomSync;
  #loadingOlder: Promise<MessageBody[]> | undefined;

  constructor(options: ConnectOptions) {
    this.id = options.room;
    this.#sync = new RoomSync(options);
    this.ready = this.#sync.ready.promise;
  }

  get status(): Status {
    return this.#sync.status;
  }

  /** The newest messages, oldest first, without gaps. The same array until something in it changes. */
  get messages(): readonly MessageBody[] {
    return this.#sync.history.messages;
  }

  /** Whether `messages` starts with the room's first message, so that `older` has nothing to load. */
  get complete(): boolean {
    const { hello, history } = this.#sync;
    return hello !== undefined && history.cursor !== undefined && history.first === 1;
  }

  /** Messages sent here that are not among `messages` yet. The same array until something in it changes. */
  get pending(): readonly PendingMessage[] {
    return this.#sync.sender.pending;
  }

  /** The users who are connected to the room. */
  get online(): readonly UserBody[] {
    return this.#sync.hello?.online ?? [];
  }

  /** This user. */
  get me(): UserBody | undefined {
    return this.#sync.hello?.me;
  }

  /** The room's name. */
  get name(): string | undefined {
    return this.#sync.hello?.room.name;
  }

  /** This user's role. Null for an administrator who is not a member. */
  get role(): MemberBody["role"] | null | undefined {
    return this.#sync.hello?.room.role;
  }

  /** The server's limits for texts, frames and commands. */
  get limits(): LimitsBody | undefined {
    return this.#sync.hello?.limits;
  }

  /** How far the room is known. Store it as JSON, and pass it to a later `connect` as `since`. */
  get position(): RoomPosition | undefined {
    return this.#sync.history.position;
  }

  /** Calls `listener` for each event of a type. Returns a function that removes the listener. */
  on<T extends RoomEvent["type"]>(type: T, listener: (event: RoomEventOf<T>) => void): () => void {
    return this.#sync.events.on(type, listener);
  }

  /**
   * Iterates over all events: the first iterator over those since `connect`, each other one over those from now on. Ends
   * when the room is closed. If more than 1,000 events wait for an iterator, one `reset` replaces them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomEvent, undefined> {
    return this.#sync.events.iterate();
  }

  /** Sends a message. It is in `pending` until it is among `messages`, and is stored once however often it is repeated. */
  send(text: string, options: SendOptions = {}): Promise<Ack> {
    return this.#sync.sender.sendMessage(text, options);
  }

  /** Replaces the text of one of this user's messages. */
  edit(seq: number, text: string): Promise<Ack> {
    return this.#sync.sender.outbox.add({ type: "edit", seq, text });
  }

  /** Deletes a message. Moderators and owners may also delete the messages of others. */
  remove(seq: number): Promise<Ack> {
    return this.#sync.sender.outbox.add({ type: "delete", seq });
  }

  /** Adds or removes this user's reaction to a message. */
  react(seq: number, emoji: string, on = true): Promise<Ack> {
    return this.#sync.sender.outbox.add({ type: "react", seq, emoji, on });
  }

  /** Moves this user's read mark forward. Default: to the newest message. */
  read(seq = this.#sync.history.last): Promise<Ack> {
    return this.#sync.sender.outbox.add({ type: "read", seq });
  }

  /** Tells the others that this user is typing. Call it at every key press: it sends at most every 3 seconds. */
  typing(): void {
    if (this.status === "open") this.#sync.sender.sendTyping();
  }

  /**
   * Loads up to `limit` older messages, 100 at most, and prepends them to `messages`. Resolves with them; with none if
   * there are no older messages, or if `messages` has reached `keep`. Rejects with a `ParleyError`, or with what `token`
   * threw. A call during another one gets the same result.
   */
  older(limit = 50): Promise<MessageBody[]> {
    const { history, api } = this.#sync;
    return (this.#loadingOlder ??= history
      .loadOlder(Math.min(limit, MAX_PAGE_SIZE), (before, count) =>
        api.messages(this.id, { before, limit: count }),
      )
      .finally(() => (this.#loadingOlder = undefined)));
  }

  /** Connects now if there is no connection, and otherwise checks it. For a page that returns to the foreground. */
  readonly retry = (): void => this.#sync.connection.retry();

  /** Closes the room for good. Commands that were not acknowledged reject with `closed`, and iterators end. */
  close(): void {
    this.#sync.close();
  }
}

/** Opens a room and returns it at once. Later failures are events. Throws a `TypeError` if an option is invalid. */
export function connect(options: ConnectOptions): Room {
  return new Room(options);
}
