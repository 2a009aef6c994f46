import { api } from "../../src/client/api.ts";
import {
  type Chat,
  connect,
  type OutboxStorage,
  type PendingMessage,
  type Room,
  type RoomPosition,
  type Token,
} from "../../src/client/index.ts";
import type { Random } from "../support/random.ts";
import { ClientMonitor } from "./client-monitor.ts";
import { execute } from "./execute.ts";
import type { FastClock } from "./fast-clock.ts";
import type { CommandStep, Generator, Reconnect, Step, View } from "./generator.ts";
import type { History, Operation } from "./history.ts";

export interface ChaosClientOptions {
  /** Each device of a user has its own. */
  name: string;
  /** Id of the client's user. */
  user: string;
  url: string;
  token: Token;
  /** Messages that the SDK keeps in each room; undefined keeps all. */
  keep?: number;
  /** Whether commands that were not acknowledged are kept when the client is closed, and sent by the next chat. */
  storesCommands: boolean;
  clock: FastClock;
  random: Random;
  history: History;
}

/** Share of the SDK's own backoff: the run is about what happens, not when. */
const BACKOFF_SCALE = 0.3;
const RETRY_DELAY_MS = 50;

const isFailed = ({ status }: PendingMessage) => status === "failed";

/** A client under test: the SDK on one device, which carries out commands, opens and closes rooms, and is closed and connected again. */
export class ChaosClient {
  readonly name: string;
  readonly user: string;
  readonly monitor: ClientMonitor;
  chat: Chat;
  /** The rooms that it has open, by id. */
  readonly rooms = new Map<string, Room>();
  /** Commands that are still to be carried out. */
  remaining = 0;
  readonly #options: ChaosClientOptions;
  /** Where each room was when it was closed. */
  readonly #positions = new Map<string, RoomPosition>();
  /** Operations whose message failed and may be sent again, by `client_id`. */
  readonly #failed = new Map<string, Operation>();
  /** What the SDK stores. */
  readonly #storage = new Map<string, string>();
  /** Requests that go beside the commands. */
  readonly #requests = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: ChaosClientOptions) {
    const { name, user, keep, history } = options;
    this.#options = options;
    this.name = name;
    this.user = user;
    this.monitor = new ClientMonitor({ name, user, keep, history });
    this.chat = this.#connect();
  }

  get keep(): number | undefined {
    return this.#options.keep;
  }

  get state(): string {
    const { name, chat, remaining } = this;
    const rooms = Array.from(this.rooms.values(), ({ id, status, position, pending }) => {
      return `${id} (${status}, rev ${position?.rev}, ${pending.length} pending)`;
    });
    return `${name} is ${chat.status} with ${remaining} remaining and ${rooms.join(", ")}`;
  }

  /** Whether it keeps commands that were not acknowledged. */
  get hasStoredCommands(): boolean {
    return this.#storage.size > 0;
  }

  /** Carries out all generated commands. Calls `done` after each one. */
  async run(generator: Generator, done: () => void): Promise<void> {
    let next = 0;
    this.remaining = generator.count;
    const worker = async () => {
      while (next < generator.count && !this.#closed) {
        const index = next++;
        const reconnect = generator.reconnectBefore(index);
        if (reconnect) this.#reconnect(reconnect);
        await this.chat.ready.catch(() => undefined);
        this.#prepare(generator.step(index, this.#view()));
        await this.#execute(generator, index);
        this.remaining--;
        done();
      }
    };
    await Promise.all(Array.from({ length: generator.concurrency }, worker));
  }

  /** Opens a room, or another time: then the chat must return the same object. */
  open(id: string, since?: RoomPosition): Room {
    const room = this.chat.open(id, { since, keep: this.keep });
    const known = this.rooms.get(id);
    if (known === room) room.close();
    else if (known) this.#options.history.violation(`${this.name} has ${id} open twice`);
    this.rooms.set(id, room);
    this.monitor.watchRoom(room, since);
    room.on("closed", () => {
      // When the server has closed the chat, `retry` opens the room again.
      if (this.rooms.get(id) !== room || this.monitor.isStopped) return;
      this.#rememberPosition(room);
      this.rooms.delete(id);
    });
    return room;
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    await Promise.all(this.#requests);
  }

  /** Loads older messages in all open rooms: all, or as many as are kept. */
  async loadAll(): Promise<void> {
    for (const room of this.rooms.values())
      while (this.#isIncomplete(room)) await room.older(100).catch(() => Bun.sleep(RETRY_DELAY_MS));
  }

  /** Whether an open room has older messages that were not loaded. */
  get isIncomplete(): boolean {
    return [...this.rooms.values()].some((room) => this.#isIncomplete(room));
  }

  /** Removes the failed messages from all open rooms. */
  discardFailed(): void {
    for (const room of this.rooms.values())
      for (const message of room.pending.filter(isFailed)) room.discard(message);
  }

  close(): void {
    this.#closed = true;
    this.chat.close();
  }

  #isIncomplete({ complete, status, messages }: Room): boolean {
    return !complete && status !== "closed" && messages.length < (this.keep ?? Infinity);
  }

  #view(): View {
    return { list: this.chat.rooms.map(({ id }) => id), open: [...this.rooms.keys()] };
  }

  #prepare({ open, resumes, close, leave, markRead }: Step): void {
    const { history } = this.#options;
    if (open !== undefined) {
      this.open(open, resumes ? this.#positions.get(open) : undefined);
      history.count("opens");
    }
    const closing = this.rooms.get(close ?? "");
    if (closing) {
      this.#rememberPosition(closing);
      this.rooms.delete(closing.id);
      closing.close();
      history.count("closes");
    }
    if (leave !== undefined) {
      this.#request("leave", api(this.chat).removeMember(leave, `sub:${this.user}`));
      history.count("leaves");
    }
    const seq = this.chat.room(markRead ?? "")?.seq;
    if (markRead !== undefined && seq !== undefined)
      this.#request("mark as read", api(this.chat).markRead(markRead, seq));
  }

  async #execute(generator: Generator, index: number): Promise<void> {
    const { user, name, monitor } = this;
    const { history } = this.#options;
    const id = generator.room(index, this.#view());
    if (id === undefined) {
      history.count("steps of a user without rooms");
      return Bun.sleep(RETRY_DELAY_MS);
    }
    const room = this.rooms.get(id) ?? this.open(id);
    // A user who was removed meanwhile finds out by the command.
    await room.ready.catch(() => undefined);
    const { command, ...beside } = generator.command(index, id, user, room.messages);
    this.#goBeside(room, beside);
    if ("seq" in command && command.kind !== "read") monitor.touch(id, command.seq);
    const operation = history.invoke({ ...command, room: id, client: name, user });
    const losses = monitor.connectionsLost;
    const outcome = await execute(room, command);
    history.settle(operation, outcome, monitor.connectionsLost - losses);
    history.count(outcome.type === "refused" ? `refused: ${outcome.code}` : outcome.type);
    if (outcome.type === "unknown" && this.#options.storesCommands) history.reopen(operation);
    if (operation.kind === "send" && outcome.type !== "acked")
      this.#failed.set(operation.clientId, operation);
    this.#handleFailed(index);
  }

  #goBeside(room: Room, { typing, loadOlder }: Omit<CommandStep, "command">): void {
    if (typing) room.typing();
    if (loadOlder > 0) this.#request("load older messages", room.older(loadOlder));
  }

  #request(what: string, request: Promise<unknown>): void {
    const { history } = this.#options;
    const settled = request
      .then(
        () => history.count(`done: ${what}`),
        () => history.count(`failed: ${what}`),
      )
      .finally(() => this.#requests.delete(settled));
    this.#requests.add(settled);
  }

  /** Sends each failed message again, or discards it. */
  #handleFailed(index: number): void {
    const { history } = this.#options;
    for (const room of this.rooms.values()) {
      for (const message of room.pending.filter(isFailed)) {
        const operation = this.#failed.get(message.client_id);
        this.#failed.delete(message.client_id);
        // A message that the server has refused would be refused again.
        if (operation?.outcome?.type === "unknown" && index % 2 === 0) {
          history.reopen(operation);
          this.#request("send again", room.resend(message));
        } else {
          room.discard(message);
        }
      }
    }
  }

  #reconnect(how: Reconnect): void {
    const open = [...this.rooms.values()];
    for (const room of open) this.#rememberPosition(room);
    this.chat.close();
    this.rooms.clear();
    this.#options.history.count(`reconnects: ${how}`);
    this.chat = this.#connect();
    for (const { id, position } of open) this.open(id, how === "resumed" ? position : undefined);
  }

  #rememberPosition({ id, position }: Room): void {
    if (position) this.#positions.set(id, position);
  }

  #connect(): Chat {
    const { url, token, clock, random, keep, storesCommands } = this.#options;
    const chat = connect({
      url,
      token,
      clock,
      random: () => random.next() * BACKOFF_SCALE,
      ...(keep !== undefined && { keep }),
      ...(storesCommands && { storage: storageOf(this.#storage) }),
    });
    this.monitor.watch(chat);
    chat.on("closed", ({ code }) => {
      // The user signs in again.
      if (code !== 1000) setTimeout(() => chat.retry(), RETRY_DELAY_MS);
    });
    return chat;
  }
}

function storageOf(map: Map<string, string>): OutboxStorage {
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => map.set(key, value),
    removeItem: (key) => map.delete(key),
  };
}
