import {
  connect,
  type MessageBody,
  ParleyError,
  type Room,
  type RoomPosition,
  type Token,
} from "../../src/client/index.ts";
import type { FastClock } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { Ledger } from "./ledger.ts";

export interface SeatOptions {
  name: string;
  /** The id of its user. */
  user: string;
  room: string;
  url: string;
  token: Token;
  /** Whether it writes long texts. */
  wordy: boolean;
  /** Messages that its window holds; undefined holds all. */
  keep?: number;
  clock: FastClock;
  dice: Dice;
  ledger: Ledger;
}

/** Events after which the whole window is looked at. */
const inspection = 250;

/** One of the clients under test: Parley's own, which is closed now and then and comes back, and watched all the time. */
export class Seat {
  readonly name: string;
  readonly user: string;
  readonly roomId: string;
  room: Room;
  /** What of the plan it has yet to do. */
  left = 0;
  closed = false;
  /** The last `rev` that it was told of. */
  heard = 0;
  /** Connections that it has lost. */
  losses = 0;
  readonly #options: SeatOptions;

  constructor(options: SeatOptions) {
    this.#options = options;
    this.name = options.name;
    this.user = options.user;
    this.roomId = options.room;
    this.room = this.#enter();
  }

  /** Whether its window is to hold all that there is. */
  get whole(): boolean {
    return this.#options.keep === undefined;
  }

  get wordy(): boolean {
    return this.#options.wordy;
  }

  get keep(): number {
    return this.#options.keep ?? Number.POSITIVE_INFINITY;
  }

  /** For whoever wants to know why it is not done. */
  get state(): string {
    const { name, room } = this;
    return `${name} is ${room.status} at rev ${room.position?.rev}, ${room.pending.length} pending`;
  }

  /** Closes it for good. */
  close(): void {
    this.closed = true;
    this.room.close();
  }

  /** Closes it, and comes back: with the position that it had, or as somebody new. */
  leaveAndReturn(anew: boolean): void {
    const { position } = this.room;
    this.room.close();
    this.#options.ledger.count(anew ? "returns as somebody new" : "returns with a position");
    this.room = this.#enter(anew ? undefined : position);
  }

  #enter(since?: RoomPosition): Room {
    const { name, user, room: id, url, token, keep, clock, dice, ledger } = this.#options;
    const room = connect({
      url,
      room: id,
      token,
      clock,
      // Waits of the client's own, but shorter: the run is about what happens, not about when.
      random: () => dice.next() * 0.3,
      ...(keep !== undefined && { keep }),
      ...(since && { since }),
    });
    const complain = (what: string) => ledger.complain(`${name} in ${id}: ${what}`);
    const created = new Set<number>();
    let rev = since?.rev ?? 0;
    let safe = rev;
    let resets = 0;
    let events = 0;
    room.on("change", ({ kind, message, position }) => {
      ledger.saw(name, id, message);
      if (message.rev <= rev) complain(`told of rev ${message.rev} after ${rev}`);
      this.heard = rev = message.rev;
      if (position.rev > rev || position.rev < safe)
        complain(`at rev ${rev} the position went from ${safe} to ${position.rev}`);
      safe = position.rev;
      if (kind === "created") {
        if (created.has(message.seq)) complain(`told twice that ${message.seq} was created`);
        created.add(message.seq);
      }
      if (++events % inspection === 0) this.#inspect(room.messages, complain);
    });
    room.on("reset", () => {
      // It knows nothing when it comes; from then on the server must know what it knows.
      if (++resets > (since ? 0 : 1)) complain(`a reset at rev ${room.position?.rev}, after rev ${rev}`);
      rev = safe = room.position?.rev ?? 0;
      for (const message of room.messages) ledger.saw(name, id, message);
    });
    room.on("status", ({ status }) => {
      if (status !== "connecting") return;
      this.losses++;
      ledger.lose(id);
      ledger.count("connections lost");
    });
    room.on("closed", ({ code, reason }) => {
      if (code !== 1000) complain(`closed for good with ${code} ${reason}`);
      // What was under way may have been done.
      else ledger.lose(id);
    });
    room.on("error", ({ error }) => {
      ledger.count(`error: ${error instanceof ParleyError ? error.code : String(error)}`);
    });
    room.on("failed", ({ message }) => {
      if (message && !message.clientId) complain("a message without a client_id failed");
    });
    room.on("status", ({ status }) => {
      if (status === "open" && room.me?.id !== user) complain(`taken for ${room.me?.id}`);
    });
    return room;
  }

  #inspect(messages: readonly MessageBody[], complain: (what: string) => void): void {
    const first = messages[0]?.seq ?? 1;
    const astray = messages.findIndex(({ seq }, index) => seq !== first + index);
    if (astray >= 0) complain(`the window from ${first} has ${messages[astray]?.seq} at ${astray}`);
    if (messages.length > this.keep) complain(`the window holds ${messages.length}`);
  }
}
