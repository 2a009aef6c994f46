import type { RoomKey, RoomRef, User, UserKey } from "./model.ts";

/** Where a browser receives pushes (RFC 8030), as it presented it: a secret URL and base64url keys (RFC 8291, section 3). */
export interface PushSubscription {
  endpoint: string;
  /** The browser's public key, an uncompressed point of P-256. */
  p256dh: string;
  /** The browser's authentication secret. */
  auth: string;
}

/** Where to send a push, and the beginning of the message's text as it is now: it may have been edited while the push waited. */
export interface PushTarget extends PushSubscription {
  text: string;
}

/** A message that somebody may have to be notified of, as it is now. */
export interface PushMessage {
  seq: number;
  sender: User;
  /** The beginning of the text. */
  text: string;
  /** Whom it mentions: only `EVERYONE`, or users. */
  mentioned: ReadonlySet<UserKey>;
}

export interface PushRoom extends RoomRef {
  name: string;
  isDirect: boolean;
}

/** A member with a subscription. One who has several comes once for each of them. */
export interface PushReader {
  user: UserKey;
  /** Their read mark in the room. */
  read: number;
  /** The store's key of the subscription. */
  subscription: number;
  endpoint: string;
}

/** Some of a room's readers. */
export interface ReadersPage {
  readers: readonly PushReader[];
  /** The member after whom the next page begins. Undefined at the end. */
  next: UserKey | undefined;
}

/** A notification of one user, on its way to one of their browsers. */
export interface Push extends Omit<PushReader, "read"> {
  room: PushRoom;
  message: PushMessage;
}

/**
 * Subscriptions to web push, and what has to be read to notify their users. Methods reject with `StoreError`. `since`:
 * subscriptions that were last presented before this time, in milliseconds since the epoch, do not count.
 */
export interface PushStore {
  /**
   * Gives a subscription to the user. If there is one with its endpoint, of whichever user, this one replaces it. Beyond
   * `limit`, the user's oldest ones are removed.
   */
  subscribe(user: UserKey, subscription: PushSubscription, at: number, limit: number): Promise<void>;
  /** Removes a subscription of the user, if they have one with this endpoint. */
  unsubscribe(user: UserKey, endpoint: string): Promise<void>;
  /** Removes the subscription of a push that its push service does not know any more. */
  forget(push: Pick<Push, "subscription" | "endpoint">): Promise<void>;
  /** The room and these of its messages, without those that are deleted, by `seq`. Undefined when it has been deleted. */
  pushMessages(
    room: RoomKey,
    seqs: readonly number[],
  ): Promise<{ room: PushRoom; messages: readonly PushMessage[] } | undefined>;
  /** Those of these users who are members. */
  readersAmong(room: RoomKey, users: readonly UserKey[], since: number): Promise<PushReader[]>;
  /** Those among the first `limit` members after one of them, by `user.key`. */
  readers(room: RoomKey, page: { after: UserKey; limit: number; since: number }): Promise<ReadersPage>;
  /**
   * Where to send a push. Undefined when the subscription is no longer the user's, they are no longer a member, they have read
   * the message, or it is deleted.
   */
  targetOf(push: Push): Promise<PushTarget | undefined>;
}
