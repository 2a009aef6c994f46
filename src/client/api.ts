import type { MemberBody, RoomBody, RoomSummaryBody, UserBody } from "../protocol/frames.ts";
import type { AuditBody, RestrictionBody } from "../protocol/moderation-bodies.ts";
import type { NewRestriction } from "../protocol/moderation-requests.ts";
import type { PushSubscriptionBody } from "../protocol/push-requests.ts";
import type { ChangesBody, GrantedBody, MeBody, SearchResultBody } from "../protocol/responses.ts";
import type { EnsuredRoom, Grants, NewRoom, RoomChange } from "../protocol/room-requests.ts";
import type { MessageQuery, NewMessage, SearchQuery } from "../protocol/schemas.ts";
import { type ApiOptions, createHttpClient, type HttpClient, type Message } from "./index.ts";
import { List } from "./list.ts";

export { List, type Page } from "./list.ts";
export type {
  AuditBody as AuditEntry,
  EnsuredRoom,
  GrantedBody as Granted,
  Grants,
  MeBody as Me,
  MessageQuery,
  NewMessage,
  NewRestriction,
  NewRoom,
  PushSubscriptionBody as PushSubscription,
  RestrictionBody as Restriction,
  RoomChange,
  SearchQuery,
};

/** What changed in a room after a `rev`. */
export interface Changes extends Omit<ChangesBody, "messages"> {
  /** Each message as it is now, in the order of `rev`. */
  messages: Message[];
}

/** A message that was found. */
export interface SearchResult extends Omit<SearchResultBody, "message"> {
  message: Message;
}

/** Options of the methods that return a `List`. */
export interface ListOptions {
  /** The greatest number of items on a page. It may have fewer. */
  limit?: number | undefined;
}

const MAX_PAGE_SIZE = 1_000;

/**
 * The HTTP API of a server: a method for each route. They send one request each, unless they say something else.
 *
 * A request refused with 401 is repeated once with a new token; nothing else is repeated. Each method rejects with a
 * `ParleyError`: with the server's code, or `network` if there was no response, or `internal` if the response was not one
 * of Parley's. If `token` throws, it rejects with that error.
 *
 * `id` is the id of a room, and `who` an email address or a user id. Write `sub:` in front of an id that contains an @.
 */
export class Api {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** The user of the token. `admin` means that they may act in every room. */
  me(): Promise<MeBody> {
    return this.#http.request("GET", ["me"]);
  }

  /** Names the user of the token. For administrators whose token has no name. */
  setOwnName(name: string): Promise<MeBody> {
    return this.#http.request("PUT", ["me"], { body: { name } });
  }

  /** The rooms of which this user is a member, most recent activity first. Several requests if there are many. */
  async rooms(): Promise<RoomSummaryBody[]> {
    return distinct(await this.listRooms({ limit: MAX_PAGE_SIZE }).all());
  }

  /** The rooms of which this user is a member, most recent activity first. */
  listRooms(options?: ListOptions): List<RoomSummaryBody> {
    return this.#list("rooms", ["rooms"], { ...options });
  }

  /** The rooms that any user may join, by id. */
  listOpenRooms(options?: ListOptions): List<RoomBody> {
    return this.#list("rooms", ["rooms"], { open: true, ...options });
  }

  /** All rooms of the server, by id. For administrators. */
  listAllRooms(options?: ListOptions): List<RoomBody> {
    return this.#list("rooms", ["rooms"], { all: true, ...options });
  }

  /** Creates a room with this user as its owner. Without an `id` the server chooses one that cannot be guessed. */
  createRoom(room: NewRoom): Promise<RoomBody> {
    return this.#http.request("POST", ["rooms"], { body: room });
  }

  /** Creates a room without an owner, unless there is one with this id; then it is left as it is. For administrators. */
  ensureRoom(id: string, room: EnsuredRoom): Promise<RoomBody> {
    return this.#room("PUT", id, [], room);
  }

  /** A room. `role` is null if this user is not a member, and sees it because it is open or as an administrator. */
  room(id: string): Promise<RoomBody> {
    return this.#room("GET", id);
  }

