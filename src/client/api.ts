import type { MemberBody, MessageBody, RoomBody, RoomSummaryBody, UserBody } from "../protocol/frames.ts";
import { address, type Fetch, type Token } from "./options.ts";
import { type ErrorCode, ParleyError } from "./error.ts";

export interface ApiOptions {
  /** The server's: http(s) or ws(s), with a path in front of Parley's if it has one. */
  url: string;
  token: Token;
  /** Ends every request that is under way, and refuses later ones. */
  signal?: AbortSignal;
  fetch?: Fetch;
}

/** Which messages, by `seq`: back from the end or from `before`, forward with `after` alone. */
export interface Page {
  before?: number;
  after?: number;
  /** 50 unless told, 100 at most. */
  limit?: number;
}

/** Milliseconds that one request may take. */
const patience = 30_000;

/**
 * The HTTP API. Each method rejects with a `ParleyError`: `network` when there was no answer, `internal` when it was not
 * one of Parley's; or with what `token` threw. A refused token is renewed and the request repeated, once.
 */
export class Api {
  readonly #options: Required<Pick<ApiOptions, "token" | "fetch">> & Pick<ApiOptions, "signal">;
  readonly #base: string;

  constructor({ url, fetch = globalThis.fetch, ...options }: ApiOptions) {
    this.#options = { ...options, fetch };
    this.#base = `${address(url, "http")}/api/`;
  }

  /** Who the token says I am; `admin` may act on every room. */
  me(): Promise<UserBody & { admin: boolean }> {
    return this.#ask("GET", ["me"]);
  }

  /** The rooms that I am in. */
  async rooms(): Promise<RoomSummaryBody[]> {
    return (await this.#ask<{ rooms: RoomSummaryBody[] }>("GET", ["rooms"])).rooms;
  }

  /** Makes a room, with me as its owner. Without an `id` it gets one that nobody can guess. */
  createRoom(room: { id?: string; name: string }): Promise<RoomBody> {
    return this.#ask("POST", ["rooms"], room);
  }

  room(id: string): Promise<RoomBody> {
    return this.#ask("GET", ["rooms", id]);
  }

  renameRoom(id: string, name: string): Promise<RoomBody> {
    return this.#ask("PATCH", ["rooms", id], { name });
  }

  deleteRoom(id: string): Promise<void> {
    return this.#ask("DELETE", ["rooms", id]);
  }

  async members(id: string): Promise<MemberBody[]> {
    return (await this.#ask<{ members: MemberBody[] }>("GET", ["rooms", id, "members"])).members;
  }

  /** Lets somebody in, by email or by id, or changes his role. Without one: as he has it, or a member. */
  setMember(id: string, who: string, role?: MemberBody["role"]): Promise<MemberBody> {
    return this.#ask("PUT", ["rooms", id, "members", who], { role });
  }

  /** Puts somebody out, by email or by id, or myself. */
  removeMember(id: string, who: string): Promise<void> {
    return this.#ask("DELETE", ["rooms", id, "members", who]);
  }

  /** Messages, oldest first. */
  async messages(id: string, page: Page = {}): Promise<MessageBody[]> {
    const query = Object.entries(page).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const path = ["rooms", id, "messages"];
    return (await this.#ask<{ messages: MessageBody[] }>("GET", path, undefined, query.join("&"))).messages;
  }

  /** Moves my read mark forward, and resolves with where it is. */
  async markRead(id: string, seq: number): Promise<number> {
    return (await this.#ask<{ seq: number }>("PUT", ["rooms", id, "read"], { seq })).seq;
  }

  async #ask<T>(method: string, path: string[], body?: object, query = "", refresh = false): Promise<T> {
    const { token, fetch, signal } = this.#options;
    signal?.throwIfAborted();
    const bearer = await token({ refresh });
    signal?.throwIfAborted();
    const url = this.#base + path.map(encodeURIComponent).join("/") + (query && `?${query}`);
    const late = AbortSignal.timeout(patience);
    const init = {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: body ? JSON.stringify(body) : null,
      signal: signal ? AbortSignal.any([signal, late]) : late,
    };
    let response: Awaited<ReturnType<Fetch>>;
    let text: string;
    try {
      response = await fetch(url, init);
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ParleyError("network", "The server gave no answer.", { cause });
    }
    const { ok, status, headers } = response;
    if (status === 401 && !refresh) return this.#ask(method, path, body, query, true);
    let answer: Partial<Record<string, unknown>> | null | undefined;
    try {
      answer = text === "" ? undefined : (JSON.parse(text) as typeof answer);
      if (ok) return answer as T;
    } catch {
      // Something between here and the server has answered.
    }
    const { code = "internal", detail = `The answer was HTTP ${status}.` } = answer ?? {};
    const retryAfter = Number.parseFloat(headers.get("retry-after") ?? "");
    throw new ParleyError(code as ErrorCode, String(detail), {
      status,
      retryAfterMs: retryAfter >= 0 ? retryAfter * 1000 : undefined,
    });
  }
}

/** The HTTP API of a server. */
export function api(options: ApiOptions): Api {
  return new Api(options);
}
