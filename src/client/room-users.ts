import type { NoticeFrame, OpenedFrame, UserBody } from "../protocol/frames.ts";
import type { ChatContext, RoomState } from "./chat-context.ts";
import type { Message } from "./messages.ts";
import { readMembers } from "./pages.ts";
import { Timer } from "./timer.ts";

/** How long a user is shown as typing after each sign of it. */
const TYPING_TIMEOUT_MS = 5_000;

const TYPING_INTERVAL_MS = 3_000;

/** Keeps a room's `online`, `typingUsers`, `reads` and `members` up to date. */
export class RoomUsers {
  readonly #room: RoomState;
  readonly #chat: ChatContext;
  /** The users who are or were in `reads`. */
  readonly #readers = new Map<string, UserBody>();
  /** The users who are typing, by id. */
  readonly #typing = new Map<string | null, { user: UserBody; timer: Timer }>();
  /** The latest load of the members. Undefined if it failed, or if nobody wants to know them. */
  #loading: Promise<RoomState["members"]> | undefined;
  #lastTypingAt = -Infinity;
  #isLoading = false;
  /** Whether the members have changed while they were loaded. */
  #isStale = false;

  constructor(room: RoomState, chat: ChatContext) {
    this.#room = room;
    this.#chat = chat;
  }

  /** The room has been opened. */
  restart({ online, reads }: OpenedFrame): void {
    this.#room.online = online;
    this.#room.reads = new Map();
    for (const { user, seq } of reads) this.setRead(user, seq);
  }

  /** Applies what the server reports of a user. */
  apply(notice: NoticeFrame): void {
    if (notice.type === "presence") {
      const others = this.#room.online.filter(({ id }) => id !== notice.user.id);
      // `opened` has this user already, and they stay.
      if (!this.#isMe(notice.user)) this.#room.online = notice.online ? [...others, notice.user] : others;
    } else if (notice.type === "read") {
      this.setRead(notice.user, notice.seq);
    } else if (notice.type === "typing") {
      this.#setTyping(notice.user);
    } else if (notice.type === "member") {
      this.reloadMembers();
      // The mark of a user who is no longer a member is of no interest.
      if (notice.role === null && this.#room.reads.has(notice.user.id ?? ""))
        this.#room.reads = new Map([...this.#room.reads].filter(([id]) => id !== notice.user.id));
    }
  }

  /** A user has read up to `seq`. */
  setRead(user: UserBody, seq: number): void {
    const { id } = user;
    // A member who has never signed in has no id, and has read nothing.
    if (id === null || this.#isMe(user)) return;
    this.#readers.set(id, user);
    const { reads } = this.#room;
    if ((reads.get(id) ?? -1) < seq) this.#room.reads = new Map([...reads, [id, seq]]);
  }

  /** The sender of a message has stopped typing, and has read what is before it. */
  onMessage({ sender, seq }: Message, isLive: boolean): void {
    this.stopTyping(sender.id);
    // The sender of a missed message may have left since. The marks of the members are in `opened`.
    if (isLive || this.#room.reads.has(sender.id)) this.setRead(sender, seq);
  }

  /** The users whose mark is at `seq` or later, without the sender of this message, if it is among `messages`. */
  readersOf(seq: number, messages: readonly Message[]): UserBody[] {
    const sender = messages.find((message) => message.seq === seq)?.sender.id;
    return [...this.#room.reads].flatMap(
      ([id, mark]) => (mark >= seq && id !== sender && this.#readers.get(id)) || [],
    );
  }

  /** Tells the others that this user is typing, unless they were told a moment ago. */
  reportTyping(): void {
    const room = this.#room;
    const now = this.#chat.clock.now();
    // The absolute difference, so that a clock that was set back does not suppress it.
    if (room.status !== "open" || Math.abs(now - this.#lastTypingAt) < TYPING_INTERVAL_MS) return;
    this.#lastTypingAt = now;
    this.#chat.connection.send({ type: "typing", room: room.id });
  }

  #isMe({ id }: UserBody): boolean {
    return id === this.#chat.me?.id;
  }

  #setTyping(user: UserBody): void {
    let entry = this.#typing.get(user.id);
    if (!entry) {
      this.#typing.set(user.id, (entry = { user, timer: new Timer(this.#chat) }));
      this.#updateTyping();
    }
    entry.timer.set(TYPING_TIMEOUT_MS, () => this.stopTyping(user.id));
  }

  /** A user is no longer typing. Without an id: nobody is. */
  stopTyping(id?: string | null): void {
    for (const [user, { timer }] of this.#typing) {
      if (id !== undefined && id !== user) continue;
      timer.clear();
      this.#typing.delete(user);
    }
    if (this.#typing.size < this.#room.typingUsers.length) this.#updateTyping();
  }

  #updateTyping(): void {
    this.#room.typingUsers = Array.from(this.#typing.values(), ({ user }) => user);
    this.#room.events.emit({ type: "typingUsers" });
  }

  /** Resolves with the members. They are loaded by the first call, and kept up to date from then on. */
  load(): Promise<RoomState["members"]> {
    return (this.#loading ??= this.#load());
  }

  /** The members may have changed. */
  reloadMembers(): void {
    if (this.#isLoading) this.#isStale = true;
    else if (this.#loading) (this.#loading = this.#load()).catch(() => undefined);
  }

  async #load(): Promise<RoomState["members"]> {
    const room = this.#room;
    this.#isLoading = true;
    try {
      do {
        this.#isStale = false;
        room.members = await readMembers(this.#chat.http, room.id);
      } while (this.#isStale);
      room.events.emit({ type: "members" });
      return room.members;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    } finally {
      this.#isLoading = false;
    }
  }
}
