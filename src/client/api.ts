import type { MemberBody, RoomBody, RoomSummaryBody, UserBody } from "../protocol/frames.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import type { Message } from "./messages.ts";
import type { ApiOptions, Fetch } from "./options.ts";
import { serverUrl } from "./url.ts";

/** Selects messages by `seq`: those before `before`, those after `after`, those around `around`, or else the last ones. */
export interface Page {
  before?: number;
  after?: number;
  around?: number;
  /** Number of messages, 100 at most. Default: 50. There are fewer if they are large. */
  limit?: number;
}

/** What changed in a room after a `rev`. */
export interface Changes {
  /** Each message as it is now, in order of `rev`. */
  messages: Message[];
  /** The `rev` that is reached with them. */
  rev: number;
  /** Whether there is more after this `rev`. */
  more: boolean;
}

const REQUEST_TIMEOUT_MS = 30_000;

/**
 * The HTTP API of a server. A request refused with 401 is repeated once with a new token.
 *
 * Each method rejects with a `ParleyError`: with the server's code, or `network` if there was no response, or `internal`
 * if the response was not one of Parley's. If `token` throws, it rejects with that error.
 */
export class Api {
  readonly #options: Pick<ApiOptions, "token"> & { fetch: Fetch; signal: AbortSignal };
  readonly #url: string;

  constructor({ url, token, fetch = globalThis.fetch, signal = new AbortController().signal }: ApiOptions) {
    this.#options = { token, fetch, signal };
    this.#url = `${serverUrl(url, "http")}/api/`;
  }

  /** The user of the token. `admin` means that they may act in every room. */
  me(): Promise<UserBody & { admin: boolean }> {
    return this.#request(["me"]);
  }

