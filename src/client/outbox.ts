import type { Ack, RoomCommand } from "./command-queue.ts";
import { deferred, rejected } from "./deferred.ts";
import { ParleyError } from "./error.ts";
import type { CommandStore, CommandStoreOptions, StoredCommand } from "./outbox-storage.ts";
import { RoomOutbox, type RoomOutboxOptions } from "./room-outbox.ts";

export interface OutboxOptions
  extends
    Pick<RoomOutboxOptions, "clock" | "random" | "connection" | "me">,
    Pick<CommandStoreOptions, "prefix" | "onError" | "token"> {
  storage: CommandStoreOptions["storage"] | undefined;
  /** Whether a room's commands may be sent. */
  isReady: (room: string) => boolean;
  forRoom: (room: string) => Pick<RoomOutboxOptions, "cursor" | "createdAt" | "emit">;
}

/** Maximum number of commands that wait, in all rooms. */
const MAX_QUEUED_COMMANDS = 1_000;

/** Characters of the command in flight. */
const sizeOf = ({ queue }: RoomOutbox) => JSON.stringify(queue.inFlight?.command ?? "").length;

/** The commands of this user that wait, in all rooms. They survive a reload if there is a storage. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #rooms = new Map<string, RoomOutbox>();
  #store: CommandStore | undefined;
  #loading: Promise<void> | undefined;
  /** Whether what was left in the storage is queued, so that it is sent before what was added since. */
  #isRestored: boolean;
  #closedWith: ParleyError | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { storage } = options;
    this.#isRestored = !storage;
    // Loaded only by those who use it.
    if (storage) this.#loading = this.#loadStore(storage).catch(options.onError);
  }

  /** The outbox of a room, open or not. */
  of(room: string): RoomOutbox {
    let outbox = this.#rooms.get(room);
    if (!outbox) {
      const options = {
        ...this.#options,
        ...this.#options.forRoom(room),
        onChange: () => this.#store?.save(),
      };
      this.#rooms.set(room, (outbox = new RoomOutbox({ ...options, room })));
      if (this.#isReady(room)) outbox.queue.open();
    }
    return outbox;
  }

  /** Queues a command. Resolves when it is stored; rejects with a `ParleyError` when it is refused or dropped. */
  add(command: RoomCommand): Promise<Ack> {
    let error = this.#closedWith;
    if (this.#size >= MAX_QUEUED_COMMANDS)
      error ??= new ParleyError("too_many_pending", "Too many commands are pending.");
    if (!error) return this.of(command.room).add(command);
    // Without an event: a listener that sends again would do so without end.
    return rejected(error);
  }

  /** Writes the commands that wait, with what is known of their user. */
  save(): void {
    this.#store?.save();
  }

  /** The server has told who this user is. */
  updateSender(): void {
    for (const room of this.#rooms.values()) room.updateSender();
    this.save();
  }

  /** Starts sending the commands of rooms that are ready. */
  open(): void {
    for (const [room, { queue }] of this.#rooms) if (this.#isReady(room)) queue.open();
  }

  /** The connection has been lost. */
  pause(): void {
    for (const { queue } of this.#rooms.values()) queue.pause();
  }

  /** Fails the largest of the commands in flight: the server has closed the connection because of its size. */
  failLargest(error: ParleyError): void {
    const [largest] = Array.from(this.#rooms.values()).toSorted((a, b) => sizeOf(b) - sizeOf(a));
    largest?.queue.fail(error);
  }

  /** Queues what this user has left in the storage, and starts sending. Their rooms must be known. */
  async restore(): Promise<void> {
    await (this.#loading = this.#loading?.then(() => this.#store?.load()));
    this.#queueStored();
    this.#isRestored = true;
    this.open();
  }

  #queueStored(): void {
    const user = this.#options.me()?.id;
    if (!this.#store || this.#closedWith || user === undefined) return;
    const rooms = new Map<string, StoredCommand[]>();
    for (const stored of this.#store.take(user)) {
      const { room } = stored.command;
      rooms.set(room, [...(rooms.get(room) ?? []), stored]);
    }
    for (const [room, commands] of rooms)
      this.of(room).restore(commands.map((each) => Object.assign(each, deferred<Ack>())));
    this.#store.save();
  }

  /** Fails the commands of a room that name a message. */
  dropNamed(room: string): void {
    this.#rooms.get(room)?.dropNamed();
  }

  /** Fails the commands of a room. */
  dropRoom(room: string, error: ParleyError): void {
    this.#rooms.get(room)?.queue.drop(error);
  }

  /** Fails all commands. */
  drop(error: ParleyError): void {
    for (const { queue } of this.#rooms.values()) queue.drop(error);
  }

  /** Fails all commands, and those that are added later. What is in the storage stays there. */
  close(error: ParleyError): void {
    this.#closedWith = error;
    this.#store?.close();
    for (const { queue } of this.#rooms.values()) queue.close(error);
  }

  async #loadStore(storage: CommandStoreOptions["storage"]): Promise<void> {
    const { CommandStore } = await import("./outbox-storage.ts");
    if (this.#closedWith) return;
    this.#store = new CommandStore({ ...this.#options, storage, commands: () => this.#commands() });
    await this.#store.load();
  }

  #isReady(room: string): boolean {
    return this.#isRestored && this.#options.isReady(room);
  }

  get #size(): number {
    let size = 0;
    for (const { queue } of this.#rooms.values()) size += queue.entries.length;
    return size;
  }

  #commands(): StoredCommand[] {
    const user = this.#options.me()?.id;
    const entries = Array.from(this.#rooms.values()).flatMap(({ queue }) => queue.entries);
    return entries
      .filter(({ command }) => command.type !== "read")
      .map(({ command, at, room_created_at }) => ({ user, at, room_created_at, command }));
  }
}
