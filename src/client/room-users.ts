import type { MemberBody, NoticeFrame, ReadBody, UserBody } from "../protocol/frames.ts";
import type { ChatContext } from "./chat-context.ts";
import { Timer } from "./timer.ts";

/** How long a user is shown as typing after each sign of it. */
const TYPING_TIMEOUT_MS = 5_000;

/** The users of an open room: who is online, who is typing, who has read what, and the members. */
export class RoomUsers {
  online: readonly UserBody[] = [];
  typing: readonly UserBody[] = [];
  /** Read marks of the other users, by user id. */
  reads: ReadonlyMap<string, number> = new Map();
  members: readonly MemberBody[] = [];
  readonly #room: string;
  readonly #chat: ChatContext;
  readonly #emit: (type: "typingUsers" | "members") => void;
  /** The users who are in `reads`. */
  readonly #readers = new Map<string, UserBody>();
  readonly #typingTimers = new Map<string | null, Timer>();
  /** The latest load of the members. Undefined if it failed, or if nobody wants to know them. */
  #loading: Promise<readonly MemberBody[]> | undefined;
  #isLoading = false;
  /** Whether the members have changed while they were loaded. */
  #isStale = false;

  constructor(room: string, chat: ChatContext, emit: (type: "typingUsers" | "members") => void) {
    this.#room = room;
    this.#chat = chat;
    this.#emit = emit;
  }

  /** The room has been opened. */
  restart(online: UserBody[], reads: ReadBody[], me: string): void {
    this.online = online;
    // A member who has never signed in has no id, and has read nothing.
    const others = reads.filter(({ user }) => user.id !== null && user.id !== me);
    for (const { user } of others) this.#readers.set(user.id ?? "", user);
    this.reads = new Map(others.map(({ user, seq }) => [user.id ?? "", seq]));
  }

  /** Applies what the server reports of a user. */
  apply(notice: NoticeFrame, isMe: boolean): void {
    if (notice.type === "presence") {
      // `opened` has this user already.
      if (isMe) return;
      const others = this.online.filter(({ id }) => id !== notice.user.id);
      this.online = notice.online ? [...others, notice.user] : others;
    } else if (notice.type === "read" && !isMe) {
      this.setRead(notice.user, notice.seq);
    } else if (notice.type === "typing") {
      this.#setTyping(notice.user);
    } else if (notice.type === "member") {
      this.reloadMembers();
      if (notice.role === null) this.#removeReader(notice.user.id);
    }
  }

  /** A user has read up to `seq`. */
  setRead(user: UserBody, seq: number): void {
    const id = user.id ?? "";
    this.#readers.set(id, user);
    if ((this.reads.get(id) ?? 0) < seq) this.reads = new Map([...this.reads, [id, seq]]);
  }

  /** The users whose mark is at `seq` or later. */
  readersOf(seq: number): UserBody[] {
    return [...this.reads].filter(([, mark]) => mark >= seq).flatMap(([id]) => this.#readers.get(id) ?? []);
  }

  #setTyping(user: UserBody): void {
    let timer = this.#typingTimers.get(user.id);
    if (!timer) {
      this.#typingTimers.set(user.id, (timer = new Timer(this.#chat)));
      this.typing = [...this.typing, user];
      this.#emit("typingUsers");
    }
    timer.set(TYPING_TIMEOUT_MS, () => this.stopTyping(user.id));
  }

  /** A user is no longer typing. Without an id: nobody is. */
  stopTyping(id?: string | null): void {
    for (const [user, timer] of this.#typingTimers) {
      if (id !== undefined && id !== user) continue;
      timer.clear();
      this.#typingTimers.delete(user);
    }
    const typing = this.typing.filter((user) => this.#typingTimers.has(user.id));
    if (typing.length === this.typing.length) return;
    this.typing = typing;
    this.#emit("typingUsers");
  }

  /** Resolves with the members. They are loaded by the first call, and kept up to date from then on. */
  loadMembers(): Promise<readonly MemberBody[]> {
    return (this.#loading ??= this.#load());
  }

  /** The members may have changed. */
  reloadMembers(): void {
    if (!this.#loading) return;
    if (this.#isLoading) this.#isStale = true;
    else (this.#loading = this.#load()).catch(() => undefined);
  }

  /** A user is no longer a member: their mark is of no interest. */
  #removeReader(id: string | null): void {
    if (this.reads.has(id ?? "")) this.reads = new Map([...this.reads].filter(([user]) => user !== id));
  }

  async #load(): Promise<readonly MemberBody[]> {
    this.#isLoading = true;
    try {
      do {
        this.#isStale = false;
        this.members = await this.#chat.api.members(this.#room);
      } while (this.#isStale);
      this.#emit("members");
      return this.members;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    } finally {
      this.#isLoading = false;
    }
  }
}
