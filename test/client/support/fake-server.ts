import {
  type Chat,
  type ChatEvent,
  connect,
  type ConnectOptions,
  type OpenOptions,
  type Room,
  type RoomEvent,
  type RoomSummary,
} from "../../../src/client/index.ts";
import type { Message, Sender } from "../../../src/client/messages.ts";
import type {
  HelloFrame,
  OpenedFrame,
  ServerFrame,
  SessionHelloFrame,
  UserBody,
} from "../../../src/protocol/frames.ts";
import type { Command } from "../../../src/protocol/schemas.ts";
import { defaultSettingsBody, settle } from "../../support/samples.ts";
import { TestClock } from "./clock.ts";

// The client loads it when it is needed, which may take longer than `settle` on a busy machine.
await import("../../../src/client/outbox-storage.ts");

export const me: Sender = { id: "user|me", email: "me@example.com", name: null };
export const other: Sender = { id: "user|other", email: "other@example.com", name: null };
export const createdAt = "2026-01-01T00:00:00.000Z";
/** When a second room with the same id was created. */
export const recreatedAt = "2026-06-06T00:00:00.000Z";
export const limits = { text_bytes: 16_384, frame_bytes: 65_536, rate: 10, burst: 20, open_rooms: 100 };

/** A message of `other`, unchanged since it was sent unless the arguments say so. */
export function message(seq: number, rev = seq, fields: Partial<Message> = {}): Message {
  const defaults = { sender: other, text: `text ${seq}`, sent_at: createdAt, reactions: [] };
  return { seq, rev, ...defaults, ...fields };
}

/** The summary of a room in which everything is read, unless the fields say otherwise. */
export function summary(id: string, fields: Partial<RoomSummary> = {}): RoomSummary {
  const seq = fields.seq ?? 0;
  return {
    id,
    name: id,
    role: "member",
    ...defaultSettingsBody,
    seq,
    rev: fields.rev ?? seq,
    created_at: createdAt,
    read: seq,
    unread: 0,
    mentions: 0,
    last_message: null,
    ...fields,
  };
}

export function sessionHello(
  rooms: RoomSummary[],
  fields: Partial<SessionHelloFrame> = {},
): SessionHelloFrame {
  return {
    type: "hello",
    me,
    token_expires_at: "2026-01-01T01:00:00.000Z",
    limits,
    rooms,
    more: false,
    ...fields,
  };
}

/** An `opened` frame, and the user to whom it is sent. `Harness.welcome` sends a session's `hello` before it. */
export type Opened = OpenedFrame & { me: UserBody };

export function opened(rev: number, messages: Message[], fields: Partial<Opened> = {}): Opened {
  const seq = Math.max(0, ...messages.map((each) => each.seq));
  return {
    type: "opened",
    id: "",
    room: {
      id: "lobby",
      name: "Lobby",
      role: "member",
      ...defaultSettingsBody,
      seq,
      rev,
      created_at: createdAt,
    },
    me,
    rev,
    resumed: false,
    messages,
    online: [me],
    reads: [],
    ...fields,
  };
}

/** The `opened` of a second room with the same id, as an answer to a resume. */
export function openedRecreatedRoom(rev: number, messages: Message[]): Opened {
  const frame = opened(rev, messages, { resumed: true });
  frame.room.created_at = recreatedAt;
  return frame;
}

export function created(seq: number, rev = seq, fields: Partial<Message> = {}, room = "lobby"): ServerFrame {
  return { type: "change", room, kind: "created", message: message(seq, rev, fields) };
}

/** What the server sends to a session. */
export type SentFrame = Exclude<ServerFrame, HelloFrame>;
type WithoutRoom<F> = F extends { room?: string } ? Omit<F, "room"> : never;

