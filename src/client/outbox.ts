import type { ChatContext } from "./chat-context.ts";
import type { Ack, RoomCommand } from "./command.ts";
import { rejected } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { OutboxStorage } from "./options.ts";
import type { CommandStore } from "./outbox-storage.ts";
import { type Item, RoomOutbox } from "./room-outbox.ts";

/** Maximum number of commands that wait, in all rooms. */
const MAX_QUEUED_COMMANDS = 1_000;

/** Characters of the command in flight. */
const sizeOf = ({ inFlight }: RoomOutbox) => JSON.stringify(inFlight?.command ?? "").length;

/** The commands of this user that wait, in all rooms. They survive a reload if there is a storage. */
export class Outbox {
  readonly #chat: ChatContext;
  readonly #rooms = new Map<string, RoomOutbox>();
  #store: CommandStore | undefined;
  #loading: Promise<unknown> | undefined;
  /** Whether what was left in the storage is queued, so that it is sent before what was added since. */
  #isRestored: boolean;

  /** `prefix` is the beginning of the keys in the storage. */
  constructor(chat: ChatContext, storage: OutboxStorage | undefined, prefix: string) {
    this.#chat = chat;
    this.#isRestored = !storage;
    // Loaded only by those who use it.
    if (storage)
      this.#loading = import("./outbox-storage.ts")
        .then(({ CommandStore }) => {
          this.#store = new CommandStore({ chat, storage, prefix });
          return this.#store.load();
        })
        // What waits is shown before there is a connection, if the rooms are known from a snapshot.
        .then(() => void (chat.connection.isOpen || this.#takeOwn()))
        .catch((error: unknown) => chat.onError(error));
  }

  /** The outbox of a room, open or not. */
  of(room: string): RoomOutbox {
    let outbox = this.#rooms.get(room);
    if (!outbox) this.#rooms.set(room, (outbox = new RoomOutbox(room, this.#chat)));
    return outbox;
  }

  get rooms(): RoomOutbox[] {
    return [...this.#rooms.values()];
  }

  /** The commands that were not answered. */
  get waiting(): Item[] {
    return this.rooms.flatMap(({ waiting }) => waiting);
  }

  /**
   * Queues a command, unless the room has ended with an error. Resolves when it is stored; rejects with a `ParleyError` when
   * it is refused or dropped.
   */
  add(command: RoomCommand, error = this.#chat.signal.reason as ParleyError | undefined): Promise<Ack> {
    if (this.waiting.length >= MAX_QUEUED_COMMANDS)
      error ??= new ParleyError("too_many_pending", "Too many pending commands.");
    // Without an event: a listener that sends again would do so without end.
    return error ? rejected(error) : this.of(command.room).add(command);
  }

  /** Whether a room's commands may be sent. */
  isReady(room: string): boolean {
    const { connection, list } = this.#chat;
    return this.#isRestored && connection.isOpen && list.isCurrent(room);
  }

  /** Writes the commands that wait, with what is known of their user. */
  save(): void {
    this.#store?.save();
  }

  /** The server has told who this user is. */
  updateSender(): void {
    for (const room of this.rooms) room.updateSender();
    this.save();
  }

  /** Sends the commands of rooms that are ready. */
  send(): void {
    for (const room of this.rooms) room.sendNext();
  }

  /** The connection has been lost. */
  pause(): void {
    for (const room of this.rooms) room.pause();
  }

  /** Fails all commands. */
  drop(error: ParleyError): void {
    for (const room of this.rooms) room.drop(error);
  }

  /** Fails the largest of the commands in flight: the server has closed the connection because of its size. */
  failLargest(error: ParleyError): void {
    this.rooms.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0]?.fail(error);
  }

  /** Queues what this user has left in the storage. */
  #takeOwn(): void {
    for (const [room, commands] of this.#store?.takeOwn() ?? []) this.of(room).restore(commands);
  }

  /** Queues what this user has left in the storage, and starts sending. Their rooms must be known. */
  async restore(): Promise<void> {
    await (this.#loading = this.#loading?.then(() => this.#store?.load()));
    this.#takeOwn();
    this.save();
    this.#isRestored = true;
    this.send();
  }
}
