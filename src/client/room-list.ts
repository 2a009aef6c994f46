import type {
  ActivityFrame,
  ChangeFrame,
  MentionsBody,
  MessageBody,
  NoticeFrame,
  OpenedFrame,
  RoomSummaryBody,
  UserBody,
} from "../protocol/frames.ts";
import type { ChatContext } from "./chat-context.ts";
import type { Message } from "./messages.ts";
import { MESSAGES_PAGE_SIZE, readOlder } from "./pages.ts";
import { RoomCounts } from "./room-counts.ts";
import { shortened } from "./shortened.ts";
import { Timer } from "./timer.ts";

interface Entry {
  summary: RoomSummaryBody;
  counts: RoomCounts;
  /** The `rev` of which `last_message` is. A read mark may have told later counts. */
  lastRev: number;
  /** Whether it is from an earlier connection, and its summary has not been received on this one. */
  isStale: boolean;
  /** Runs until the counts are asked for again. */
  timer: Timer;
  /** The search for the last message among older ones, if one is in progress. */
  search?: object | undefined;
}

/** A user's rooms with their unread messages, in step with the server. */
export class RoomList {
  /** Whether all rooms have been received on this connection. */
  complete = false;
  readonly #chat: ChatContext;
  readonly #entries = new Map<string, Entry>();
  /** What was received about rooms before their summaries, by room. */
  readonly #early = new Map<string, ((entry: Entry) => void)[]>();
  #rooms: readonly RoomSummaryBody[] | undefined;
  /** Whether something has changed since the last event. */
  #isChanged = false;

  constructor(chat: ChatContext) {
    this.#chat = chat;
  }

