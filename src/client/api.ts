import type { MemberBody, RoomBody, RoomSummaryBody, UserBody } from "../protocol/frames.ts";
import { type ErrorCode, ParleyError } from "./error.ts";
import type { Message } from "./messages.ts";
import type { ApiOptions, Fetch } from "./options.ts";
import { serverUrl } from "./url.ts";

/** Selects messages by `seq`: those before `before`, or those after `after`, or, without either, the last ones. */
export interface Page {
  before?: number;
  after?: number;
  /** Number of messages, 100 at most. Default: 50. */
  limit?: number;
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

  /** The rooms of which this user is a member. */
  async rooms(): Promise<RoomSummaryBody[]> {
    return (await this.#request<{ rooms: RoomSummaryBody[] }>(["rooms"])).rooms;
  }

  /** Creates a room with this user as its owner. Without an `id` the server chooses one that cannot be guessed. */
  createRoom(room: { id?: string; name: string }): Promise<RoomBody> {
    return this.#request(["rooms"], "POST", room);
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
