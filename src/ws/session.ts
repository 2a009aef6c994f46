import type { Logger } from "pino";

import type { Chat } from "../chat/chat.ts";
import { asChatError, ChatError, refusalError } from "../chat/errors.ts";
import type { Actor, Departure, Limits, RoomRef, RoomSummary } from "../chat/model.ts";
import type { Command } from "../protocol/schemas.ts";
import { encodeSummary, formatTime, userBody } from "../protocol/serialize.ts";
import {
  encodeJoined,
  encodeLeft,
  encodeOpened,
  encodeRoomPages,
  encodeRooms,
  encodeSessionHello,
  type RoomsPage,
} from "../protocol/session.ts";
import { limitsBody } from "../protocol/v2.ts";
import { type Connection, type ConnectionSession, OpenRoom } from "./connection.ts";
import { MAX_FRAME_BYTES, MAX_OPEN_ROOMS, MAX_OPENED_BYTES, SLOW_READER_BYTES } from "./limits.ts";
import type { RoomFeeds } from "./room-feeds.ts";
import { topics } from "./topics.ts";

type Open = Extract<Command, { type: "open" }>;

/** Bytes that may wait for the reader before a page of the room list. With the page, the reader does not count as slow. */
const MAX_BYTES_BEFORE_PAGE = 16_384;
/** Opens and closes that may wait. They wait for the reader, who may never read. */
const MAX_WAITING_OPENS = 2 * MAX_OPEN_ROOMS;
/** When a client whose opens wait should try again. */
const OPEN_RETRY_MS = 1000;

export interface SessionOptions {
  chat: Chat;
  feeds: RoomFeeds;
  limits: Limits;
  log: Logger;
}

/** A connection for all of a user's rooms: the live list of rooms, and the rooms that the client has opened. */
export class Session implements ConnectionSession {
  /** Open rooms by id. */
  readonly #open = new Map<string, OpenRoom>();
  /** Settles when all opens and closes so far have been handled. */
  #work: Promise<unknown> = Promise.resolve();
  #waitingOpens = 0;
  /** Settles when the rooms of all commands so far are known, while one of them had to be looked up. */
  #lookups: Promise<unknown> | undefined;
  readonly #hello = Promise.withResolvers<void>();
  #hasStarted = false;
  /** The list of rooms that is being sent. A newer one takes its place. */
  #pages: Iterator<RoomsPage> | undefined;
  /** Whether the last page of the list has been sent. */
  #isListed = false;
  /** Activity is withheld from a slow reader, who gets fresh summaries once it has caught up. */
  #isWithheld = false;

  constructor(
    readonly connection: Connection,
    private readonly options: SessionOptions,
  ) {}

  get user(): Actor {
    return this.connection.user;
  }

  /** Resolves when `hello` has been sent. */
  get started(): Promise<void> {
    return this.#hello.promise;
  }

  get isOpen(): boolean {
    return this.connection.isOpen;
  }

  /** Whether frames about the room list can be sent: they would be out of place before `hello`, and useless if withheld. */
  get isLive(): boolean {
    return this.#hasStarted && !this.#isWithheld;
  }

