import type {
  ActivityFrame,
  MentionsBody,
  MessageBody,
  MuteBody,
  OpenedFrame,
  ReadBody,
  RoomSummaryBody,
  SessionFrame,
  UserBody,
} from "../../src/protocol/frames.ts";

/** A room in the list of a session. */
export interface ListedRoom extends RoomSummaryBody {
  /** The `rev` as of which `last_message` is known. */
  lastRev: number;
  /** Whether `mentions` may be wrong: the client asks for it. */
  isUncertain: boolean;
}

/** A room that is open in a session, or was. */
export interface OpenedRoom {
  createdAt: string;
  isOpen: boolean;
  /** Whether a live change has come: from then on there is no activity. */
  isLive: boolean;
  /** It was resumed from a `since` of a deleted room of the same id. A client opens it again. */
  isForeign: boolean;
  /** Known messages by `seq`. */
  messages: Map<number, MessageBody>;
  /** The `rev` up to which the messages are known. */
  cursor: number;
  /** Emails of the users who are online. */
  online: Set<string | null>;
  /** Read marks by email. */
  reads: Map<string | null, number>;
  mute: MuteBody | undefined;
}

/** UTF-16 units of the text of a last message. */
const MAX_SUMMARY_TEXT_LENGTH = 200;

/**
 * What a client knows after the frames of a session, by the protocol's rules alone. `apply` throws when a frame breaks them: a
 * gap between changes, activity of an open room, or a frame about a room that the client does not have.
 */
export class SessionModel {
  me: UserBody = { id: null, email: null, name: null };
  /** The list of rooms, by id. */
  readonly rooms = new Map<string, ListedRoom>();
  /** Rooms that have been opened, by id. They are kept when they are closed, so that they can be resumed. */
  readonly opened = new Map<string, OpenedRoom>();
  /** Rooms that the client has asked to close, or to open again: frames about them may be of before or after that. */
  readonly changing = new Map<string, number>();
  #hasHello = false;
  #listIsComplete = false;
  /** Rooms that the user lost before they were listed, and when each was created, if that is known. */
  readonly #lostUnlisted = new Set<string>();

