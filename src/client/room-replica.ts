import type { ChangeFrame, ChangesFrame, NoticeFrame, OpenedFrame, RoomBody } from "../protocol/frames.ts";
import type { ChatContext } from "./chat-context.ts";
import { type Ack, type CommandBody, copyOf, newClientId, type RoomCommandBody } from "./command.ts";
import { deferred, rejected } from "./deferred.ts";
import { EventEmitter } from "./emitter.ts";
import { ParleyError } from "./error.ts";
import type { RoomEvent, RoomStatus } from "./events.ts";
import { type Change, History, type RoomPosition, type SavedRoom } from "./history.ts";
import { asMessages, type Message, type PendingMessage } from "./messages.ts";
import type { SendOptions } from "./options.ts";
import { MESSAGES_PAGE_SIZE, readOlder } from "./pages.ts";
import type { RoomOutbox } from "./room-outbox.ts";
import { RoomUsers } from "./room-users.ts";
import type { Room } from "./room.ts";
import { Timer } from "./timer.ts";

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
  online: Room["online"] = [];
  typingUsers: Room["typingUsers"] = [];
  reads: Room["reads"] = new Map();
  members: Room["members"] = [];
  mute: Room["mute"];
  #ready = deferred<void>();
  /** Why it has ended. */
  #error: ParleyError | undefined;
  /** As of `opened`. */
  #room: RoomBody | undefined;
  /** Whether frames of the room are received from the history's cursor on. */
  #isLevel = false;
  /** Calls of `Chat.open` without their `close`. */
  #holders = 0;
  #lastCounts = "0 0";
  #loadingOlder: Promise<Message[]> | undefined;
  readonly #chat: ChatContext;
  readonly #closeTimer: Timer;

  constructor(
    readonly id: string,
    chat: ChatContext,
    readonly outbox: RoomOutbox,
    keep: number,
    since: RoomPosition | SavedRoom | undefined,
  ) {
    this.#chat = chat;
    if (since && "room" in since) this.#room = since.room;
    this.history = new History(keep, since);
    outbox.onReceived(this.history.messages, this.history.cursor ?? 0);
    this.users = new RoomUsers(this, chat);
    this.#closeTimer = new Timer(chat);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get me(): Room["me"] {
    return this.#chat.me;
  }

  get limits(): Room["limits"] {
    return this.#chat.limits;
  }

  get info(): RoomBody | undefined {
    return this.#chat.list.get(this.id) ?? this.#room;
  }

  get name(): string | undefined {
    return this.info?.name;
  }

  get direct(): Room["direct"] {
    return this.info?.direct;
  }

  get role(): Room["role"] {
    return this.info?.role;
  }

  get access(): Room["access"] {
    return this.info?.access;
  }

  get posting(): Room["posting"] {
    return this.info?.posting;
  }

  get slowMode(): number | undefined {
    return this.info?.slow_mode;
  }

  get position(): Room["position"] {
    return this.history.position;
  }

  get unread(): number {
    return this.#chat.list.get(this.id)?.unread ?? 0;
  }

  get mentions(): number {
    return this.#chat.list.get(this.id)?.mentions ?? 0;
  }

  get messages(): readonly Message[] {
    return this.outbox.view(this.history.messages);
  }

  get complete(): boolean {
    return this.#room !== undefined && this.history.isComplete;
  }

  get pending(): readonly PendingMessage[] {
    return this.outbox.pending;
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

  send(text: string, { replyTo, clientId = newClientId(), meta }: SendOptions = {}): Promise<Ack> {
    return this.#add({ type: "send", text, client_id: clientId, reply_to: replyTo, meta: copyOf(meta) });
  }

  resend(message: PendingMessage): Promise<Ack> {
    const failed = this.outbox.discard(message);
    if (!failed) return rejected(new ParleyError("message_not_found", "This message has not failed."));
    const { text, client_id, reply_to, meta } = failed;
    return this.#add({ type: "send", text, client_id, reply_to, meta });
  }

  discard(message: PendingMessage): void {
    this.outbox.discard(message);
  }

  edit(seq: number, text: string): Promise<Ack> {
    return this.#add({ type: "edit", seq, text });
  }

  remove(seq: number): Promise<Ack> {
    return this.#add({ type: "delete", seq });
  }

  react(seq: number, emoji: string, on = true): Promise<Ack> {
    return this.#add({ type: "react", seq, emoji, on });
  }

  read(seq = this.history.last): Promise<Ack> {
    return this.#add({ type: "read", seq });
  }

  typing(): void {
    this.users.reportTyping();
  }

  older(limit = 50): Promise<Message[]> {
    return (this.#loadingOlder ??= this.history
      .loadOlder(Math.min(limit, MESSAGES_PAGE_SIZE), (before, count) =>
        readOlder(this.#chat.http, this.id, before, count),
      )
      .then((messages) => {
        if (messages.length > 0) this.events.emit({ type: "messages" });
        return messages;
      })
      .finally(() => (this.#loadingOlder = undefined)));
  }

  loadMembers(): Promise<Room["members"]> {
    return this.users.load();
  }

  seenBy(seq: number): ReturnType<Room["seenBy"]> {
    return this.users.readersOf(seq, this.history.messages);
  }

  /** Returns the command that opens the room. Frames that come before its answer belong to an earlier one, and are ignored. */
  startOpening(): CommandBody {
    this.#isLevel = false;
    this.updateStatus();
    return { type: "open", room: this.id, since: this.history.cursor };
  }

  disconnect(): void {
    this.#isLevel = false;
    this.users.stopTyping();
  }

  applyOpened(frame: OpenedFrame): void {
    if (this.#error) return;
    const isFirst = this.history.cursor === undefined;
    const outcome = this.history.applyOpened(frame);
    if (!isFirst && !Array.isArray(outcome)) this.outbox.dropNamed();
    if (outcome === "diverged") return this.#chat.opener.add(this.id);
    this.#room = frame.room;
    this.#isLevel = true;
    this.mute = frame.mute;
    this.users.restart(frame);
    // The members may have changed meanwhile.
    if (!isFirst) this.users.reloadMembers();
    this.#ready.resolve();
    this.updateStatus();
    if (outcome === "reset") {
      // Every message that was stored before is in this frame, or was lost with the room's past.
      this.outbox.onReceived(asMessages(frame.messages), isFirst ? frame.rev : Infinity);
      this.events.emit({ type: "reset" });
    } else {
      this.#onChanges(outcome, frame.messages);
    }
  }

  apply(frame: ChangeFrame | ChangesFrame): void {
    if (!this.#isLevel) return;
    if (frame.type === "changes") {
      this.#onChanges(this.history.applyChanges(frame), frame.messages);
      return;
    }
    const change = this.history.applyChange(frame);
    if (change === "gap") this.#chat.opener.add(this.id);
    else if (change) this.#onChanges([change], [frame.message], true);
  }

  applyNotice(notice: NoticeFrame): void {
    if (!this.#isLevel) return;
    if (notice.type === "room" && this.#room) this.#room = { ...this.#room, ...notice.room };
    // This user is typing on another connection.
    if (notice.type === "typing" && notice.user.id === this.me?.id) return;
    if (notice.type === "mute") this.mute = notice.mute ?? undefined;
    else this.users.apply(notice);
    this.events.emit(notice);
  }

  updateStatus(): void {
    let status: RoomStatus = this.#chat.status === "closed" ? "closed" : "connecting";
    if (this.#isLevel && this.#chat.status === "open") status = "open";
    if (this.#error) status = "closed";
    if (this.status === status) return;
    this.status = status;
    this.events.emit({ type: "status", status });
  }

  updateUnread(): void {
    const counts = `${this.unread} ${this.mentions}`;
    if (counts === this.#lastCounts) return;
    this.#lastCounts = counts;
    this.events.emit({ type: "unread" });
  }

  /** The chat begins again. */
  restart(): void {
    this.#ready = deferred();
  }

  /** Ends the room: for good, or until `restart`, since the server has closed the chat. */
  end(error: ParleyError, isFinal = true): void {
    if (this.#error) return;
    if (isFinal) {
      if (error.code === "closed") this.#chat.saved.save(this);
      else this.#chat.saved.delete(this.id);
      this.#error = error;
      this.disconnect();
      this.updateStatus();
      this.#closeTimer.clear();
      this.#chat.replicas.delete(this.id);
      if (error.code === "closed") this.#chat.opener.add(this.id);
    }
    this.#ready.reject(error);
    this.events.emit({ type: "closed", reason: error.code });
    this.events.end(isFinal);
  }

  #add(command: RoomCommandBody): Promise<Ack> {
    return this.#chat.outbox.add({ ...command, room: this.id }, this.#error);
  }

  /** Messages have been applied to the history. */
  #onChanges(changes: Change[], messages: OpenedFrame["messages"], isLive = false): void {
    this.outbox.onReceived(asMessages(messages), this.history.cursor ?? 0);
    for (const change of changes) {
      if (change.kind === "created") this.users.onMessage(change.message, isLive);
      this.events.emit(change);
    }
  }
}