  /** The rooms of which this user is a member, most recent activity first. Several requests if there are many. */
  async rooms(): Promise<RoomSummaryBody[]> {
    const rooms = new Map<string, RoomSummaryBody>();
    let query = "limit=1000";
    for (;;) {
      const page = await this.#request<{ rooms: RoomSummaryBody[]; next?: string | null }>(
        ["rooms"],
        "GET",
        undefined,
        query,
      );
      for (const room of page.rooms) rooms.set(room.id, room);
      if (page.next == null) return [...rooms.values()];
      query = `limit=1000&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  /** Creates a room with this user as its owner. Without an `id` the server chooses one that cannot be guessed. */
  createRoom(room: { id?: string; name: string }): Promise<RoomBody> {
    return this.#request(["rooms"], "POST", room);
  }

  /** Creates a room without an owner, unless there is one with this id. For administrators. */
  ensureRoom(id: string, name: string): Promise<RoomBody> {
    return this.#request(["rooms", id], "PUT", { name });
  }

  room(id: string): Promise<RoomBody> {
    return this.#request(["rooms", id]);
  }

  renameRoom(id: string, name: string): Promise<RoomBody> {
    return this.#request(["rooms", id], "PATCH", { name });
  }

  deleteRoom(id: string): Promise<void> {
    return this.#request(["rooms", id], "DELETE");
  }

  async members(id: string): Promise<MemberBody[]> {
    return (await this.#request<{ members: MemberBody[] }>(["rooms", id, "members"])).members;
  }

  /** One member. `who` is an email address or a user id. */
  member(id: string, who: string): Promise<MemberBody> {
    return this.#request(["rooms", id, "members", who]);
  }

  /**
   * Adds a member, or changes a member's role. `who` is an email address or a user id. Without `role`, a member keeps
   * their role and a new one becomes a `member`.
   */
  setMember(id: string, who: string, role?: MemberBody["role"]): Promise<MemberBody> {
    return this.#request(["rooms", id, "members", who], "PUT", { role });
  }

  /**
   * Removes a member. `who` is an email address or a user id, which may be this user's own. Write `sub:` in front of an id
   * that contains an @.
   */
  removeMember(id: string, who: string): Promise<void> {
    return this.#request(["rooms", id, "members", who], "DELETE");
  }

  /** A page of messages, oldest first. */
  async messages(id: string, page: Page = {}): Promise<Message[]> {
    const query = Object.entries(page)
      .filter(([, value]) => value !== undefined)
      .map((entry) => entry.join("="));
    const path = ["rooms", id, "messages"];
    return (await this.#request<{ messages: Message[] }>(path, "GET", undefined, query.join("&"))).messages;
  }

  /** One message, also when it is deleted. */
  message(id: string, seq: number): Promise<Message> {
    return this.#request(["rooms", id, "messages", `${seq}`]);
  }

  /** Sends a message. With a `client_id` it can be repeated: it is stored once. */
  sendMessage(
    id: string,
    message: { text: string; reply_to?: number; client_id?: string },
  ): Promise<Message> {
    return this.#request(["rooms", id, "messages"], "POST", message);
  }

  editMessage(id: string, seq: number, text: string): Promise<Message> {
    return this.#request(["rooms", id, "messages", `${seq}`], "PATCH", { text });
  }

  deleteMessage(id: string, seq: number): Promise<void> {
    return this.#request(["rooms", id, "messages", `${seq}`], "DELETE");
  }

  /** Adds a reaction of this user, or removes it. */
  react(id: string, seq: number, emoji: string, on = true): Promise<Message> {
    const path = ["rooms", id, "messages", `${seq}`, "reactions", emoji];
    return this.#request(path, on ? "PUT" : "DELETE");
  }

  /** What changed after a `rev`: 0 for the whole room. */
  changes(id: string, since: number, limit = 100): Promise<Changes> {
    return this.#request(["rooms", id, "changes"], "GET", undefined, `since=${since}&limit=${limit}`);
  }

  /** The read marks of the members; in a large room only this user's own. */
  async reads(id: string): Promise<{ user: UserBody; seq: number }[]> {
    return (await this.#request<{ reads: { user: UserBody; seq: number }[] }>(["rooms", id, "reads"])).reads;
  }

  /** Moves this user's read mark forward. Resolves with the `seq` it has then. */
  async markRead(id: string, seq: number): Promise<number> {
    return (await this.#request<{ seq: number }>(["rooms", id, "read"], "PUT", { seq })).seq;
  }

  async #request<T>(path: string[], method = "GET", body?: object, query = "", refresh = false): Promise<T> {
    const { token, fetch, signal } = this.#options;
    signal.throwIfAborted();
    const bearer = await token({ refresh });
    signal.throwIfAborted();
    const url = this.#url + path.map(encodeURIComponent).join("/") + (query && `?${query}`);
    const init = {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
    };
    let response: Awaited<ReturnType<Fetch>>;
    let text: string;
    try {
      response = await fetch(url, init);
      text = await response.text();
    } catch (cause) {
      signal.throwIfAborted();
      throw new ParleyError("network", "No response from the server.", { cause });
    }
    const { ok, status, headers } = response;
    if (status === 401 && !refresh) return this.#request(path, method, body, query, true);
    let answer: Partial<Record<string, unknown>> | null | undefined;
    try {
      answer = text === "" ? undefined : (JSON.parse(text) as typeof answer);
      if (ok) return answer as T;
    } catch {
      // Not JSON: the response is from a proxy.
    }
    const { code = "internal", detail = `Unexpected response: HTTP ${status}.` } = answer ?? {};
    const retryAfterMs = Number.parseFloat(headers.get("retry-after") ?? "") * 1000;
    throw new ParleyError(code as ErrorCode, String(detail), {
      status,
      retryAfterMs: retryAfterMs >= 0 ? retryAfterMs : undefined,
    });
  }
}

/** Returns a client of a server's HTTP API. Throws a `TypeError` if `url` is not an http(s) or ws(s) URL. */
export function api(options: ApiOptions): Api {
  return new Api(options);
}
