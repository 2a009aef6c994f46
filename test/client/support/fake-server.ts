import { connect, type ConnectOptions, type Room, type RoomEvent } from "../../../src/client/index.ts";
import type { Command, Hello, MessageBody, ServerFrame, UserBody } from "../../../src/protocol/frames.ts";
import { settle } from "../../support/people.ts";
import { TestClock } from "./clock.ts";

export const me: UserBody = { id: "user|me", email: "me@example.com", name: null };
export const other: UserBody = { id: "user|other", email: "other@example.com", name: null };
export const createdAt = "2026-01-01T00:00:00.000Z";

/** A message that was not changed since it was sent, unless `rev` and what follows say so. */
export function message(seq: number, rev = seq, rest: Partial<MessageBody> = {}): MessageBody {
  const sent = { sender: other, text: `text ${seq}`, sent_at: createdAt, reactions: [] };
  return { seq, rev, ...sent, ...rest };
}

export function hello(rev: number, messages: MessageBody[], rest: Partial<Hello> = {}): Hello {
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
    ...rest,
  };
}

export function created(seq: number, rev = seq, rest: Partial<MessageBody> = {}): ServerFrame {
  return { type: "change", kind: "created", message: message(seq, rev, rest) };
}

/** A socket whose other end is the test. */
export class TestSocket extends EventTarget {
  readonly sent: Command[] = [];
  /** What the client closed it with. */
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

  /** The server sends a frame; a string as it is. */
  say(frame: ServerFrame | string): void {
    const data = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /** The server acks the last command. */
  ack(seq = 1, rev = 1): void {
    this.say({ type: "ack", id: this.last.id ?? "", seq, rev });
  }

  /** The server refuses the last command. */
  refuse(code: string, rest: { retry_after_ms?: number } = {}): void {
    const refusal = { type: "error", id: this.last.id, code, message: `It is ${code}.`, ...rest };
    this.say(JSON.stringify(refusal));
  }

  /** The server has taken the connection, and said nothing yet. */
  accept(): void {
    this.dispatchEvent(new Event("open"));
  }

  /** The connection ends from outside. */
  end(code = 1006, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  get last(): Command {
    const last = this.sent.at(-1);
    if (!last) throw new Error("nothing was sent");
    return last;
  }
}

export interface World {
  room: Room;
  clock: TestClock;
  sockets: TestSocket[];
  /** The newest socket. */
  socket: TestSocket;
  /** How the token was asked for, each time. */
  asked: { refresh: boolean }[];
  /** What the room has told so far. */
  events: RoomEvent[];
  told: <T extends RoomEvent["type"]>(type: T) => Extract<RoomEvent, { type: T }>[];
  /** The newest connection opens, and says hello. */
  open: (frame?: Hello) => Promise<void>;
}

const types: RoomEvent["type"][] = [
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

/** A room of which the test is the server, the clock and, with all waits at their longest, chance. */
export async function world(options: Partial<ConnectOptions> = {}): Promise<World> {
  const sockets: TestSocket[] = [];
  const asked: { refresh: boolean }[] = [];
  const events: RoomEvent[] = [];
  const clock = new TestClock();
  const room = connect({
    url: "http://chat.example.com",
    room: "lobby",
    token: (how) => `token-${asked.push(how)}`,
    WebSocket: class extends TestSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    },
    clock,
    random: () => 1,
    ...options,
  });
  for (const type of types) room.on(type, (event) => void events.push(event));
  await settle();
  return {
    room,
    clock,
    sockets,
    get socket() {
      const newest = sockets.at(-1);
      if (!newest) throw new Error("it has not connected");
      return newest;
    },
    asked,
    events,
    told: (type) => events.filter((event) => event.type === type) as never,
    async open(frame = hello(0, [])) {
      sockets.at(-1)?.say(frame);
      await settle();
    },
  };
}
