import type {
  ChangeFrame,
  ChangesFrame,
  MemberBody,
  NoticeFrame,
  OpenedFrame,
  RoomBody,
  SessionLimitsBody,
  UserBody,
} from "../protocol/frames.ts";
import { deferred } from "./deferred.ts";
import { EventEmitter } from "./emitter.ts";
import { ParleyError } from "./error.ts";
import type { RoomEvent, RoomStatus } from "./events.ts";
import { type Change, History, type RoomPosition } from "./history.ts";
import { asMessages, type Message, type PendingMessage, type Sender } from "./messages.ts";
import type { OpenOptions } from "./options.ts";
import { RoomCommands } from "./room-commands.ts";
import type { RoomContext } from "./room-context.ts";
import { RoomUsers } from "./room-users.ts";
import type { Room } from "./room.ts";
import { Timer } from "./timer.ts";

/** The largest page of messages that the HTTP API returns. */
const MAX_PAGE_SIZE = 100;
/** How long a room stays open that nobody holds, since it may be opened again at once. */
const CLOSE_DELAY_MS = 100;

/** Keeps a local copy of an open room in step with the server: applies its frames, and emits what changes. */
export class RoomReplica implements Room {
  readonly events = new EventEmitter<RoomEvent>({ type: "reset" });
  readonly on = this.events.on;
  readonly subscribe = this.events.subscribe;
  readonly [Symbol.asyncIterator] = this.events.iterate;
  readonly history: History;
  readonly users: RoomUsers;
  status: RoomStatus = "connecting";
  #ready = deferred<void>();
  /** Why it has ended. */
  #error: ParleyError | undefined;
  /** As of `opened`. */
  #room: RoomBody | undefined;
  /** Whether frames of the room are received from the history's cursor on. */
  #isLevel = false;
  /** The `open` that was sent last. */
  #opening: object | undefined;
  /** Calls of `Chat.open` without their `close`. */
  #holders = 0;
  #lastUnread = 0;
  #loadingOlder: Promise<Message[]> | undefined;
  readonly #closeTimer: Timer;
  readonly #commands: RoomCommands;

  constructor(
    readonly id: string,
    private readonly context: RoomContext,
    keep: number,
    since: OpenOptions["since"],
  ) {
    this.history = new History(keep, since);
    this.users = new RoomUsers({
      clock: context.clock,
      loadMembers: () => context.api.members(id),
      emit: (event) => this.events.emit(event),
    });
    const { history } = this;
    this.#commands = new RoomCommands({ room: id, context, history, error: () => this.#error });
    this.#closeTimer = new Timer(context.clock);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get me(): Sender | undefined {
    return this.context.me;
  }

  get limits(): SessionLimitsBody | undefined {
    return this.context.limits;
  }

  get info(): Pick<RoomBody, "name" | "role" | "created_at"> | undefined {
    return this.context.list.get(this.id) ?? this.#room;
  }

  get name(): string | undefined {
    return this.info?.name;
  }

  get role(): RoomBody["role"] | undefined {
    return this.info?.role;
  }

  get position(): RoomPosition | undefined {
    return this.history.position;
  }

  get online(): readonly UserBody[] {
    return this.users.online;
  }

  get typingUsers(): readonly UserBody[] {
    return this.users.typing;
  }

  get reads(): ReadonlyMap<string, number> {
    return this.users.reads;
  }

  get members(): readonly MemberBody[] {
    return this.users.members;
  }

  get unread(): number {
    return this.context.list.get(this.id)?.unread ?? 0;
  }

  get messages(): readonly Message[] {
    return this.context.outbox.of(this.id).view(this.history.messages);
  }

  get complete(): boolean {
    const { cursor, first } = this.history;
    return this.#room !== undefined && cursor !== undefined && first === 1;
  }

  get pending(): readonly PendingMessage[] {
    return this.context.outbox.of(this.id).pending;
  }

  hold(): void {
    this.#holders++;
    this.#closeTimer.clear();
  }

