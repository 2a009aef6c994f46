import { MAX_MENTIONS, parseMentions, type Place, ROOM_KEY } from "./mentions.ts";
import type { Change, Message, RoomKey, UserKey } from "./model.ts";
import { MAX_COUNTED_MENTIONS } from "./unread.ts";

/** Stands for all members among the users whom a message mentions. No stored user has this key. */
export const EVERYONE: UserKey = 0;

/** UTF-16 units of users' ids in a message's mentions: they are sent with it, and with changes of it. */
export const MAX_MENTIONS_LENGTH = 4096;

/** A member as a mention names them. `id` is null for a user who was invited by email and has never signed in. */
export interface MentionedMember {
  key: UserKey;
  id: string | null;
}

/** The facts about mentions that a batch depends on, as of its start. */
export interface MentionFacts {
  /** Whether the name of any user, in the form of `nameKey`, begins like this. */
  isBeginningOfName(key: string): boolean;
  /** Members of the room who are shown with a name in the form of `nameKey`; about `MAX_MENTIONS` of them. */
  membersNamed(room: RoomKey, key: string): readonly MentionedMember[];
  /** Members of the room who are shown with an email; about `MAX_MENTIONS` of them. */
  membersWithEmail(room: RoomKey, email: string): readonly MentionedMember[];
  /** Whom a message mentions: only `EVERYONE`, or users. */
  mentionedIn(room: RoomKey, seq: number): readonly UserKey[];
  /** The number of messages after `seq` that mention the user or everyone, up to `limit`. */
  mentionsAfter(room: RoomKey, seq: number, user: UserKey, limit: number): number;
}

const NOBODY: readonly UserKey[] = [];

/** Whom the messages of a room mention, within a batch. */
export class RoomMentions {
  /** What the store must write: whom messages mention now, by `seq`. */
  readonly mentioned = new Map<number, readonly UserKey[]>();
  /** Whom the same messages mentioned at the start of the batch, unless nobody. */
  readonly #before = new Map<number, readonly UserKey[]>();
  readonly #beginnings = new Map<string, boolean>();
  readonly #byName = new Map<string, readonly MentionedMember[]>();
  readonly #byEmail = new Map<string, readonly MentionedMember[]>();

  constructor(
    private readonly room: RoomKey,
    private readonly facts: MentionFacts,
  ) {}

  /**
   * Finds whom a message mentions, and returns it as JSON, or null for nobody. `text` is null for a message that is deleted;
   * `before` is what was returned for its text before.
   */
  resolve(seq: number, text: string | null, before: string | null = null): string | null {
    const mayMention = text?.includes("@") ?? false;
    if (!mayMention && before === null) return null;
    const members = new Map<UserKey, string | null>();
    const isRoom = mayMention && this.#find(text ?? "", members);
    if (!isRoom && members.size === 0 && before === null) return null;
    if (before !== null && !this.mentioned.has(seq))
      this.#before.set(seq, this.facts.mentionedIn(this.room, seq));
    // One row for everyone, and no others, so that a message counts once for each user.
    this.mentioned.set(seq, isRoom ? [EVERYONE] : [...members.keys()]);
    if (!isRoom && members.size === 0) return null;
    const users = [...members.values()].filter((id) => id !== null);
    return JSON.stringify({ users, ...(isRoom && { room: true }) });
  }

  /** Completes a change of a message: whom it mentions now, and before if that was somebody else. */
  amend(before: Message, change: Change): Change {
    if (change.kind === "reacted") return change;
    const { seq, text } = change.message;
    const mentions = this.resolve(seq, text, before.mentions);
    const message = { ...change.message, mentions };
    return {
      ...change,
      message,
      ...(mentions !== before.mentions && { mentionsBefore: before.mentions }),
    };
  }

  /** The number of messages after `seq` that mention the user or everyone. */
  countAfter(seq: number, user: UserKey): number {
    let change = 0;
    for (const [each, now] of this.mentioned) {
      if (each <= seq) continue;
      change += Number(includes(now, user)) - Number(includes(this.#before.get(each) ?? NOBODY, user));
    }
    const limit = MAX_COUNTED_MENTIONS + this.mentioned.size;
    const stored = this.facts.mentionsAfter(this.room, seq, user, limit);
    return Math.min(stored + change, MAX_COUNTED_MENTIONS);
  }

  /** Adds the members whom a text mentions. Returns whether it mentions everyone. */
  #find(text: string, members: Map<UserKey, string | null>): boolean {
    let isRoom = false;
    let length = 0;
    for (const place of parseMentions(text)) {
      const found = this.#meantAt(place);
      isRoom ||= found === "room";
      if (found === "room") continue;
      for (const { key, id } of found) {
        length += members.has(key) ? 0 : (id?.length ?? 0);
        if (!members.has(key) && members.size < MAX_MENTIONS && length <= MAX_MENTIONS_LENGTH)
          members.set(key, id);
      }
    }
    return isRoom;
  }

  #meantAt({ email, names }: Place): readonly MentionedMember[] | "room" {
    if (email !== undefined) {
      const found = remember(this.#byEmail, email, () => this.facts.membersWithEmail(this.room, email));
      if (found.length > 0) return found;
    }
    const keys: string[] = [];
    for (const key of names) {
      const isBeginning = remember(this.#beginnings, key, () => this.facts.isBeginningOfName(key));
      if (isBeginning || key === ROOM_KEY) keys.push(key);
      // Nor does a name begin with a longer one.
      if (!isBeginning) break;
    }
    for (const key of keys.toReversed()) {
      if (key === ROOM_KEY) return "room";
      const found = remember(this.#byName, key, () => this.facts.membersNamed(this.room, key));
      if (found.length > 0) return found;
    }
    return [];
  }
}

function remember<Key, Value>(known: Map<Key, Value>, key: Key, find: () => Value): Value {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = find()));
  return value;
}

function includes(mentioned: readonly UserKey[], user: UserKey): boolean {
  return mentioned.includes(EVERYONE) || mentioned.includes(user);
}