  /** Ids of the rooms, most recent activity first. */
  get order(): string[] {
    return [...this.rooms.values()]
      .toSorted((a, b) => activityAt(b) - activityAt(a) || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }

  /** Whether the first list of rooms has come completely. */
  get isListed(): boolean {
    return this.#listIsComplete;
  }

  isOpen(room: string): boolean {
    return this.opened.get(room)?.isOpen ?? false;
  }

  /** The room is not open any more. Its messages are kept. */
  close(room: string): void {
    const open = this.opened.get(room);
    if (open) open.isOpen = false;
  }

  apply(frame: SessionFrame): void {
    if (frame.type !== "hello" && !this.#hasHello) throw new Error(`${frame.type} came before hello`);
    switch (frame.type) {
      case "hello":
        if (this.#hasHello) throw new Error("hello came twice");
        this.#hasHello = true;
        this.me = frame.me;
        this.#list(frame);
        break;
      case "rooms":
        this.#list(frame);
        break;
      case "joined":
        this.#lostUnlisted.delete(frame.room.id);
        this.rooms.set(frame.room.id, listed(frame.room));
        break;
      case "left":
        this.#left(frame.room);
        if (frame.reason === "room_deleted") this.opened.delete(frame.room);
        break;
      case "opened":
        this.#opened(frame);
        break;
      case "activity":
        this.#activity(frame);
        break;
      case "change":
      case "changes":
        this.#changes(frame);
        break;
      case "presence":
        this.#requireOpen(frame.room).online[frame.online ? "add" : "delete"](frame.user.email);
        break;
      case "mute":
        this.#requireOpen(frame.room).mute = frame.mute ?? undefined;
        break;
      case "typing":
        this.#requireOpen(frame.room);
        break;
      case "read":
        this.#read(frame);
        break;
      case "member":
        this.#member(frame);
        break;
      case "room":
        this.#rename(frame.room);
        break;
      case "ack":
      case "error":
      case "token.expiring":
      case "restarting":
        break;
    }
  }

  #list({ rooms, more }: { rooms: readonly RoomSummaryBody[]; more: boolean }): void {
    for (const room of rooms) {
      if (this.#lostUnlisted.has(room.id))
        throw new Error(`${room.id} was listed after the user had lost it`);
      const known = this.rooms.get(room.id);
      if (known && known.created_at === room.created_at && known.rev > room.rev)
        Object.assign(known, { name: room.name, role: room.role });
      else this.rooms.set(room.id, listed(room));
    }
    if (!more) this.#listIsComplete = true;
  }

  #left(id: string): void {
    // Another session of the user may have known a room that was never listed here.
    if (!this.rooms.delete(id) && !this.#listIsComplete) this.#lostUnlisted.add(id);
    this.close(id);
  }

  #opened({
    room: { id, name, role, seq, created_at },
    rev,
    resumed,
    messages,
    online,
    ...rest
  }: OpenedFrame) {
    const before = this.opened.get(id);
    const isSame = before?.createdAt === created_at;
    const kept = resumed && isSame ? before.messages : undefined;
    const open: OpenedRoom = {
      createdAt: created_at,
      isOpen: true,
      isLive: false,
      isForeign: resumed && !isSame,
      messages: kept ?? new Map(),
      cursor: rev,
      online: new Set(online.map(({ email }) => email)),
      reads: new Map(rest.reads.map((each: ReadBody) => [each.user.email, each.seq])),
      mute: rest.mute,
    };
    for (const message of messages) open.messages.set(message.seq, message);
    this.opened.set(id, open);
    const room = this.rooms.get(id);
    if (!room) return;
    Object.assign(room, { name, role });
    this.#countMessages(room, messages, rev);
    // The last messages show the newest one. After a resume `seq` may be ahead of them.
    if (!resumed && rev >= room.rev && seq > room.seq) raise(room, seq);
    this.#showLast(room, open);
  }

  #activity(frame: ActivityFrame): void {
    const { room: id, seq, rev, last_message, deleted = [], deleted_revs = [] } = frame;
    const isLive = this.isOpen(id) && this.opened.get(id)?.isLive;
    if (isLive && !this.changing.has(id)) throw new Error(`activity came for ${id}, which is open`);
    if (deleted.length !== deleted_revs.length) throw new Error("deleted and deleted_revs differ in length");
    const room = this.rooms.get(id);
    if (!room) {
      if (this.#listIsComplete) throw new Error(`activity came for ${id}, which the user is not in`);
      return;
    }
    if (rev > room.rev) {
      if (seq > room.seq) raise(room, seq);
      for (const [index, each] of deleted.entries())
        if ((deleted_revs[index] ?? 0) > room.rev && each > room.read) lower(room);
      if (frame.recount) room.isUncertain = true;
      for (const { seq: each, rev: changed, now, before } of frame.mentions ?? [])
        if (changed > room.rev && each > room.read)
          room.mentions += Number(this.#isMe(now)) - Number(this.#isMe(before));
      room.rev = rev;
    }
    if (rev >= room.lastRev) Object.assign(room, { last_message, lastRev: rev });
  }

  #changes(frame: Extract<SessionFrame, { type: "change" | "changes" }>): void {
    const { room: id } = frame;
    const open = this.#requireOpen(id);
    const [messages, rev] =
      frame.type === "change" ? [[frame.message], frame.message.rev] : [frame.messages, frame.rev];
    if (frame.type === "change" && rev !== open.cursor + 1)
      throw new Error(`change ${rev} of ${id} came when the cursor was ${open.cursor}`);
    if (rev < open.cursor)
      throw new Error(`changes up to ${rev} of ${id} came when the cursor was ${open.cursor}`);
    for (const message of messages) {
      if (message.rev <= open.cursor || message.rev > rev)
        throw new Error(`${message.rev} of ${id} came in changes from ${open.cursor} to ${rev}`);
      open.messages.set(message.seq, message);
      // Senders have seen the room up to their own message.
      const { email } = message.sender;
      open.reads.set(email, Math.max(open.reads.get(email) ?? 0, message.seq));
    }
    open.cursor = rev;
    if (frame.type === "change") open.isLive = true;
    const room = this.rooms.get(id);
    if (!room) return;
    const isNew = rev > room.rev;
    this.#countMessages(room, messages, rev, frame);
    const own = frame.type === "change" && frame.kind === "created" && frame.message.sender.id === this.me.id;
    if (own && isNew)
      Object.assign(room, { read: frame.message.seq, unread: room.seq - frame.message.seq, mentions: 0 });
    this.#showLast(room, open);
  }

  /** The newest message of an open room that is not deleted, if the client knows the room as far as the list. */
  #showLast(room: ListedRoom, { messages, cursor, isForeign }: OpenedRoom): void {
    if (cursor < room.lastRev || isForeign) return;
    const newest = [...messages.values()]
      .filter(({ deleted_at }) => deleted_at === undefined)
      .reduce<MessageBody | undefined>((a, b) => (a && a.seq > b.seq ? a : b), undefined);
    // Another client would now read older messages over HTTP.
    if (!newest && messages.size < room.seq) return;
    room.last_message = newest ? { ...newest, text: shortened(newest.text) } : null;
    room.lastRev = cursor;
  }

