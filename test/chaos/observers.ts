import type { MessageBody, ServerFrame, SessionHelloFrame } from "../../src/protocol/frames.ts";
import { connectClassic } from "../support/client.ts";
import type { History } from "./history.ts";

/** What the server sends to a connection to one room. */
type RoomServerFrame = Exclude<ServerFrame, SessionHelloFrame>;

export interface ObserverOptions {
  name: string;
  /** Id of the observer's user. */
  user: string;
  room: string;
  /** The server's address. Observers do not use the proxy. */
  host: string;
  token: () => Promise<string>;
  /** The `rev` that the first connection resumes from; undefined starts with the last messages. */
  since?: number;
  history: History;
}

const RECONNECT_DELAY_MS = 50;

/** Reads a room in `chat.v2` without the SDK, and checks every frame against the protocol. */
export class Observer implements AsyncDisposable {
  readonly messages = new Map<number, MessageBody>();
  readonly name: string;
  readonly user: string;
  readonly roomId: string;
  /** The last `rev` received, which the next connection resumes from. */
  rev: number | undefined;
  /** The room that `messages` are from. It may be deleted and created again. */
  #createdAt: string | undefined;
  #lastSeq = 0;
  #socket: WebSocket | undefined;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly options: ObserverOptions) {
    this.name = options.name;
    this.user = options.user;
    this.roomId = options.room;
    this.rev = options.since;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { host, room, token, history } = this.options;
    while (!this.#stopped) {
      const { rev } = this;
      const url = `ws://${host}/ws/chat/${room}/${rev === undefined ? "" : `?since=${rev}`}`;
      const socket = new WebSocket(url, ["chat.v2", `bearer.${await token()}`]);
      this.#socket = socket;
      let first = true;
      socket.addEventListener("message", ({ data }) => {
        if (socket !== this.#socket) return;
        const frame = JSON.parse(String(data)) as RoomServerFrame;
        if (first !== (frame.type === "hello"))
          this.#violation(first ? `the first frame is ${frame.type}` : "a second hello");
        first = false;
        this.#receive(frame);
      });
      const closed = Promise.withResolvers<void>();
      socket.addEventListener("close", () => closed.resolve());
      socket.addEventListener("error", () => closed.resolve());
      await closed.promise;
      history.count("observer connections");
      await Bun.sleep(RECONNECT_DELAY_MS);
    }
  }

  #receive(frame: RoomServerFrame): void {
    if (frame.type === "hello") {
      const { created_at } = frame.room;
      const isOther = this.#createdAt !== undefined && created_at !== this.#createdAt;
      if (isOther) {
        this.messages.clear();
        this.#lastSeq = 0;
        // A resume is from a `rev` of the other room.
        if (frame.resumed) return this.#restart();
      } else if (frame.resumed !== (this.rev !== undefined))
        this.#violation(`resumed is ${frame.resumed} for since ${this.rev}, at rev ${frame.rev}`);
      this.#createdAt = created_at;
      if (!frame.resumed) this.rev = undefined;
      this.#receivePage(frame);
    } else if (frame.type === "changes") {
      this.#receivePage(frame);
    } else if (frame.type === "change") {
      const { kind, message } = frame;
      if (message.rev !== (this.rev ?? 0) + 1) this.#violation(`live rev ${message.rev} after ${this.rev}`);
      if (kind === "created" && message.seq !== this.#lastSeq + 1)
        this.#violation(`message ${message.seq} was created after ${this.#lastSeq}`);
      if (kind !== "created" && message.seq > this.#lastSeq)
        this.#violation(`message ${message.seq} was ${kind} before it was created`);
      this.rev = message.rev;
      this.#receiveMessage(message);
      this.options.history.count("live changes observed");
    }
  }

  /** Connects again, without a `since`. */
  #restart(): void {
    this.rev = this.#createdAt = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  #receivePage({ rev, messages }: { rev: number; messages: MessageBody[] }): void {
    if (rev < (this.rev ?? 0)) this.#violation(`rev went back from ${this.rev} to ${rev}`);
    // The last messages, which come without a resume, are sorted by `seq`; pages of a resume by `rev`.
    let previous = this.rev;
    for (const message of messages) {
      if (message.rev > rev) this.#violation(`a page of rev ${rev} has rev ${message.rev}`);
      if (previous !== undefined && message.rev <= previous)
        this.#violation(`a page has rev ${message.rev} after ${previous}`);
      if (previous !== undefined) previous = message.rev;
      this.#receiveMessage(message);
    }
    this.rev = rev;
  }

  #receiveMessage(message: MessageBody): void {
    const { name, room, history } = this.options;
    history.observe(name, { id: room, created_at: this.#createdAt ?? "" }, message);
    this.messages.set(message.seq, message);
    this.#lastSeq = Math.max(this.#lastSeq, message.seq);
  }

  #violation(what: string): void {
    const { name, room, history } = this.options;
    history.violation(`${name} in ${room}: ${what}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#socket?.close();
    await this.#running;
  }
}

/** Reads a room in `classic`, which has nothing but texts. */
export class ClassicObserver implements AsyncDisposable {
  /** What each connection received, and when it began on the history's clock. */
  readonly connections: { began: number; history: string[]; live: string[] }[] = [];
  readonly user: string;
  readonly roomId: string;
  #stopped = false;
  #close: (() => unknown) | undefined;
  readonly #running: Promise<void>;

  constructor(private readonly options: ObserverOptions) {
    this.user = options.user;
    this.roomId = options.room;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { host, room, token } = this.options;
    while (!this.#stopped) {
      try {
        const began = this.options.history.now;
        const client = await connectClassic(host, room, { token: await token() });
        this.#close = () => client.socket.close();
        if (this.#stopped) this.#close();
        const { history } = client;
        const live: string[] = [];
        this.connections.push({ began, history: history.map(({ text }) => text), live });
        for (;;) live.push((await client.next()).message ?? "");
      } catch {
        // The server is down for a moment.
      }
      await Bun.sleep(RECONNECT_DELAY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#close?.();
    await this.#running;
  }
}
