import { expect } from "bun:test";

import type { MessageBody, RoomSummaryBody } from "../../src/protocol/frames.ts";
import { callApi } from "./api.ts";
import type { V2Client } from "./client.ts";
import { newRoomId, type ServerFixture } from "./server.ts";
import type { SessionClient, SessionCommand } from "./session-client.ts";
import { waitUntil } from "./wait.ts";

export const USER_COUNT = 3;
export const SESSIONS_PER_USER = 2;
export const ROOM_COUNT = 4;

export const actions = [
  "send",
  "edit",
  "delete",
  "react",
  "read",
  "open",
  "close",
  "add",
  "remove",
  "leave",
  "role",
  "rename",
  "outside",
  "remake",
  "reconnect",
  "enter",
  "exit",
  "pause",
  "check",
] as const;

/** Something that a user does, through one of their sessions. `n` and `flag` choose the details. */
export interface Step {
  action: (typeof actions)[number];
  session: number;
  room: number;
  n: number;
  flag: boolean;
}

/** How long a session may take to be level with the database: activity is told after 250 ms, presence after 100 ms. */
const LEVEL_MS = 2000;

let worlds = 0;

/** Users with sessions and room connections in some rooms, and an administrator who adds and removes them. */
export class SessionWorld {
  readonly #server: ServerFixture;
  readonly #name = `world-${++worlds}`;
  readonly #rooms: string[] = [];
  readonly #tokens: string[] = [];
  #admin = "";
  readonly #sessions: SessionClient[] = [];
  /** Connections to a room's URL, by user and room. */
  readonly #connections = new Map<string, V2Client>();
  /** The newest `seq` that is known, by room. */
  readonly #newest: number[] = [];
  /** Members who have joined a room since it was created: the others are not told where their mark begins. */
  readonly #joined = new Set<string>();
  /** What has been asked for and not been answered. */
  #work: Promise<unknown>[] = [];

  constructor(server: ServerFixture) {
    this.#server = server;
  }

