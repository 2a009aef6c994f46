import type { MessageBody, ServerFrame } from "../../src/protocol/frames.ts";
import { connectClassic } from "../support/client.ts";
import type { Ledger } from "./ledger.ts";

export interface WitnessOptions {
  name: string;
  user: string;
  room: string;
  /** The server's own, past the proxy. */
  host: string;
  token: () => Promise<string>;
  ledger: Ledger;
}

/** Milliseconds from a lost connection to the next try. */
const pause = 50;

/** Hears a room in `chat.v2` without Parley's client, and holds the server to each word of the protocol. */
export class Witness implements AsyncDisposable {
  readonly messages = new Map<number, MessageBody>();
  cursor = 0;
  readonly user: string;
  readonly roomId: string;
  #last = 0;
  #socket: WebSocket | undefined;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly options: WitnessOptions) {
    this.user = options.user;
    this.roomId = options.room;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (let known = false; !this.#stopped;) {
      const { host, room, token, ledger } = this.options;
      const since = known ? `?since=${this.cursor}` : "";
      const url = `ws://${host}/ws/chat/${room}/${since}`;
      const socket = new WebSocket(url, ["chat.v2", `bearer.${await token()}`]);
      this.#socket = socket;
      let first = true;
      socket.addEventListener("message", ({ data }) => {
        const frame = JSON.parse(String(data)) as ServerFrame;
        if (first !== (frame.type === "hello")) this.#complain(`${frame.type} as first frame: ${first}`);
        first = false;
        this.#take(frame, known);
        known = true;
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.addEventListener("close", () => resolve());
      socket.addEventListener("error", () => resolve());
      await promise;
      ledger.count("tries of a witness");
      await Bun.sleep(pause);
    }
  }

  #take(frame: ServerFrame, known: boolean): void {
    const { ledger, room } = this.options;
    if (frame.type === "hello" || frame.type === "changes") {
      if (frame.type === "hello" && frame.resumed !== known)
        this.#complain(
          `hello says resumed: ${frame.resumed} to since ${this.cursor}; its rev is ${frame.rev}`,
        );
      if (frame.rev < this.cursor)
        this.#complain(`${frame.type} leads back from ${this.cursor} to ${frame.rev}`);
      let before = known ? this.cursor : 0;
      for (const message of frame.messages) {
        if (message.rev > frame.rev) this.#complain(`${frame.type} of rev ${frame.rev} has ${message.rev}`);
        // Last messages come by `seq`, what was missed by `rev`.
        if (known && message.rev <= before) this.#complain(`rev ${message.rev} came after ${before}`);
        before = message.rev;
        this.#put(message);
      }
      this.cursor = frame.rev;
    }
    if (frame.type !== "change") return;
    const { kind, message } = frame;
    if (message.rev !== this.cursor + 1) this.#complain(`a live rev ${message.rev} after ${this.cursor}`);
    if (kind === "created" && message.seq !== this.#last + 1)
      this.#complain(`${message.seq} was created after ${this.#last}`);
    if (kind !== "created" && message.seq > this.#last)
      this.#complain(`${message.seq} was ${kind} and is not there yet`);
    this.cursor = message.rev;
    this.#put(message);
    ledger.count(`live changes heard in ${room}`);
  }

  #put(message: MessageBody): void {
    const { name, room, ledger } = this.options;
    ledger.saw(name, room, message);
    this.messages.set(message.seq, message);
    this.#last = Math.max(this.#last, message.seq);
  }

  #complain(what: string): void {
    const { name, room, ledger } = this.options;
    ledger.complain(`${name} in ${room}: ${what}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#socket?.close();
    await this.#running;
  }
}

/** Hears a room in the old dialect, which knows nothing but texts. */
export class ClassicWitness implements AsyncDisposable {
  /** What each connection was sent: the history, then what came live. */
  readonly heard: { history: string[]; live: string[] }[] = [];
  readonly user: string;
  readonly roomId: string;
  #stopped = false;
  #close: (() => unknown) | undefined;
  readonly #running: Promise<void>;

  constructor(private readonly options: WitnessOptions) {
    this.user = options.user;
    this.roomId = options.room;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { host, room, token } = this.options;
    for (; !this.#stopped; await Bun.sleep(pause)) {
      try {
        const client = await connectClassic(host, room, { token: await token() });
        this.#close = () => client.socket.close();
        if (this.#stopped) this.#close();
        const { history } = client;
        const live: string[] = [];
        this.heard.push({ history: history.map(({ text }) => text), live });
        for (;;) live.push((await client.next()).message ?? "");
      } catch {
        // The server is away for a moment.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#close?.();
    await this.#running;
  }
}
