import { connect, type ConnectOptions, type Room, type RoomEvent } from "../../../src/client/index.ts";
import type { HelloFrame, MessageBody, ServerFrame, UserBody } from "../../../src/protocol/frames.ts";
import type { Command } from "../../../src/protocol/schemas.ts";
import { settle } from "../../support/samples.ts";
import { TestClock } from "./clock.ts";

export const me: UserBody = { id: "user|me", email: "me@example.com", name: null };
export const other: UserBody = { id: "user|other", email: "other@example.com", name: null };
export const createdAt = "2026-01-01T00:00:00.000Z";
/** When a second room with the same id was created. */
export const recreatedAt = "2026-06-06T00:00:00.000Z";

/** A message of `other`, unchanged since it was sent unless the arguments say so. */
export function message(seq: number, rev = seq, fields: Partial<MessageBody> = {}): MessageBody {
  const defaults = { sender: other, text: `text ${seq}`, sent_at: createdAt, reactions: [] };
  return { seq, rev, ...defaults, ...fields };
}

export function hello(rev: number, messages: MessageBody[], fields: Partial<HelloFrame> = {}): HelloFrame {
  const seq = Math.max(0, ...messages.map((each) => each.seq));
  return {
    type: "hello",
    room: { id: "lobby", name: "Lobby", role: "member", seq, rev, created_at: createdAt },
    me,
    rev,
    resumed: false,
    messages,
    online: [me],
    token_expires_at: "2026-01-01T01:00:00.000Z",
    limits: { text_bytes: 16_384, frame_bytes: 65_536, rate: 10, burst: 20 },
    ...fields,
  };
}

/** The `hello` of a second room with the same id, as an answer to a resume. */
export function helloOfRecreatedRoom(rev: number, messages: MessageBody[]): HelloFrame {
  const frame = hello(rev, messages, { resumed: true });
  frame.room.created_at = recreatedAt;
  return frame;
}

export function created(seq: number, rev = seq, fields: Partial<MessageBody> = {}): ServerFrame {
  return { type: "change", kind: "created", message: message(seq, rev, fields) };
}

/** A WebSocket whose other end is the test. */
export class FakeSocket extends EventTarget {
  readonly sent: Command[] = [];
  /** Set when the client has closed the socket. */
  closed: { code: number | undefined } | undefined;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    super();
  }

  send(text: string): void {
    if (!this.closed) this.sent.push(JSON.parse(text) as Command);
  }

  close(code?: number): void {
    this.closed ??= { code };
  }

  get lastSent(): Command {
    const last = this.sent.at(-1);
    if (!last) throw new Error("nothing was sent");
    return last;
  }

  /** The texts of the commands that were sent. */
  get sentTexts(): string[] {
    return this.sent.flatMap((command) => ("text" in command ? [command.text] : []));
  }

  /** The connection is established; no frame has been sent. */
  accept(): void {
    this.dispatchEvent(new Event("open"));
  }

  /** The server sends a frame. A string is sent as it is. */
  receive(frame: ServerFrame | string): void {
    const data = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** The server acknowledges the last command. */
  receiveAck(seq = 1, rev = 1): void {
    this.receive({ type: "ack", id: this.lastSent.id ?? "", seq, rev });
  }

  /** The server refuses the last command. */
  receiveError(code: string, fields: { retry_after_ms?: number } = {}): void {
    const frame = { type: "error", id: this.lastSent.id, code, message: `It is ${code}.`, ...fields };
    this.receive(JSON.stringify(frame));
  }

  /** The server closes the connection; by default, the network is lost. */
  disconnect(code = 1006, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

/** A room of the client, and everything it depends on under the test's control. */
export interface Harness {
  room: Room;
  clock: TestClock;
  /** Every socket that the client has created. */
  sockets: FakeSocket[];
  /** The newest socket. */
  socket: FakeSocket;
  /** The options of each call of `token`. */
  tokenRequests: { refresh: boolean }[];
  /** Everything that the room has emitted. */
  events: RoomEvent[];
  eventsOf: <T extends RoomEvent["type"]>(type: T) => Extract<RoomEvent, { type: T }>[];
  /** The newest socket receives a `hello`. */
  welcome: (frame?: HelloFrame) => Promise<void>;
}

const eventTypes: RoomEvent["type"][] = [
  "change",
  "presence",
  "typing",
  "read",
  "member",
  "room",
  "reset",
  "pending",
  "status",
  "failed",
  "error",
  "closed",
];

/** Connects to a fake server. Delays are as long as they can be, unless `random` is given. */
export async function connectToFake(options: Partial<ConnectOptions> = {}): Promise<Harness> {
  const sockets: FakeSocket[] = [];
  const tokenRequests: { refresh: boolean }[] = [];
  const events: RoomEvent[] = [];
  const clock = new TestClock();
  const room = connect({
    url: "http://chat.example.com",
    room: "lobby",
    token: (request) => `token-${tokenRequests.push(request)}`,
    WebSocket: class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    },
    clock,
    random: () => 1,
    ...options,
  });
  for (const type of eventTypes) room.on(type, (event) => void events.push(event));
  await settle();
  return {
    room,
    clock,
    sockets,
    get socket() {
      const newest = sockets.at(-1);
      if (!newest) throw new Error("the client has not connected");
      return newest;
    },
    tokenRequests,
    events,
    eventsOf: (type) => events.filter((event) => event.type === type) as never,
    async welcome(frame = hello(0, [])) {
      sockets.at(-1)?.receive(frame);
      await settle();
    },
  };
}

/** The error with which a promise rejects, or the value with which it resolves. */
export function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}