  close(): void {
    this.#holders = Math.max(0, this.#holders - 1);
    if (this.#holders > 0 || this.#error) return;
    this.#closeTimer.set(CLOSE_DELAY_MS, () => this.end(new ParleyError("closed", "The room was closed.")));
  }

  readonly send: Room["send"] = (...args) => this.#commands.send(...args);
  readonly resend: Room["resend"] = (message) => this.#commands.resend(message);
  readonly discard: Room["discard"] = (message) => void this.#commands.discard(message);
  readonly edit: Room["edit"] = (...args) => this.#commands.edit(...args);
  readonly remove: Room["remove"] = (seq) => this.#commands.remove(seq);
  readonly react: Room["react"] = (...args) => this.#commands.react(...args);
  readonly read: Room["read"] = (...args) => this.#commands.read(...args);

  typing(): void {
    if (this.status === "open") this.#commands.typing();
  }

  older(limit = 50): Promise<Message[]> {
    return (this.#loadingOlder ??= this.history
      .loadOlder(Math.min(limit, MAX_PAGE_SIZE), (before, count) =>
        this.context.api.messages(this.id, { before, limit: count }),
      )
      .then((messages) => {
        if (messages.length > 0) this.events.emit({ type: "messages" });
        return messages;
      })
      .finally(() => (this.#loadingOlder = undefined)));
  }

  loadMembers(): Promise<readonly MemberBody[]> {
    return this.users.loadMembers();
  }

  seenBy(seq: number): UserBody[] {
    const sender = this.history.messages.find((message) => message.seq === seq)?.sender.id;
    return this.users.readersOf(seq).filter(({ id }) => id !== sender);
  }

  /** An `open` is sent. Frames that come before its answer belong to an earlier one, and are ignored. */
  startOpening(): object {
    this.#isLevel = false;
    this.updateStatus();
    return (this.#opening = {});
  }

  isOpening(request: object | undefined): boolean {
    return !this.#error && this.#opening === request;
  }

  /** The connection has been lost. */
  disconnect(): void {
    this.#isLevel = false;
    this.#opening = undefined;
    this.users.stopTyping();
    this.updateStatus();
  }

  applyOpened(frame: OpenedFrame): void {
    const { id, history, context } = this;
    const isFirst = history.cursor === undefined;
    const outcome = history.applyOpened(frame);
    if (!isFirst && !Array.isArray(outcome)) context.outbox.of(id).dropNamed();
    if (outcome === "diverged") return context.openOnServer(this.id);
    this.#room = frame.room;
    this.#isLevel = true;
    this.users.restart(frame.online, frame.reads, this.me?.id ?? "");
    // The members may have changed meanwhile.
    if (!isFirst) this.users.reloadMembers();
    this.#ready.resolve();
    this.updateStatus();
    if (outcome === "reset") {
      // Every message that was stored before is in this frame, or was lost with the room's past.
      this.#received(frame.messages, isFirst ? frame.rev : Infinity);
      this.events.emit({ type: "reset" });
    } else {
      this.#received(frame.messages);
      this.#emitChanges(outcome);
    }
  }

  apply(frame: ChangeFrame | ChangesFrame): void {
    if (!this.#isLevel) return;
    if (frame.type === "changes") {
      const changes = this.history.applyChanges(frame);
      this.#received(frame.messages);
      return this.#emitChanges(changes);
    }
    const change = this.history.applyChange(frame);
    if (change === "gap") return this.context.openOnServer(this.id);
    if (!change) return;
    this.#received([frame.message]);
    this.#emitChanges([change]);
  }

  applyNotice(notice: NoticeFrame): void {
    if (!this.#isLevel) return;
    const isMe = notice.type !== "room" && notice.user.id === this.me?.id;
    if (notice.type === "room" && this.#room) this.#room = { ...this.#room, name: notice.room.name };
    // This user is typing on another connection.
    if (notice.type === "typing" && isMe) return;
    this.users.apply(notice, isMe);
    this.events.emit(notice);
  }

  updateStatus(): void {
    const { isOnline, isClosed } = this.context;
    let status: RoomStatus = this.#isLevel && isOnline ? "open" : "connecting";
    if (this.#error || isClosed) status = "closed";
    if (this.status === status) return;
    this.status = status;
    this.events.emit({ type: "status", status });
  }

  updateUnread(): void {
    const { unread } = this;
    if (unread === this.#lastUnread) return;
    this.#lastUnread = unread;
    this.events.emit({ type: "unread" });
  }

  /** The server has closed the chat, which may begin again. */
  stop(error: ParleyError): void {
    this.#ready.reject(error);
    this.events.emit({ type: "closed", reason: error.code });
    this.events.endReaders();
  }

  /** The chat begins again. */
  restart(): void {
    this.#ready = deferred();
  }

  /** Ends the room. */
  end(error: ParleyError): void {
    if (this.#error) return;
    this.#error = error;
    this.disconnect();
    this.#closeTimer.clear();
    this.#ready.reject(error);
    this.context.onEnd(this.id, error.code);
    this.events.emit({ type: "closed", reason: error.code });
    this.events.end();
  }

  /** Messages have been applied to the history. What was stored up to `storedRev` is in it. */
  #received(messages: OpenedFrame["messages"], storedRev = this.history.cursor ?? 0): void {
    this.context.outbox.of(this.id).onReceived(asMessages(messages), storedRev);
  }

  #emitChanges(changes: Change[]): void {
    for (const change of changes) {
      const { kind, message } = change;
      if (kind === "created") {
        // Who sends a message has stopped typing, and has read what is before it.
        this.users.stopTyping(message.sender.id);
        if (message.sender.id !== this.me?.id) this.users.setRead(message.sender, message.seq);
      }
      this.events.emit(change);
    }
  }
}