  /**
   * Opens the direct conversation with another user, which is created if there is none: a room of two. The user must be a member of
   * one of this user's rooms, unless this one is an administrator.
   */
  openDirect(who: string): Promise<RoomSummaryBody> {
    return this.#http.request("PUT", ["direct", who]);
  }

  /** Changes the name or the settings of a room. For owners. */
  changeRoom(id: string, changes: RoomChange): Promise<RoomBody> {
    return this.#room("PATCH", id, [], changes);
  }

  /** Deletes a room with everything in it. For owners. */
  deleteRoom(id: string): Promise<void> {
    return this.#room("DELETE", id);
  }

  /** Makes this user a member of an open room. */
  joinRoom(id: string): Promise<RoomBody> {
    return this.#room("POST", id, ["join"]);
  }

  /** Ends this user's membership. Two requests. */
  async leaveRoom(id: string): Promise<void> {
    await this.removeMember(id, `sub:${(await this.me()).id}`);
  }

  /** The members: owners, then moderators, then the others. Several requests if there are many. */
  async members(id: string): Promise<MemberBody[]> {
    return distinct(await this.listMembers(id, { limit: MAX_PAGE_SIZE }).all());
  }

  /** The members: owners, then moderators, then the others. */
  listMembers(id: string, options?: ListOptions): List<MemberBody> {
    return this.#list("members", ["rooms", id, "members"], { ...options });
  }

  member(id: string, who: string): Promise<MemberBody> {
    return this.#room("GET", id, ["members", who]);
  }

  /**
   * Adds a member, or changes a member's role. Without `role`, a member keeps their role and a new one becomes a `member`.
   */
  setMember(id: string, who: string, role?: MemberBody["role"]): Promise<MemberBody> {
    return this.#room("PUT", id, ["members", who], { role });
  }

  /** Adds up to 1,000 members, or changes their roles: all of them or none. For owners. */
  setMembers(id: string, members: Grants["members"]): Promise<GrantedBody> {
    return this.#room("POST", id, ["members"], { members });
  }

  /** Removes a member. Does nothing if the user is not one. */
  removeMember(id: string, who: string): Promise<void> {
    return this.#room("DELETE", id, ["members", who]);
  }

  /** Bans, newest first. For moderators and owners. */
  listBans(id: string, options?: ListOptions): List<RestrictionBody> {
    return this.#list("bans", ["rooms", id, "bans"], { ...options });
  }

  /** Removes a user, and lets nobody add them again until the ban is lifted or over. It replaces an earlier ban. */
  ban(id: string, who: string, ban: NewRestriction = {}): Promise<RestrictionBody> {
    return this.#room("PUT", id, ["bans", who], ban);
  }

  /** Lifts a ban, if there is one. The user does not become a member by it. For owners. */
  liftBan(id: string, who: string): Promise<void> {
    return this.#room("DELETE", id, ["bans", who]);
  }

  /** Mutes, newest first. For moderators and owners. */
  listMutes(id: string, options?: ListOptions): List<RestrictionBody> {
    return this.#list("mutes", ["rooms", id, "mutes"], { ...options });
  }

  /** Lets a user read, but not send, edit or react, until the mute is lifted or over. It replaces an earlier mute. */
  mute(id: string, who: string, mute: NewRestriction = {}): Promise<RestrictionBody> {
    return this.#room("PUT", id, ["mutes", who], mute);
  }

  /** Lifts a mute, if there is one. */
  liftMute(id: string, who: string): Promise<void> {
    return this.#room("DELETE", id, ["mutes", who]);
  }

  /** What moderators, owners and administrators did, newest first. For owners. */
  listAudit(id: string, options?: ListOptions): List<AuditBody> {
    return this.#list("entries", ["rooms", id, "audit"], { ...options });
  }

  /** One page of messages, oldest first: those of `range`, or else the last ones. */
  async messages(id: string, range?: MessageQuery): Promise<Message[]> {
    return (await this.listMessages(id, range).page()).items;
  }