  #read(frame: Extract<SessionFrame, { type: "read" }>): void {
    const { room: id, user, seq, unread, mentions, room_seq, room_rev } = frame;
    if (user.id !== this.me.id) {
      this.#requireOpen(id).reads.set(user.email, seq);
      return;
    }
    if (this.isOpen(id)) this.opened.get(id)?.reads.set(user.email, seq);
    const room = this.rooms.get(id);
    if (!room) return;
    if (unread === undefined || mentions === undefined || room_seq === undefined || room_rev === undefined)
      throw new Error("a read mark of the user's own came without counts");
    const counts = { seq: room_seq, rev: room_rev, read: seq, unread, mentions, isUncertain: false };
    if (room_rev >= room.rev) Object.assign(room, counts);
    else if (seq > room.read)
      throw new Error(`a read mark as of ${room_rev} came when ${room.rev} was known`);
  }

  /** Counts messages that changed after what the list knows, up to `rev`. Only a live change tells whom they mentioned before. */
  #countMessages(
    room: ListedRoom,
    messages: readonly MessageBody[],
    rev: number,
    frame?: Extract<SessionFrame, { type: "change" | "changes" }>,
  ): void {
    const newest = room.seq;
    for (const { seq, rev: changed, edited_at, deleted_at, mentions } of messages) {
      if (changed <= room.rev) continue;
      if (seq > room.seq) raise(room, seq);
      if (seq <= room.read) continue;
      if (deleted_at !== undefined) lower(room);
      const now = this.#isMe(mentions);
      const isAsBefore =
        frame?.type === "change" && frame.kind !== "created" && !("mentions_before" in frame);
      if (isAsBefore) continue;
      const before = frame?.type === "change" && this.#isMe(frame.mentions_before);
      room.mentions += Number(now) - Number(before);
      const isKnown = frame?.type === "change" || seq > newest || room.mentions - Number(now) === 0;
      if (!isKnown && (now || edited_at !== undefined || deleted_at !== undefined)) room.isUncertain = true;
    }
    room.rev = Math.max(room.rev, rev);
  }

  #isMe(mentions: MentionsBody | null | undefined): boolean {
    return mentions?.room ?? mentions?.users.includes(this.me.id ?? "") ?? false;
  }

  #member({ room: id, user, role }: Extract<SessionFrame, { type: "member" }>): void {
    const isMe = user.id === this.me.id;
    const room = this.rooms.get(id);
    if (!isMe) this.#requireOpen(id);
    else if (room && role) room.role = role;
    else if (!this.#isKnownOpen(id) && this.#listIsComplete)
      throw new Error(`the user's own role in ${id} came, which they are not in`);
  }

  #rename({ id, name }: { id: string; name: string }): void {
    const room = this.rooms.get(id);
    if (room) room.name = name;
    else if (!this.#isKnownOpen(id) && this.#listIsComplete)
      throw new Error(`a new name of ${id} came, which the user is not in`);
  }

  #isKnownOpen(id: string): boolean {
    return this.isOpen(id) || this.changing.has(id);
  }

  #requireOpen(id: string): OpenedRoom {
    const open = this.opened.get(id);
    if (!open?.isOpen) throw new Error(`a frame came for ${id}, which is not open`);
    return open;
  }
}

function activityAt({ last_message, created_at }: RoomSummaryBody): number {
  return Date.parse(last_message?.sent_at ?? created_at);
}

function listed(room: RoomSummaryBody): ListedRoom {
  return { ...room, lastRev: room.rev, isUncertain: false };
}

function raise(room: ListedRoom, seq: number): void {
  room.unread += seq - room.seq;
  room.seq = seq;
}

function lower(room: ListedRoom): void {
  room.unread--;
  if (room.unread < 0) throw new Error(`${room.id} has fewer than no unread messages`);
}

function shortened(text: string): string {
  if (text.length <= MAX_SUMMARY_TEXT_LENGTH) return text;
  return text.slice(0, MAX_SUMMARY_TEXT_LENGTH).replace(/[\ud800-\udbff]$/, "");
}
