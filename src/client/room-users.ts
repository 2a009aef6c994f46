import type { MemberBody, NoticeFrame, ReadBody, UserBody } from "../protocol/frames.ts";
import type { Clock } from "./options.ts";
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
  /** The users who are in `reads`. */
  readonly #readers = new Map<string, UserBody>();
  readonly #typingTimers = new Map<string | null, Timer>();
  /** Changes of members while they are loaded. */
  #memberNotices: MemberNotice[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly emit: (event: { type: "typingUsers" | "members" }) => void,
  ) {}

  /** The room has been opened. */
  restart(online: UserBody[], reads: ReadBody[], me: string): void {
    this.online = online;
    const others = reads.filter(({ user }) => user.id !== me);
    for (const { user } of others) this.#readers.set(user.id ?? "", user);
    this.reads = new Map(others.map(({ user, seq }) => [user.id ?? "", seq]));
  }

  setOnline(user: UserBody, online: boolean): void {
    const known = this.online.find(({ id }) => id === user.id);
    // So that `online` stays the same array. This user's own presence follows an `opened` that has it already.
    if (online ? known?.name === user.name && known.email === user.email : !known) return;
    const others = this.online.filter(({ id }) => id !== user.id);
    this.online = online ? [...others, user] : others;
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

  setTyping(user: UserBody): void {
    let timer = this.#typingTimers.get(user.id);
    if (!timer) {
      this.#typingTimers.set(user.id, (timer = new Timer(this.clock)));
      this.typing = [...this.typing, user];
      this.emit({ type: "typingUsers" });
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
    this.emit({ type: "typingUsers" });
  }

  /** Loads the members. Changes that are received meanwhile are newer than the response, or are in it. */
  async loadMembers(load: () => Promise<MemberBody[]>): Promise<void> {
    this.#memberNotices = [];
    this.members = await load();
    for (const notice of this.#memberNotices) this.#setMember(notice);
    this.emit({ type: "members" });
  }

  /** A user is a new member, has a new role, or is no longer a member. */
  setMember(notice: MemberNotice, isLoaded: boolean): void {
    const { user, role } = notice;
    if (role === null && user.id !== null && this.reads.has(user.id))
      this.reads = new Map([...this.reads].filter(([id]) => id !== user.id));
    if (!isLoaded) return;
    this.#memberNotices.push(notice);
    this.#setMember(notice);
    this.emit({ type: "members" });
  }

  #setMember({ user, role }: MemberNotice): void {
    const isSame = (member: UserBody) =>
      member.id === user.id || (member.id === null && member.email === user.email);
    const known = this.members.find(isSame);
    const joined_at = known?.joined_at ?? new Date(this.clock.now()).toISOString();
    const others = this.members.filter((member) => member !== known);
    if (role === null) this.members = others;
    else if (known)
      this.members = this.members.map((each) => (each === known ? { ...known, ...user, role } : each));
    else this.members = [...this.members, { ...user, role, joined_at }];
  }
}

type MemberNotice = Extract<NoticeFrame, { type: "member" }>;
