import {
  type Ack,
  type Chat,
  connect,
  ParleyError,
  type Room,
  type RoomPosition,
  type Token,
} from "../../src/client/index.ts";
import type { Random } from "../support/random.ts";
import { ClientMonitor } from "./client-monitor.ts";
import type { FastClock } from "./fast-clock.ts";
import type { Generator, Reconnect } from "./generator.ts";
import type { Command, History, Outcome } from "./history.ts";

export interface ChaosClientOptions {
  name: string;
  /** Id of the client's user. */
  user: string;
  room: string;
  url: string;
  token: Token;
  /** Messages that the SDK keeps; undefined keeps all. */
  keep?: number;
  clock: FastClock;
  random: Random;
  history: History;
}

/** Share of the SDK's own backoff: the run is about what happens, not when. */
const BACKOFF_SCALE = 0.3;

/** A client under test: the SDK with one room open, which carries out commands, and is closed and connected again now and then. */
export class ChaosClient {
  readonly name: string;
  readonly user: string;
  readonly roomId: string;
  readonly monitor: ClientMonitor;
  room: Room;
  #chat: Chat | undefined;
  /** Commands that are still to be carried out. */
  remaining = 0;
  readonly #options: ChaosClientOptions;
  #closed = false;

  constructor(options: ChaosClientOptions) {
    const { name, user, room, keep, history } = options;
    this.#options = options;
    this.name = name;
    this.user = user;
    this.roomId = room;
    this.monitor = new ClientMonitor({ name, user, room, keep, history });
    this.room = this.#connect();
  }

  get keep(): number | undefined {
    return this.#options.keep;
  }

  get state(): string {
    const { name, room } = this;
    return `${name} is ${room.status} at rev ${room.position?.rev} with ${room.pending.length} pending`;
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
        await this.room.ready.catch(() => undefined);
        await this.#step(generator, index);
        this.remaining--;
        done();
      }
    };
    await Promise.all(Array.from({ length: generator.concurrency }, worker));
  }

  /** Loads messages until the room's first one is there. */
  async loadAll(): Promise<void> {
    const { room } = this;
    while (!room.complete && room.status !== "closed") await room.older(100).catch(() => Bun.sleep(50));
  }

  close(): void {
    this.#closed = true;
    this.#chat?.close();
  }

  async #step(generator: Generator, index: number): Promise<void> {
    const { room, user, roomId, name, monitor } = this;
    const { history } = this.#options;
    const { command, markRead, typing, loadOlder } = generator.step(index, { user, messages: room.messages });
    if (markRead) void room.read();
    if (typing) room.typing();
    if (loadOlder > 0)
      room.older(loadOlder).then(
        (page) => history.count("older messages loaded", page.length),
        () => history.count("older messages failed to load"),
      );
    const operation = history.invoke({ ...command, room: roomId, client: name, user });
    const losses = monitor.connectionsLost;
    operation.outcome = await outcomeOf(execute(room, command));
    operation.retried = monitor.connectionsLost > losses;
    const { outcome } = operation;
    history.count(outcome.type === "refused" ? `refused: ${outcome.code}` : outcome.type);
  }

  #reconnect(how: Reconnect): void {
    const { position } = this.room;
    this.#chat?.close();
    this.#options.history.count(`reconnects: ${how}`);
    this.room = this.#connect(how === "resumed" ? position : undefined);
  }

  #connect(since?: RoomPosition): Room {
    const { room: id, url, token, keep, clock, random } = this.#options;
    this.#chat = connect({ url, token, clock, random: () => random.next() * BACKOFF_SCALE });
    const room = this.#chat.open(id, { since, keep });
    this.monitor.watch(this.#chat, room, since);
    return room;
  }
}

function execute(room: Room, command: Command): Promise<Ack> {
  if (command.kind === "send")
    return room.send(command.text, { clientId: command.clientId, replyTo: command.replyTo });
  if (command.kind === "edit") return room.edit(command.seq, command.text);
  if (command.kind === "react") return room.react(command.seq, command.emoji, command.on);
  return room.remove(command.seq);
}

async function outcomeOf(answer: Promise<Ack>): Promise<Outcome> {
  try {
    return { type: "acked", ...(await answer) };
  } catch (error) {
    if (!(error instanceof ParleyError)) throw error;
    return error.code === "closed" ? { type: "unknown" } : { type: "refused", code: error.code };
  }
}