  /** Most recent activity first. The same array until something changes. */
  get rooms(): readonly RoomSummaryBody[] {
    return (this.#rooms ??= Array.from(this.#entries.values(), ({ summary }) => summary).toSorted(
      byActivity,
    ));
  }

  get unread(): number {
    return this.rooms.reduce((sum, { unread }) => sum + unread, 0);
  }

  get(id: string): RoomSummaryBody | undefined {
    return this.#entries.get(id)?.summary;
  }

  /** Whether what is known of a room is from this connection. True for a room that is not in the list. */
  isCurrent(id: string): boolean {
    return this.complete || this.#entries.get(id)?.isStale === false;
  }

  /** A connection has begun: the whole list follows. */
  restart(): void {
    this.complete = false;
    this.#early.clear();
    for (const entry of this.#entries.values()) entry.isStale = true;
  }

  /** The list has been received. Returns the ids of the rooms that are no longer in it. */
  finish(): string[] {
    this.complete = true;
    this.#early.clear();
    return [...this.#entries].filter(([, { isStale }]) => isStale).map(([id]) => id);
  }

  /** Adds rooms, or takes their new summaries. Returns those that are other rooms than before, or have lost changes. */
  add(summaries: readonly RoomSummaryBody[]): RoomSummaryBody[] {
    const changed = summaries.filter((summary) => !this.#set(summary));
    this.#emit();
    return changed;
  }

  /** Returns false if it is another room than before, or has lost changes. */
  #set(summary: RoomSummaryBody): boolean {
    const { id, name, role, access, posting, slow_mode, direct, created_at } = summary;
    const known = this.#entries.get(id);
    const isSame = known?.summary.created_at === created_at;
    if (known && isSame && !known.isStale) {
      known.counts.replace(summary);
      const fields = { name, role, access, posting, slow_mode, ...(direct && { direct }) };
      this.#update(known, fields, summary.last_message, summary.rev);
      return true;
    }
    const entry: Entry = {
      summary,
      counts: new RoomCounts(summary),
      lastRev: summary.rev,
      isStale: false,
      timer: new Timer(this.#chat),
    };
    this.#entries.set(id, entry);
    this.#update(entry, {});
    for (const apply of this.#early.get(id) ?? []) apply(entry);
    this.#early.delete(id);
    return !known || (isSame && summary.rev >= known.counts.rev);
  }

  remove(id: string): void {
    this.#isChanged ||= this.#entries.delete(id);
    this.#emit();
  }

  /** A room has new settings, or the user a new role or read mark. */
  applyNotice(notice: NoticeFrame): void {
    if (notice.type === "room") {
      const { id, ...settings } = notice.room;
      this.#apply(id, (entry) => this.#update(entry, settings));
    } else if ((notice.type === "read" || notice.type === "member") && notice.user.id === this.#chat.me?.id) {
      this.#apply(notice.room, (entry) => {
        if (notice.type === "read") entry.counts.applyMark(notice);
        this.#update(entry, notice.type === "member" && notice.role ? { role: notice.role } : {});
      });
    }
  }

  applyActivity(frame: ActivityFrame): void {
    const { room, seq, rev, last_message, deleted = [], deleted_revs = [], mentions = [], recount } = frame;
    this.#apply(room, (entry) => {
      const { counts } = entry;
      if (rev <= Math.min(counts.rev, entry.lastRev)) return;
      if (recount && rev > counts.rev) counts.isUncertain = true;
      const isOwn = false;
      const newest = { seq, rev, isDeleted: false, isOwn, wasMention: false };
      const changes = mentions.map(({ now, before, ...change }) => {
        const [isMention, wasMention] = [this.#isMention(now), this.#isMention(before)];
        return { seq: change.seq, rev: change.rev, isDeleted: false, isOwn, isMention, wasMention };
      });
      const deletions = deleted.map((each, index) => {
        const deletedAt = deleted_revs[index] ?? rev;
        return { seq: each, rev: deletedAt, isDeleted: true, isOwn, wasMention: false };
      });
      const last = last_message
        ? [{ ...this.#counted(last_message), isMention: false, wasMention: false }]
        : [];
      counts.applyMessages([newest, ...changes, ...deletions, ...last], rev);
      this.#update(entry, {}, last_message, rev);
    });
  }

  /**
   * An open room has changed up to `rev`, even if it has been closed meanwhile. With `live` it is a single
   * change, which counts only if it is the next one.
   */
  applyMessages(id: string, messages: OpenedFrame["messages"], rev: number, live?: ChangeFrame): void {
    this.#apply(id, (entry) => {
      const { counts, lastRev } = entry;
      const window = this.#chat.replicas.get(id)?.history.messages ?? [];
      if (rev <= Math.min(counts.rev, lastRev) || (live && rev > lastRev + 1)) return;
      let last = entry.summary.last_message;
      let isLost = entry.search !== undefined;
      for (const message of messages) {
        if (message.rev <= lastRev) continue;
        if (message.deleted_at === undefined) {
          if (last ? message.seq >= last.seq : !isLost) last = message;
        } else if (message.seq === last?.seq) {
          last = null;
          isLost = true;
        }
      }
      if (isLost) last ??= window.findLast(isPresent) ?? null;
      counts.applyMessages(
        messages.map((message) => this.#counted(message, live)),
        rev,
      );
      this.#update(entry, {}, last && shortened(last), rev);
      // Every message of the window is deleted.
      const first = window[0]?.seq ?? counts.seq + 1;
      if (isLost && !last && first > 1) void this.#searchLast(entry, first);
    });
  }

  /** Looks for the last message among those that are older than the window of the room. */
  async #searchLast(entry: Entry, before: number): Promise<void> {
    const search = (entry.search = {});
    try {
      for (;;) {
        const page = await readOlder(this.#chat.http, entry.summary.id, before, MESSAGES_PAGE_SIZE);
        if (entry.search !== search) return;
        const found = page.findLast(isPresent);
        before = page[0]?.seq ?? 1;
        if (found) this.#update(entry, {}, shortened(found), entry.lastRev);
        this.#emit();
        if (found || before <= 1) break;
      }
    } catch {
      // The summary of the next connection has it.
    }
    if (entry.search === search) entry.search = undefined;
  }

  /** Applies something to a room, once its summary has been received. */
  #apply(id: string, apply: (entry: Entry) => void): void {
    const entry = this.#entries.get(id);
    if (entry && !entry.isStale) {
      apply(entry);
      this.#emit();
    } else if (!this.complete) {
      this.#early.set(id, [...(this.#early.get(id) ?? []), apply]);
    }
  }

  /** Updates the summary of a room: some fields, and its last message as of `lastRev`, unless a later one is known. */
  #update(
    entry: Entry,
    fields: Partial<RoomSummaryBody>,
    last: RoomSummaryBody["last_message"] = null,
    lastRev = -1,
  ): void {
    let { last_message } = entry.summary;
    const { direct } = entry.summary;
    if (lastRev >= entry.lastRev) {
      // The other user may have signed in, or have another name.
      if (direct && last && last.rev > entry.lastRev && isSameUser(direct, last.sender))
        fields = { ...fields, direct: last.sender };
      last_message = last;
      entry.lastRev = lastRev;
      entry.search = undefined;
    }
    const { seq, rev, read, unread, mentions } = entry.counts;
    entry.summary = { ...entry.summary, ...fields, last_message, seq, rev, read, unread, mentions };
    this.#isChanged = true;
    this.#recount(entry);
  }

  /** Asks the server for the counts, if they may be wrong: after a while, since many clients may have the same reason to. */
  #recount(entry: Entry): void {
    const { timer, counts, summary } = entry;
    if (timer.isSet || !counts.isUncertain || this.#entries.get(summary.id) !== entry) return;
    timer.backOff(
      () => this.#chat.connection.send({ type: "summary", room: summary.id }, () => this.#recount(entry)),
      0,
      0,
    );
  }

  #emit(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#rooms = undefined;
    this.#chat.events.emit({ type: "rooms" });
    for (const replica of this.#chat.replicas.values()) replica.updateUnread();
  }

  #counted({ seq, rev, sender, edited_at, deleted_at, mentions }: MessageBody, live?: ChangeFrame) {
    const isDeleted = deleted_at !== undefined;
    const isMention = this.#isMention(mentions);
    // A message without a mention that was never changed never had one.
    let wasMention = isMention || isDeleted || edited_at !== undefined ? undefined : false;
    if (live) wasMention = live.kind !== "created" && this.#isMention(live.mentions_before, isMention);
    return { seq, rev, isDeleted, isOwn: sender.id === this.#chat.me?.id, isMention, wasMention };
  }

  #isMention(mentions: MentionsBody | null | undefined, otherwise = false): boolean {
    if (mentions === undefined) return otherwise;
    return mentions?.room ?? mentions?.users.includes(this.#chat.me?.id ?? "") ?? false;
  }
}

const isPresent = ({ deleted_at }: Message) => deleted_at === undefined;

const isSameUser = (known: UserBody, { id, email }: UserBody) =>
  known.id === id || (known.id === null && known.email === email);

function byActivity(a: RoomSummaryBody, b: RoomSummaryBody): number {
  const [timeA, timeB] = [activityAt(a), activityAt(b)];
  if (timeA === timeB) return a.id < b.id ? -1 : 1;
  return timeA > timeB ? -1 : 1;
}

const activityAt = ({ last_message, created_at }: RoomSummaryBody) => last_message?.sent_at ?? created_at;
