import type {
  AckFrame,
  ErrorFrame,
  OpenedFrame,
  SessionFrame,
  SessionHelloFrame,
} from "../../src/protocol/frames.ts";
import type { Command } from "../../src/protocol/schemas.ts";
import { Client, type ConnectOptions, openSocket, refused } from "./client.ts";
import { checkFrame } from "./described.ts";
import { type ListedRoom, type OpenedRoom, SessionModel } from "./session-model.ts";

type FrameType = SessionFrame["type"];
export type SessionFrameOf<T extends FrameType> = Extract<SessionFrame, { type: T }>;
type OptionalId<T> = T extends { id?: string } ? Omit<T, "id"> & { id?: string } : never;
/** A command that is answered. Without an `id` it is given one. */
export type SessionCommand = OptionalId<Exclude<Command, { type: "typing" }>>;
/** An ack of a command about a room. */
export type RoomAck = Required<AckFrame>;

/** Frames that are shown when one of them breaks the rules. */
const FRAMES_IN_ERROR = 12;

let commands = 0;

/**
 * A client of a session that keeps its own copy of the room list and of each open room by the protocol's rules. A frame that
 * breaks them is a failure: from then on the client rejects everything.
 */
export class SessionClient extends Client<SessionFrame> {
  hello!: SessionHelloFrame;
  readonly model = new SessionModel();
  readonly #pending = new Map<string, SessionCommand>();
  #waiters: { holds: () => boolean; resolve: () => void; reject: (error: Error) => void }[] = [];

  /** A room of the list. Throws when it is not there. */
  room(id: string): ListedRoom {
    const room = this.model.rooms.get(id);
    if (!room) throw new Error(`${id} is not in the list`);
    return room;
  }

  /** A room that is open, or was. Throws when it has never been opened. */
  opened(id: string): OpenedRoom {
    const room = this.model.opened.get(id);
    if (!room) throw new Error(`${id} has not been opened`);
    return room;
  }

  /** The next frame of a type, or that matches; frames before it are kept. Rejects when the connection ends first. */
  override next<T extends FrameType>(type: T): Promise<SessionFrameOf<T>>;
  override next(matches?: (frame: SessionFrame) => boolean): Promise<SessionFrame>;
  override next(wanted?: FrameType | ((frame: SessionFrame) => boolean)): Promise<SessionFrame> {
    return super.next(typeof wanted === "string" ? (frame) => frame.type === wanted : wanted);
  }

  /** Frames that were received and not asked for, of these types only where there are any. */
  override unread(...types: FrameType[]): readonly SessionFrame[] {
    return super.unread().filter(({ type }) => types.length === 0 || types.includes(type));
  }