  /** The open rooms: a snapshot. */
  openRooms(): OpenRoom[] {
    return [...this.#open.values()];
  }

  isFollowing({ key, id }: RoomRef): boolean {
    const open = this.#open.get(id);
    return open?.room.key === key && open.isLive;
  }

  async start(rooms: readonly RoomSummary[]): Promise<void> {
    const { connection, options } = this;
    const parts = {
      me: userBody(connection.user),
      token_expires_at: formatTime(connection.identity.expiresAt),
      limits: { ...limitsBody(options.limits, MAX_FRAME_BYTES), open_rooms: MAX_OPEN_ROOMS },
    };
    const pages = this.#encodePages(rooms);
    const first = pages.next().value;
    if (first) connection.send(encodeSessionHello(parts, first));
    this.#isListed = first?.more === false;
    this.#hasStarted = true;
    this.#hello.resolve();
    for (const { room } of rooms) connection.subscribe(topics.activity(room.key));
    await this.#sendPages(pages);
  }

  joined(room: RoomSummary): void {
    this.#followActivity(room.room);
    this.connection.send(encodeJoined(room));
  }

  async restart(rooms: readonly RoomSummary[]): Promise<void> {
    for (const { room } of rooms) this.#followActivity(room);
    await this.#sendPages(this.#encodePages(rooms));
  }

  refreshed(room: RoomSummary): void {
    this.checkReader();
    // A slow reader gets the whole list once it has caught up.
    if (!this.isLive) return;
    this.#followActivity(room.room);
    // It does not end the list, if that is being sent.
    this.connection.send(encodeRooms({ rooms: encodeSummary(room), more: !this.#isListed }));
  }

  left({ key, id }: RoomRef, reason: Departure): void {
    const open = this.#open.get(id);
    if (open?.room.key === key) {
      open.departure = reason;
      this.#close(open);
    }
    this.connection.unsubscribe(topics.activity(key));
    this.connection.send(encodeLeft(id, reason));
  }

  /** Opens a room and answers with `opened`. Rejects with a `ChatError`. One after the other, at the reader's pace. */
  open(command: Open): Promise<void> {
    return this.#enqueue(() => this.#openNow(command));
  }

  /** Closes a room, if it is open. */
  close(roomId: string): Promise<void> {
    return this.#enqueue(async () => {
      const open = this.#open.get(roomId);
      if (open) this.#close(open);
    });
  }

  /** The room of a command. A promise if it must be looked up; commands of one connection keep their order. */
  resolve(roomId: string): RoomRef | Promise<RoomRef> {
    const open = this.#open.get(roomId);
    if (open && !this.#lookups) return open.room;
    const key = this.options.chat.sessions.keyOf(this.user.key, roomId);
    if (key !== undefined && !this.#lookups) return { key, id: roomId };
    const lookup = (this.#lookups ?? Promise.resolve()).then(async () => {
      const { room } = await this.options.chat.rooms.enter(this.user, roomId);
      return room;
    });
    const settled: Promise<void> = lookup
      .then(noop, noop)
      .finally(() => this.#lookups === settled && (this.#lookups = undefined));
    this.#lookups = settled;
    return lookup;
  }

  /** Withholds activity if too much waits for the reader. */
  checkReader(): void {
    const { connection } = this;
    if (!this.isLive || connection.bufferedBytes <= SLOW_READER_BYTES) return;
    this.#isWithheld = true;
    for (const room of this.options.chat.sessions.roomsOf(this.user.key))
      connection.unsubscribe(topics.activity(room));
  }

  /** The send buffer has drained: sends what was withheld. */
  drained(): void {
    if (this.connection.bufferedBytes > SLOW_READER_BYTES) return;
    for (const open of this.#open.values()) this.options.feeds.drained(open);
    if (!this.#isWithheld) return;
    this.#isWithheld = false;
    this.options.chat.sessions.refresh(this).catch((err: unknown) => {
      this.options.log.error({ err }, "A list of rooms could not be read; connection closed");
      this.connection.close(asChatError(err).code);
    });
  }

  /** The connection has ended. */
  end(): void {
    for (const open of this.openRooms()) this.#close(open);
    this.options.chat.sessions.close(this);
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    if (this.#waitingOpens >= MAX_WAITING_OPENS) {
      const message = "Too many opens and closes are waiting.";
      return Promise.reject(new ChatError("rate_limited", message, { retryAfterMs: OPEN_RETRY_MS }));
    }
    this.#waitingOpens++;
    const done = this.#work
      .then(() => (this.isOpen ? work() : undefined))
      .finally(() => this.#waitingOpens--);
    this.#work = done.catch(noop);
    return done;
  }

  async #openNow({ id, room: roomId, since }: Open): Promise<void> {
    const { chat, feeds } = this.options;
    const { connection } = this;
    while (connection.isOpen && connection.bufferedBytes > SLOW_READER_BYTES) await connection.drained();
    const membership = await chat.rooms.enter(this.user, roomId);
    // A room that is joined from now on would never be left.
    if (!connection.isOpen) return;
    const { key } = membership.room;
    const before = this.#open.get(roomId);
    if (!before && this.#open.size >= MAX_OPEN_ROOMS)
      throw new ChatError("forbidden", `You can have ${MAX_OPEN_ROOMS} rooms open at once.`);
    const open = new OpenRoom(connection, { key, id: roomId }, (left, reason) => this.#expel(left, reason));
    this.#open.set(roomId, open);
    // The new one joins before the old one leaves, so that the user does not go offline in between.
    const joining = chat.join(open, membership, { since, historyOptional: false });
    if (before) this.#leave(before);
    try {
      const joined = await joining;
      const marks = await chat.messages.readMarks(this.user, key);
      // The last messages do not tell of deletions before them, which may not have been told by `activity` yet.
      if (!joined.resumed) await chat.sessions.refreshRoom(this, key);
      if (open.departure) {
        const refused = open.departure === "room_deleted" ? "room_deleted" : "removed";
        throw refusalError({ refused });
      }
      if (!open.isOpen) return;
      const reads = marks.map(({ user, seq }) => ({ user: userBody(user), seq }));
      feeds.start(open, joined, {
        maxBytes: MAX_OPENED_BYTES,
        encode: (parts, messages) => encodeOpened({ id, ...parts, reads }, messages),
        onLive: () => connection.unsubscribe(topics.activity(key)),
      });
    } catch (error) {
      if (this.#open.get(roomId) === open) this.#close(open);
      throw error;
    }
  }

  #expel(open: OpenRoom, reason: Departure): void {
    if (!open.isOpen) return;
    const { sessions } = this.options.chat;
    const { key, id } = open.room;
    this.#close(open);
    // Members are told with their other sessions.
    if (sessions.has(key, this.user.key)) sessions.expelled(this.user.key, key, reason);
    else this.connection.send(encodeLeft(id, reason));
  }

  #close(open: OpenRoom): void {
    this.#open.delete(open.room.id);
    this.#leave(open);
  }

  #leave(open: OpenRoom): void {
    open.close();
    const { chat } = this.options;
    const { key } = open.room;
    chat.leave(open, key);
    // In the turn in which the changes end, so that nothing is missed.
    if (chat.sessions.has(key, this.user.key)) this.#followActivity(open.room);
  }

  /** Subscribes to a room's activity, unless the session gets its changes, which say more. */
  #followActivity(room: RoomRef): void {
    if (this.isOpen && this.isLive && !this.isFollowing(room))
      this.connection.subscribe(topics.activity(room.key));
  }

  /** While the reader is slow, its user may lose some of the rooms. */
  #encodePages(rooms: readonly RoomSummary[]): Iterator<RoomsPage> {
    const { sessions } = this.options.chat;
    return encodeRoomPages(rooms, (room) => sessions.has(room, this.user.key));
  }

  /** Sends summaries at the reader's pace. Stops when all are sent again, or will be, since they are withheld. */
  async #sendPages(pages: Iterator<RoomsPage>): Promise<void> {
    const { connection } = this;
    this.#pages = pages;
    for (;;) {
      while (connection.isOpen && connection.bufferedBytes > MAX_BYTES_BEFORE_PAGE)
        await connection.drained();
      if (!connection.isOpen || this.#isWithheld || this.#pages !== pages) return;
      // Not encoded before, so that it is as current as possible.
      const { value: page, done = false } = pages.next();
      if (done) break;
      connection.send(encodeRooms(page));
      this.#isListed ||= !page.more;
    }
    // It holds the whole list.
    this.#pages = undefined;
  }
}

const noop = () => undefined;