/** A WebSocket whose other end is the test. */
export class FakeSocket extends EventTarget {
  /** Every command that was sent. */
  readonly commands: Command[] = [];
  /** Set when the client has closed the socket. */
  closed: { code: number | undefined } | undefined;

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    super();
  }

  send(text: string): void {
    if (!this.closed) this.commands.push(JSON.parse(text) as Command);
  }

  close(code?: number): void {
    this.closed ??= { code };
  }

  /** The commands that were sent, except those that open and close rooms. */
  get sent(): Exclude<Command, { type: "open" | "close" }>[] {
    return this.commands.filter((command) => command.type !== "open" && command.type !== "close");
  }

  get opens(): Extract<Command, { type: "open" }>[] {
    return this.commands.filter((command) => command.type === "open");
  }

  get closes(): Extract<Command, { type: "close" }>[] {
    return this.commands.filter((command) => command.type === "close");
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

  /** The server sends a frame about the lobby. */
  receiveInLobby(frame: WithoutRoom<SentFrame>): void {
    this.receive(JSON.stringify({ ...frame, room: "lobby" }));
  }

  /** The server acknowledges a command, by default the last one. */
  receiveAck(seq = 1, rev = 1, command = this.lastSent): void {
    const room = "room" in command ? command.room : undefined;
    this.receive({ type: "ack", ...(room && { room }), id: command.id ?? "", seq, rev });
  }

  /** The server refuses a command, by default the last one. */
  receiveError(
    code: string,
    fields: { retry_after_ms?: number; until?: string } = {},
    { id } = this.lastSent,
  ): void {
    const frame = { type: "error", room: "lobby", id, code, message: `It is ${code}.`, ...fields };
    this.receive(JSON.stringify(frame));
  }

  /** The server answers the last `open` of a room. */
  receiveOpened(frame: Opened): void {
    const open = this.opens.findLast(({ room }) => room === frame.room.id);
    if (open) this.receive({ ...frame, id: open.id });
  }

  /** The server closes the connection; by default, the network is lost. */
  disconnect(code = 1006, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

/** A chat of the client, and everything it depends on under the test's control. */
export interface ChatHarness {
  chat: Chat;
  clock: TestClock;
  /** Every socket that the client has created. */
  sockets: FakeSocket[];
  /** The newest socket. */
  socket: FakeSocket;
  /** The options of each call of `token`. */
  tokenRequests: { refresh: boolean }[];
  /** Everything that the chat has emitted. */
  chatEvents: ChatEvent[];
  chatEventsOf: <T extends ChatEvent["type"]>(type: T) => Extract<ChatEvent, { type: T }>[];
  /** The newest socket receives a session's `hello`. */
  begin: (rooms?: RoomSummary[], fields?: Partial<SessionHelloFrame>) => Promise<void>;
}

/** Connects to a fake server. Delays are as long as they can be, unless `random` is given. */
export async function connectChat(options: Partial<ConnectOptions> = {}): Promise<ChatHarness> {
  const harness = startChat(options);
  await settle();
  return harness;
}

function startChat(options: Partial<ConnectOptions>): ChatHarness {
  const sockets: FakeSocket[] = [];
  const tokenRequests: { refresh: boolean }[] = [];
  const chatEvents: ChatEvent[] = [];
  const clock = new TestClock();
  const chat = connect({
    url: "http://chat.example.com",
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
  chat.subscribe((event) => void chatEvents.push(event));
  return {
    chat,
    clock,
    sockets,
    get socket() {
      const newest = sockets.at(-1);
      if (!newest) throw new Error("the client has not connected");
      return newest;
    },
    tokenRequests,
    chatEvents,
    chatEventsOf: (type) => chatEvents.filter((event) => event.type === type) as never,
    async begin(rooms = [], fields = {}) {
      sockets.at(-1)?.receive(sessionHello(rooms, fields));
      await settle();
    },
  };
}

/** A chat with one open room, the lobby. */
export interface Harness extends ChatHarness {
  room: Room;
  /** Everything that the room has emitted. */
  events: RoomEvent[];
  eventsOf: <T extends RoomEvent["type"]>(type: T) => Extract<RoomEvent, { type: T }>[];
  /** The newest socket receives a `hello` with the lobby as its only room, and then the lobby is opened. */
  welcome: (frame?: Opened) => Promise<void>;
}

/** Connects to a fake server, and opens the lobby. */
export async function connectToFake({
  since,
  ...options
}: Partial<ConnectOptions> & OpenOptions = {}): Promise<Harness> {
  const harness = startChat(options);
  const events: RoomEvent[] = [];
  const room = harness.chat.open("lobby", { since });
  room.subscribe((event) => void events.push(event));
  await settle();
  return Object.create(harness, {
    room: { value: room },
    events: { value: events },
    eventsOf: { value: (type: string) => events.filter((event) => event.type === type) },
    welcome: {
      async value(frame = opened(0, [])) {
        const { seq, rev } = frame.room;
        const lobby = { ...summary("lobby", { seq, rev }), ...frame.room };
        await harness.begin([lobby], { me: frame.me });
        harness.sockets.at(-1)?.receiveOpened(frame);
        await settle();
      },
    },
  }) as Harness;
}

/** The error with which a promise rejects, or the value with which it resolves. */
export function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}
