import { expect } from "bun:test";

import type { Ack, Message, RoomSummary } from "../../../src/client/index.ts";
import type { ChangeFrame } from "../../../src/protocol/frames.ts";
import { defaultSettingsBody } from "../../support/samples.ts";
import { FakeRoom } from "./fake-room.ts";
import { type FakeSocket, me, type SentFrame, sessionHello, summary } from "./fake-server.ts";

export const roomIds = ["a", "b", "c", "d"];

interface Member {
  isMember: boolean;
  read: number;
  /** Activity that the session has not been told of: the `seq` and `rev` of each deletion. */
  deleted: number[];
  deletedRevs: number[];
  isActive: boolean;
  /** Whether the room is open in the session. */
  isOpen: boolean;
}

/**
 * A model of a server with a few rooms, and of one user's session. It executes the client's commands one by one. Its
 * frames wait until a test delivers them.
 */
export class FakeSession {
  readonly frames: SentFrame[] = [];
  /** Whether a change was lost, which no real network does. */
  hasLost = false;
  /** Those that the client has created. */
  sockets: readonly FakeSocket[] = [];
  readonly #rooms: Map<string, FakeRoom>;
  readonly #members = new Map<string, Member>();
  /** The ack for each room and `client_id`. */
  readonly #acks = new Map<string, Ack>();
  #socket: FakeSocket | undefined;
  /** Number of commands from the socket that have been executed. */
  #executed = 0;
  /** Rooms of the list that have not been sent yet. Undefined once its last page has been sent. */
  #list: RoomSummary[] | undefined;

  /** `pageSize` is the number of messages in a page of a resume, `listSize` the number of rooms in a page of the list. */
  constructor(
    pageSize: number,
    private readonly listSize: number,
  ) {
    this.#rooms = new Map(roomIds.map((id) => [id, new FakeRoom(pageSize, id, this.frames)]));
    for (const id of roomIds) this.#members.set(id, newMember(id !== "d"));
  }

  room(id: string): FakeRoom {
    const room = this.#rooms.get(id);
    if (!room) throw new Error(`no room ${id}`);
    return room;
  }

  isMember(id: string): boolean {
    return this.#member(id).isMember;
  }

  get isDelivered(): boolean {
    return (
      this.frames.length === 0 &&
      this.#list === undefined &&
      roomIds.every((id) => {
        const { isOpen, isActive } = this.#member(id);
        return !isActive && (!isOpen || this.room(id).isLive);
      })
    );
  }