  /**
   * The messages of a range, newest first; with `after` alone, or `around`, oldest first. In each page they are oldest first.
   */
  listMessages(id: string, range: MessageQuery = {}): List<Message> {
    const { before, after, around, limit } = range;
    const isBackward = before !== undefined || (after ?? around) === undefined;
    // The cursor has the rest of the range.
    return this.#list("messages", ["rooms", id, "messages"], range, { limit }, isBackward);
  }

  /** One message, also when it is deleted. */
  message(id: string, seq: number): Promise<Message> {
    return this.#room("GET", id, ["messages", `${seq}`]);
  }

  /** Sends a message. With a `client_id` it can be repeated: it is stored once. */
  sendMessage(id: string, message: NewMessage): Promise<Message> {
    return this.#room("POST", id, ["messages"], message);
  }

  /** Replaces the text of one of this user's messages. */
  editMessage(id: string, seq: number, text: string): Promise<Message> {
    return this.#room("PATCH", id, ["messages", `${seq}`], { text });
  }

  /** Deletes a message. Moderators and owners may also delete the messages of others. */
  deleteMessage(id: string, seq: number): Promise<void> {
    return this.#room("DELETE", id, ["messages", `${seq}`]);
  }

  /** Adds a reaction of this user, or removes it if `on` is false. */
  react(id: string, seq: number, emoji: string, on = true): Promise<Message> {
    return this.#room(on ? "PUT" : "DELETE", id, ["messages", `${seq}`, "reactions", emoji]);
  }

  /** What changed after a `rev`: 0 for the whole room. At most 100 messages. */
  changes(id: string, since: number, limit = 100): Promise<Changes> {
    return this.#http.request("GET", ["rooms", id, "changes"], { query: { since, limit } });
  }

  /** The read marks of the members; in a room of more than 100 members only this user's own. */
  async reads(id: string): Promise<{ user: UserBody; seq: number }[]> {
    return (await this.#room<{ reads: { user: UserBody; seq: number }[] }>("GET", id, ["reads"])).reads;
  }

  /** Moves this user's read mark forward. Resolves with the `seq` it has then. */
  async markRead(id: string, seq: number): Promise<number> {
    return (await this.#room<{ seq: number }>("PUT", id, ["read"], { seq })).seq;
  }

  /** Searches the messages of this user's rooms, best results first. A page may have few or no items although more follow. */
  search(query: SearchQuery): List<SearchResult> {
    return this.#list("results", ["search"], query);
  }

  /** Notifies this user in a browser, given its push subscription or what `toJSON()` of it returns. */
  subscribePush(
    subscription: PushSubscriptionBody | { readonly endpoint: string; toJSON(): object },
  ): Promise<void> {
    return this.#http.request("PUT", ["push-subscription"], { body: subscription });
  }

  /** Ends that. Does nothing if this user is not notified there. */
  unsubscribePush(endpoint: string): Promise<void> {
    return this.#http.request("DELETE", ["push-subscription"], { body: { endpoint } });
  }

  #room<T>(method: string, id: string, path: readonly string[] = [], body?: object): Promise<T> {
    return this.#http.request(method, ["rooms", id, ...path], body && { body });
  }

  /** A list whose items have this name in a page. `rest` is what the query of a later page has beside the cursor. */
  #list<T>(name: string, path: readonly string[], query: object, rest = query, isBackward = false): List<T> {
    return new List(async (cursor) => {
      const page = await this.#http.request<Record<string, unknown>>("GET", path, {
        query: cursor === undefined ? query : { ...rest, cursor },
      });
      return { items: page[name] as T[], next: page["next"] as string | null };
    }, isBackward);
  }
}

/** Without what has come twice, since it has changed its place between two pages. */
function distinct<T extends { id: string | null; email?: string | null }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.id ?? item.email, item])).values()];
}

/**
 * Returns a client of a server's HTTP API, given its URL and tokens, or given a chat. Throws a `TypeError` if `url` is not an
 * http(s) or ws(s) URL.
 */
export function api(options: ApiOptions | { http: HttpClient }): Api {
  return new Api("http" in options ? options.http : createHttpClient(options));
}
