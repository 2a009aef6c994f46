import {
  type Chat,
  type Message,
  ParleyError,
  type Room,
  type RoomPosition,
  type RoomSummary,
} from "../../src/client/index.ts";
import type { History } from "./history.ts";

export interface ClientMonitorOptions {
  /** Name of the client. */
  name: string;
  /** Id of its user. */
  user: string;
  keep: number | undefined;
  history: History;
}

/** Changes between two checks of all loaded messages of a room. */
const CHECK_INTERVAL = 250;
/** Why a room may end. */
const ROOM_REASONS = new Set(["closed", "removed", "left", "room_deleted", "room_not_found"]);
/** Why the server may close a chat: a token was refused, and so was its successor. */
const CHAT_REASONS = new Set(["unauthorized", "token_expired"]);

/** Checks during the run that what the SDK reports is consistent, and records what it shows. */
export class ClientMonitor {
  connectionsLost = 0;
  /** Whether the server has closed the chat, which will begin again. */
  isStopped = false;
  readonly #options: ClientMonitorOptions;
  readonly #watched = new WeakSet<Room>();
  /** What was last seen of each room in the list. */
  readonly #summaries = new Map<string, RoomSummary>();
  /** Messages that the client has changed, by room: it may show a change before it is stored. */
  readonly #touched = new Map<string, Set<number>>();

  constructor(options: ClientMonitorOptions) {
    this.#options = options;
  }

  /** The client is about to change a message. */
  touch(room: string, seq: number): void {
    const touched = this.#touched.get(room) ?? new Set();
    this.#touched.set(room, touched.add(seq));
  }

  /** Watches a chat from the moment it is connected. */
  watch(chat: Chat): void {
    const { user, history } = this.#options;
    this.isStopped = false;
    chat.on("status", ({ status }) => {
      if (status === "open" && chat.me?.id !== user)
        this.#violation(`signed in as ${chat.me?.id}, not ${user}`);
      // Before the rooms hear of it.
      this.isStopped = status === "closed";
      if (status === "open") return;
      this.connectionsLost++;
      history.count("connections lost");
    });
    chat.on("rooms", () => this.#observeList(chat));
    chat.on("joined", () => history.count("joined"));
    chat.on("left", ({ reason }) => history.count(`left: ${reason}`));
    chat.on("closed", ({ code, reason }) => {
      if (code === 1000) return;
      if (!CHAT_REASONS.has(reason)) this.#violation(`the chat was closed: ${code} ${reason}`);
      history.count(`chats closed: ${reason}`);
    });
    chat.on("error", ({ error }) =>
      history.count(`error: ${error instanceof ParleyError ? error.code : String(error)}`),
    );
  }

  /** Watches a room from the moment it is opened. `since` is the position it resumes from. */
  watchRoom(room: Room, since: RoomPosition | undefined): void {
    if (this.#watched.has(room)) return;
    this.#watched.add(room);
    const { name, history } = this.#options;
    const { id } = room;
    let created = new Set<number>();
    // A room that was open before begins where it was.
    const start = since ?? room.position;
    let created_at = start?.created_at ?? "";
    let rev = start?.rev ?? 0;
    let positionRev = rev;
    let changes = 0;
    const violation = (what: string) => this.#violation(`${id}: ${what}`);
    room.on("change", ({ kind, message, position }) => {
      history.observe(name, { id, created_at }, message);
      if (position.created_at !== created_at)
        violation(`another room at rev ${message.rev}, without a reset`);
      if (message.rev <= rev) violation(`rev ${message.rev} was reported after ${rev}`);
      rev = message.rev;
      if (position.rev > rev || position.rev < positionRev)
        violation(`at rev ${rev} the position went from ${positionRev} to ${position.rev}`);
      positionRev = position.rev;
      if (kind === "created" && created.has(message.seq))
        violation(`message ${message.seq} was reported as created twice`);
      if (kind === "created") created.add(message.seq);
      if (++changes % CHECK_INTERVAL === 0) this.#checkMessages(id, room.messages);
    });
    room.on("reset", () => {
      const { position } = room;
      // Without a position the first is a reset. Otherwise the server must be able to resume, if it is the same room.
      if (position?.created_at === created_at) violation(`a reset at rev ${position.rev}, after rev ${rev}`);
      created_at = position?.created_at ?? "";
      rev = positionRev = position?.rev ?? 0;
      created = new Set();
      const touched = this.#touched.get(id);
      for (const message of room.messages)
        if (!touched?.has(message.seq)) history.observe(name, { id, created_at }, message);
    });
    room.on("closed", ({ reason }) => {
      if (!ROOM_REASONS.has(reason) && !CHAT_REASONS.has(reason)) violation(`closed: ${reason}`);
      history.count(`rooms closed: ${reason}`);
    });
  }

  #observeList(chat: Chat): void {
    const { name, history } = this.#options;
    for (const summary of chat.rooms) {
      const { id, created_at, seq, rev, read, unread } = summary;
      const known = this.#summaries.get(id);
      if (known === summary) continue;
      this.#summaries.set(id, summary);
      if (read > seq) this.#violation(`${id} is read up to ${read} of ${seq}`);
      if (unread < 0 || unread > seq - read)
        this.#violation(`${id} has ${unread} unread messages, read up to ${read} of ${seq}`);
      if (known?.created_at === created_at && rev < known.rev)
        this.#violation(`${id} went from rev ${known.rev} to ${rev}`);
      history.observeCounts(name, summary, { seq, rev, read, unread });
    }
  }

  #checkMessages(id: string, messages: readonly Message[]): void {
    const { keep = Infinity } = this.#options;
    const first = messages[0]?.seq ?? 1;
    const gap = messages.findIndex(({ seq }, index) => seq !== first + index);
    if (gap >= 0) this.#violation(`${id}: message ${messages[gap]?.seq} is where ${first + gap} should be`);
    if (messages.length > keep)
      this.#violation(`${id}: ${messages.length} messages are kept, more than ${keep}`);
  }

  #violation(what: string): void {
    const { name, history } = this.#options;
    history.violation(`${name}: ${what}`);
  }
}