  /** Resolves when a condition on what the client knows holds: it is checked after every frame. */
  until(holds: () => boolean): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ holds, resolve, reject }));
  }

  /** Resolves when an open room is known up to `rev`. */
  reach(room: string, rev: number): Promise<void> {
    return this.until(() => (this.model.opened.get(room)?.cursor ?? -1) >= rev);
  }

  /** Sends a command without waiting for its answer. Returns its id. */
  issue(input: SessionCommand): string {
    const { id = `session-command-${++commands}`, ...rest } = input;
    this.#pending.set(id, input);
    if (input.type === "open" || input.type === "close") this.#countChange(input.room, 1);
    this.send({ ...rest, id });
    return id;
  }

  /** Sends a command and resolves with its answer, which for `open` is `opened`. */
  async command(input: SessionCommand): Promise<AckFrame | ErrorFrame | OpenedFrame> {
    return this.answer(this.issue(input));
  }

  /** The answer to a command. */
  async answer(id: string): Promise<AckFrame | ErrorFrame | OpenedFrame> {
    const answer = await this.next((frame) => isAnswer(frame) && frame.id === id);
    return answer as AckFrame | ErrorFrame | OpenedFrame;
  }

  /** Sends a command and resolves with its ack. Rejects when it is refused. */
  async ack(input: SessionCommand): Promise<RoomAck> {
    const answer = await this.command(input);
    if (answer.type === "ack") return answer as RoomAck;
    throw new Error(`${input.type} was refused: ${JSON.stringify(answer)}`);
  }

  /** Sends a command and resolves with its error. Rejects when it is accepted. */
  async error(input: SessionCommand): Promise<ErrorFrame> {
    const answer = await this.command(input);
    if (answer.type === "error") return answer;
    throw new Error(`${input.type} was accepted: ${JSON.stringify(answer)}`);
  }

  /** Opens a room. Rejects when that is refused. */
  async open(room: string, since?: number): Promise<OpenedFrame> {
    const answer = await this.command({ type: "open", room, ...(since !== undefined && { since }) });
    if (answer.type === "opened") return answer;
    throw new Error(`${room} was not opened: ${JSON.stringify(answer)}`);
  }

  /** Opens a room from where this client closed it. */
  resume(room: string): Promise<OpenedFrame> {
    return this.open(room, this.opened(room).cursor);
  }

  leave(room: string): Promise<RoomAck> {
    return this.ack({ type: "close", room });
  }

  say(room: string, text: string): Promise<RoomAck> {
    return this.ack({ type: "send", room, text });
  }

  /** Resolves when the server has handled everything sent before, except for opens and closes. */
  async ping(): Promise<void> {
    await this.ack({ type: "ping" });
  }

  protected override check(frame: SessionFrame): void {
    checkFrame("session", "frame", frame.type, frame);
  }

  protected override receive(frame: SessionFrame): void {
    if (this.failure) return;
    try {
      if (frame.type === "hello" && !("rooms" in frame)) throw new Error("this is the hello of a room's URL");
      if (frame.type === "hello") this.hello = frame;
      this.model.apply(frame);
      if (isAnswer(frame)) this.#settle(frame);
    } catch (error) {
      const last = this.texts.slice(-FRAMES_IN_ERROR).join("\n");
      this.fail(new Error(`${(error as Error).message}. The last frames:\n${last}`));
      return;
    }
    super.receive(frame);
    const held = this.#waiters.filter(({ holds }) => holds());
    this.#waiters = this.#waiters.filter((each) => !held.includes(each));
    for (const { resolve } of held) resolve();
  }

  protected override fail(error: Error): void {
    super.fail(error);
    for (const { reject } of this.#waiters.splice(0)) reject(this.failure ?? error);
  }

  /** Checks an answer against its command. */
  #settle(frame: AckFrame | ErrorFrame | OpenedFrame): void {
    const { id } = frame;
    // The server could not read the id of a frame.
    if (id === undefined) return;
    const command = this.#pending.get(id);
    if (!command) throw new Error(`${frame.type} answers a command that was not sent: ${id}`);
    this.#pending.delete(id);
    // What is accepted must be described.
    if (frame.type !== "error") checkFrame("session", "command", command.type, { ...command, id });
    const wanted = "room" in command ? command.room : undefined;
    const room = frame.type === "opened" ? frame.room.id : frame.room;
    // A room id that is not valid does not come back.
    const isUnread = frame.type === "error" && frame.code === "invalid_command" && room === undefined;
    if (room !== wanted && !isUnread)
      throw new Error(`the answer to ${command.type} is about ${room}, not ${wanted}`);
    if (frame.type === "opened" && frame.resumed && !("since" in command))
      throw new Error(`${room} was resumed without a since`);
    if (command.type !== "open" && command.type !== "close") return;
    this.#countChange(command.room, -1);
    if ((frame.type === "opened") !== (command.type === "open") && frame.type !== "error")
      throw new Error(`${command.type} was answered by ${frame.type}`);
    // A room that could not be opened again is not open any more; at the limit nothing changes.
    if (frame.type === "ack" || (frame.type === "error" && !isRefusedEarly(frame)))
      this.model.close(command.room);
  }

  #countChange(room: string, by: number): void {
    const { changing } = this.model;
    const count = (changing.get(room) ?? 0) + by;
    if (count === 0) changing.delete(room);
    else changing.set(room, count);
  }
}

const isAnswer = (frame: SessionFrame): frame is AckFrame | ErrorFrame | OpenedFrame =>
  frame.type === "ack" || frame.type === "error" || frame.type === "opened";

const isRefusedEarly = ({ code }: ErrorFrame) =>
  code === "forbidden" || code === "rate_limited" || code === "invalid_command";

/** Starts a session and resolves when its `hello` has come. Rejects with `Refused` over HTTP, with `Closed` after the 101. */
export async function connectSession(host: string, options: ConnectOptions = {}): Promise<SessionClient> {
  const { protocols = ["chat.v2"] } = options;
  const client = new SessionClient(openSocket(`ws://${host}/ws/`, { ...options, protocols }));
  await Promise.race([client.next("hello"), refused(client.socket)]);
  return client;
}