  /** The user's rooms, most recent activity first. All messages are of the same time. */
  get summaries(): RoomSummary[] {
    return roomIds
      .filter((id) => this.isMember(id))
      .map((id) => this.#summaryOf(id))
      .toSorted((a, b) => (a.last_message ? 0 : 1) - (b.last_message ? 0 : 1) || (a.id < b.id ? -1 : 1));
  }

  /** Accepts the client's newest connection. Returns its socket while it is open. */
  accept(): FakeSocket | undefined {
    const newest = this.sockets.at(-1);
    if (newest && newest !== this.#socket && !newest.closed) {
      this.#socket = newest;
      this.#executed = 0;
      this.frames.length = 0;
      for (const id of roomIds) this.#close(id);
      const { summaries } = this;
      const more = summaries.length > this.listSize;
      this.#list = more ? summaries.slice(this.listSize) : undefined;
      this.frames.push(sessionHello(summaries.slice(0, this.listSize), { more }));
    }
    return this.#socket?.closed ? undefined : this.#socket;
  }

  change(id: string, kind: ChangeFrame["kind"], index = 0): Message | undefined {
    const room = this.room(id);
    // A deleted message never changes again.
    if (kind !== "created" && room.messages[index % Math.max(1, room.messages.length)]?.deleted_at)
      return undefined;
    const changed = room.change(kind, index);
    const member = this.#member(id);
    // Until its changes are live, the session is told of the room's activity.
    if (member.isMember && !(member.isOpen && this.room(id).isLive)) {
      member.isActive = true;
      if (changed.deleted_at !== undefined) {
        member.deleted.push(changed.seq);
        member.deletedRevs.push(changed.rev);
      }
    }
    return changed;
  }

  /** The user reads a room, on some device. */
  read(id: string, seq: number): void {
    const member = this.#member(id);
    const { messages, rev } = this.room(id);
    if (!member.isMember || seq <= member.read || seq > messages.length) return;
    member.read = seq;
    const { unread } = this.#summaryOf(id);
    const counts = { unread, room_seq: messages.length, room_rev: rev };
    this.frames.push({ type: "read", room: id, user: me, seq, ...counts });
  }

  removeUser(id: string): void {
    if (!this.isMember(id)) return;
    this.#close(id);
    this.#member(id).isMember = false;
    this.#list = this.#list?.filter((each) => each.id !== id);
    this.frames.push({ type: "left", room: id, reason: "removed" });
  }

  addUser(id: string): void {
    if (this.isMember(id)) return;
    this.#members.set(id, { ...newMember(true), read: this.room(id).messages.length });
    this.frames.push({ type: "joined", room: this.#summaryOf(id) });
  }

  /** Answers a request for a page of messages. */
  fetch(url: string): Response {
    const [, id = "", before, limit] = /rooms\/(\w+)\/messages\?before=(\d+)&limit=(\d+)/.exec(url) ?? [];
    return Response.json({ messages: this.room(id).pageBefore(Number(before), Number(limit)) });
  }

  /** Executes the next command. */
  execute(): void {
    const command = this.accept()?.commands[this.#executed];
    if (!command) return;
    this.#executed++;
    const { id = "" } = command;
    if (command.type === "ping") this.frames.push({ type: "ack", id });
    if (!("room" in command) || command.room === undefined) return;
    const { room } = command;
    const ack = (where?: Ack) => void this.frames.push({ type: "ack", room, id, ...where });
    const refuse = (code: "room_not_found" | "message_not_found") =>
      void this.frames.push({ type: "error", room, id, code, message: code });
    if (command.type === "close") {
      this.room(room).close();
      this.#member(room).isOpen = false;
      ack();
    } else if (!this.isMember(room)) {
      refuse("room_not_found");
    } else if (command.type === "open") {
      this.#flush(room);
      this.#member(room).isOpen = true;
      this.room(room).open(id, command.since);
    } else if (command.type === "send") {
      const key = `${room} ${command.client_id}`;
      const stored = this.#acks.get(key) ?? this.#store(room, command.text, command.client_id ?? "");
      this.#acks.set(key, stored);
      ack(stored);
    } else if (command.type === "read") {
      this.read(room, command.seq);
      ack({ seq: this.#member(room).read, rev: this.room(room).rev });
    } else if (command.type === "summary") {
      this.frames.push({ type: "rooms", rooms: [this.#summaryOf(room)], more: false });
      ack();
    } else if (command.type !== "typing") {
      const { messages } = this.room(room);
      if (!messages[command.seq - 1]) return refuse("message_not_found");
      const kind = ({ edit: "edited", delete: "deleted", react: "reacted" } as const)[command.type];
      this.change(room, kind, command.seq - 1);
      ack({ seq: command.seq, rev: this.room(room).rev });
    }
  }

  /** Delivers the next frame, if there is one. Frames about changes may come twice. */
  deliver(times = 1): void {
    const socket = this.accept();
    const [frame] = this.frames;
    if (!socket || !frame) return;
    this.frames.shift();
    const isRepeatable = ["change", "changes", "activity", "read"].includes(frame.type);
    for (let n = 0; n < (isRepeatable ? times : 1); n++) socket.receive(frame);
  }

  /** Sends what waits: the list of rooms, the pages of resumes, activity. */
  continue(): void {
    if (!this.accept()) return;
    if (this.#list) {
      // The summaries are as of now, as those of a server that reads them again when they have changed. The last page is
      // empty if the user has lost the rest of the rooms: the client waits for it.
      const rooms = this.#list.splice(0, this.listSize).map(({ id }) => this.#summaryOf(id));
      const more = this.#list.length > 0;
      if (!more) this.#list = undefined;
      this.frames.push({ type: "rooms", rooms, more });
    }
    for (const id of roomIds) {
      if (this.#member(id).isOpen) this.room(id).continueResume();
      this.#flush(id);
    }
  }

  /** Loses the next frame if it is a live change of an open room. */
  loseChange(): void {
    if (this.frames[0]?.type !== "change") return;
    this.frames.shift();
    this.hasLost = true;
  }

  /** No two messages of a room have the same `client_id`. */
  expectStoredOnce(): void {
    for (const id of roomIds) {
      const ids = this.room(id).messages.flatMap(({ client_id }) => client_id ?? []);
      expect(ids).toEqual([...new Set(ids)]);
    }
  }

  #member(id: string): Member {
    const member = this.#members.get(id);
    if (!member) throw new Error(`no room ${id}`);
    return member;
  }

  #close(id: string): void {
    this.room(id).close();
    Object.assign(this.#member(id), { isOpen: false, isActive: false, deleted: [], deletedRevs: [] });
  }

  /** Tells the session of the activity in a room that is not open. */
  #flush(id: string): void {
    const member = this.#member(id);
    if (!member.isActive || !this.#socket) return;
    const { messages, rev } = this.room(id);
    const { deleted, deletedRevs: deleted_revs } = member;
    const deletions = deleted.length > 0 && { deleted, deleted_revs };
    const { last_message } = this.#summaryOf(id);
    this.frames.push({ type: "activity", room: id, seq: messages.length, rev, last_message, ...deletions });
    Object.assign(member, { isActive: false, deleted: [], deletedRevs: [] });
  }

  #store(id: string, text: string, client_id: string): Ack {
    const stored = this.change(id, "created");
    if (!stored) throw new Error("not stored");
    Object.assign(stored, { sender: me, text, client_id });
    this.read(id, stored.seq);
    return { seq: stored.seq, rev: stored.rev };
  }

  #summaryOf(id: string): RoomSummary {
    const { messages, rev } = this.room(id);
    const { read } = this.#member(id);
    const unread = messages.filter(({ seq, deleted_at }) => seq > read && deleted_at === undefined).length;
    const last_message = messages.findLast(({ deleted_at }) => deleted_at === undefined) ?? null;
    const fields = {
      name: "Lobby",
      ...defaultSettingsBody,
      created_at: "0",
      seq: messages.length,
      rev,
      read,
      unread,
      last_message,
    };
    return summary(id, fields);
  }
}

function newMember(isMember: boolean): Member {
  return { isMember, read: 0, deleted: [], deletedRevs: [], isActive: false, isOpen: false };
}