  async start(): Promise<void> {
    const server = this.#server;
    this.#admin = await server.token(`${this.#name}-admin@example.com`, { claims: { scope: "chat:admin" } });
    for (let user = 0; user < USER_COUNT; user++) this.#tokens.push(await server.token(this.#email(user)));
    // So that they have signed in before they are added.
    await Promise.all(this.#tokens.map((token) => callApi(server, "GET /api/me", { token })));
    for (let room = 0; room < ROOM_COUNT; room++) {
      this.#rooms.push(newRoomId());
      await this.#create(room);
      for (let user = 0; user < USER_COUNT; user++) if ((room + user) % 3 !== 0) await this.#add(user, room);
    }
    for (let each = 0; each < USER_COUNT * SESSIONS_PER_USER; each++)
      this.#sessions.push(await server.connectSession(this.#email(each % USER_COUNT)));
  }

  /** Begins a step. Its end is awaited by `settle`. */
  async take(step: Step): Promise<void> {
    if (step.action === "pause") {
      if (step.flag) await this.#settle();
      else await Bun.sleep(step.n % 30);
    } else if (step.action === "check") {
      await this.check();
    } else {
      const done = this.#begin(step);
      done.catch(() => undefined);
      this.#work.push(done);
      // The next step goes into the same turn, or not.
      if (step.n % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Compares what every session knows with the database, once everything has been answered. */
  async check(): Promise<void> {
    await this.#settle();
    for (const session of this.#sessions)
      for (const [id, open] of session.model.opened)
        if (open.isOpen && open.isForeign) await session.open(id);
    const lists = await Promise.all(this.#tokens.map((token) => this.#list(token)));
    const stored = new Map<string, MessageBody[]>();
    for (const room of this.#rooms) stored.set(room, await this.#messages(room));
    for (const [user, list] of lists.entries())
      for (const summary of list)
        checkSummary(summary, stored.get(summary.id) ?? [], `user|${this.#email(user)}`);
    const compare = () => {
      for (const [index, session] of this.#sessions.entries())
        this.#compare(session, index % USER_COUNT, lists, stored);
    };
    const isLevel = async () => {
      await Promise.all(this.#sessions.map((session) => this.#recount(session)));
      await Promise.all(this.#sessions.map((session) => session.ping()));
      try {
        compare();
        return true;
      } catch {
        return false;
      }
    };
    await waitUntil("the sessions are level", isLevel, LEVEL_MS).catch(compare);
  }

  /** As a client does for rooms whose mentions it does not know. */
  async #recount(session: SessionClient): Promise<void> {
    for (const { id, isUncertain } of session.model.rooms.values())
      if (isUncertain) await session.command({ type: "summary", room: id });
  }

  async end(): Promise<void> {
    for (const client of [...this.#sessions, ...this.#connections.values()]) client.socket.terminate();
  }

  #compare(
    { model }: SessionClient,
    user: number,
    lists: readonly RoomSummaryBody[][],
    stored: ReadonlyMap<string, MessageBody[]>,
  ): void {
    const list = lists[user] ?? [];
    const known = model.order.map((id) => {
      const {
        lastRev: _,
        isUncertain: __,
        ...summary
      } = model.rooms.get(id) ?? { lastRev: 0, isUncertain: false };
      return summary;
    });
    expect(known).toEqual(list);
    for (const [id, open] of model.opened) {
      if (!open.isOpen) continue;
      const messages = [...open.messages.values()].toSorted((a, b) => a.seq - b.seq);
      const first = messages[0]?.seq ?? Infinity;
      expect(messages).toEqual((stored.get(id) ?? []).filter(({ seq }) => seq >= first));
      const room = this.#rooms.indexOf(id);
      const present = lists.flatMap((each, other) =>
        each.some((summary) => summary.id === id) ? [other] : [],
      );
      expect(open.online).toEqual(new Set(present.map((other) => this.#email(other))));
      for (const other of present) {
        const mark = lists[other]?.find((summary) => summary.id === id)?.read;
        if (other === user || !this.#joined.has(`${other} ${room}`))
          expect(open.reads.get(this.#email(other))).toBe(mark);
      }
    }
  }

  async #begin(step: Step): Promise<void> {
    const { action, room, n, flag } = step;
    const id = this.#rooms[room] ?? "";
    const index = step.session;
    const user = index % USER_COUNT;
    const session = this.#sessions[index];
    const other = n % USER_COUNT;
    if (!session) return;
    switch (action) {
      case "send":
        return this.#command(step, { type: "send", room: id, text: this.#text("text", n) });
      case "edit":
        return this.#command(step, {
          type: "edit",
          room: id,
          seq: this.#seq(step),
          text: this.#text("edit", n),
        });
      case "delete":
        return this.#command(step, { type: "delete", room: id, seq: this.#seq(step) });
      case "react":
        return this.#command(step, {
          type: "react",
          room: id,
          seq: this.#seq(step),
          emoji: "👍",
          on: n % 3 > 0,
        });
      case "read":
        if (n % 3 > 0) return this.#command(step, { type: "read", room: id, seq: this.#seq(step) });
        await this.#call(user, `PUT /api/rooms/${id}/read`, { seq: this.#seq(step) });
        return;
      case "open": {
        const since = flag ? session.model.opened.get(id)?.cursor : undefined;
        await session.command({ type: "open", room: id, ...(since !== undefined && { since }) });
        return;
      }
      case "close":
        await session.command({ type: "close", room: id });
        return;
      case "add":
        return this.#add(other, room);
      case "remove":
        await this.#call(undefined, `DELETE /api/rooms/${id}/members/${this.#email(other)}`);
        return;
      case "leave":
        await this.#call(user, `DELETE /api/rooms/${id}/members/${this.#email(user)}`);
        return;
      case "role":
        await this.#call(undefined, `PUT /api/rooms/${id}/members/${this.#email(other)}`, {
          role: flag ? "moderator" : "member",
        });
        this.#joined.add(`${other} ${room}`);
        return;
      case "rename":
        await this.#call(undefined, `PATCH /api/rooms/${id}`, { name: `name ${n}` });
        return;
      case "outside":
        return this.#actOutside(id, other, n);
      case "remake":
        await this.#call(undefined, `DELETE /api/rooms/${id}`);
        await this.#create(room);
        return this.#add(other, room);
      case "reconnect":
        return this.#reconnect(index);
      case "enter": {
        const key = `${user} ${room}`;
        if (this.#connections.has(key)) return;
        const client = await this.#server.connectV2(id, this.#email(user)).catch(() => undefined);
        if (client && !this.#connections.has(key)) this.#connections.set(key, client);
        else client?.socket.terminate();
        return;
      }
      case "exit":
        this.#connections.get(`${user} ${room}`)?.socket.terminate();
        this.#connections.delete(`${user} ${room}`);
        return;
      case "pause":
      case "check":
    }
  }

  /** A text that mentions nobody, one of the users, or everyone. */
  #text(word: string, n: number): string {
    const mention = ["", "", "@room", ...[0, 1, 2].map((user) => `@${this.#email(user)}`)][n % 6];
    return `${word} ${n} ${mention}`.trim();
  }

  /** Through a connection to the room, if there is one and `flag` says so. Its refusals are as good as any answer. */
  async #command({ session: index, room, flag }: Step, command: SessionCommand): Promise<void> {
    const connection = this.#connections.get(`${index % USER_COUNT} ${room}`);
    const session = this.#sessions[index];
    // A removed member's connection is closed.
    const answer =
      connection && flag
        ? await connection.command(command as never).catch(() => undefined)
        : await session?.command(command);
    if (answer?.type === "ack" && command.type === "send")
      this.#newest[room] = Math.max(this.#newest[room] ?? 0, answer.seq ?? 0);
  }

  /** One of the newest messages, mostly. */
  #seq({ room, n, flag }: Step): number {
    const newest = this.#newest[room] ?? 0;
    return Math.max(1, newest - (n % (flag ? 3 : Math.max(1, newest))));
  }

  /** As the command line does, in another process. */
  async #actOutside(id: string, user: number, n: number): Promise<void> {
    const who = { email: this.#email(user) };
    this.#joined.add(`${user} ${this.#rooms.indexOf(id)}`);
    const acting = this.#server.asOperator(async ({ rooms }, operator) => {
      if (n % 4 === 0) await rooms.change(operator, id, { name: `outside ${n}` });
      if (n % 4 === 1) await rooms.setMember(operator, id, who, n > 50 ? "moderator" : "member");
      if (n % 4 >= 2) await rooms.removeMember(operator, id, who);
    });
    // The room may have been deleted.
    await acting.catch(() => undefined);
  }

  async #reconnect(index: number): Promise<void> {
    const session = this.#sessions[index];
    const next = await this.#server.connectSession(this.#email(index % USER_COUNT));
    this.#sessions[index] = next;
    await session?.close();
  }

  async #settle(): Promise<void> {
    const work = this.#work;
    this.#work = [];
    for (const result of await Promise.allSettled(work)) {
      // A command of a session that was closed meanwhile.
      const isClosed = result.status === "rejected" && String(result.reason).includes("closed with");
      if (result.status === "rejected" && !isClosed) throw result.reason;
    }
    for (const session of this.#sessions) await session.ping();
  }

  #email(user: number): string {
    return `${this.#name}-${user}@example.com`;
  }

  async #create(room: number): Promise<void> {
    await this.#call(undefined, "POST /api/rooms", { id: this.#rooms[room], name: `room ${room}` });
    this.#newest[room] = 0;
  }

  async #add(user: number, room: number): Promise<void> {
    this.#joined.add(`${user} ${room}`);
    await this.#call(undefined, `PUT /api/rooms/${this.#rooms[room]}/members/${this.#email(user)}`, {});
  }

  async #call(user: number | undefined, request: string, body?: unknown): Promise<void> {
    const token = user === undefined ? this.#admin : this.#tokens[user];
    await callApi(this.#server, request, { token: token ?? "", ...(body !== undefined && { body }) });
  }

  async #list(token: string): Promise<RoomSummaryBody[]> {
    const { body } = await callApi(this.#server, "GET /api/rooms", { token });
    return body["rooms"] as RoomSummaryBody[];
  }

  async #messages(room: string): Promise<MessageBody[]> {
    const messages: MessageBody[] = [];
    for (;;) {
      const request = `GET /api/rooms/${room}/messages?limit=100&after=${messages.at(-1)?.seq ?? 0}`;
      const { body } = await callApi(this.#server, request, { token: this.#admin });
      const page = (body["messages"] ?? []) as MessageBody[];
      messages.push(...page);
      if (page.length < 100) return messages;
    }
  }
}

/** What the API tells of a room must follow from its messages, too. */
function checkSummary(
  { id, read, unread, mentions, seq, rev, last_message }: RoomSummaryBody,
  messages: readonly MessageBody[],
  me: string,
) {
  const visible = messages.filter(({ deleted_at }) => deleted_at === undefined);
  const revs = messages.map((message) => message.rev);
  const unreadMessages = visible.filter((message) => message.seq > read);
  expect({ id, unread, mentions, seq, rev, last_message }).toEqual({
    id,
    unread: unreadMessages.length,
    mentions: unreadMessages.filter(
      (message) => message.mentions?.room ?? message.mentions?.users.includes(me),
    ).length,
    seq: messages.length,
    rev: Math.max(0, ...revs),
    last_message: visible.at(-1) ?? null,
  });
}
