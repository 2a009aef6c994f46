import { api, type Token } from "../../src/client/index.ts";
import type { Issuer } from "../support/issuer.ts";
import type { Proxy } from "../support/proxy.ts";
import type { FastClock } from "./clock.ts";
import { Dice } from "./dice.ts";
import type { Ledger } from "./ledger.ts";
import { Seat } from "./seat.ts";
import type { MortalServer } from "./server.ts";
import { ClassicWitness, Witness } from "./witness.ts";

export interface CastOptions {
  seed: number;
  clients: number;
  rooms: number;
  /** Seconds that some of the tokens are good for. */
  tokenSeconds: number;
}

/** Everyone in the play. */
export interface Company {
  seats: Seat[];
  witnesses: Witness[];
  classics: ClassicWitness[];
}

/** Hands out the parts, the same for the same seed. */
export class Cast {
  readonly rooms: string[];
  #calm = false;

  constructor(
    private readonly options: CastOptions,
    private readonly issuer: Issuer,
    private readonly server: MortalServer,
    private readonly ledger: Ledger,
    private readonly clock: FastClock,
  ) {
    this.rooms = Array.from({ length: options.rooms }, (_, index) => `room-${index + 1}`);
  }

  /** Tokens are good for long from here on, and their provider does not fail. */
  calm(): void {
    this.#calm = true;
  }

  /** Each room has one user with two clients, and one who may delete what others say. */
  async furnish(): Promise<void> {
    const token = () => this.issuer.sign("root@example.com", { claims: { scope: "chat:admin" } });
    const admin = api({ url: `http://127.0.0.1:${this.server.port}`, token });
    for (const id of this.rooms) await admin.createRoom({ id, name: id });
    for (let index = 0; index < this.options.clients; index++) {
      const [room, email] = this.#placeOf(index);
      await admin.setMember(room, email, this.#isModerator(index) ? "moderator" : "member");
    }
    for (const [index, room] of this.rooms.entries()) {
      await admin.setMember(room, `witness-${index + 1}@example.com`);
      await admin.setMember(room, `classic-${index + 1}@example.com`);
    }
  }

  #placeOf(index: number): [room: string, email: string] {
    const { rooms } = this;
    const room = rooms[index % rooms.length] as string;
    const within = Math.floor(index / rooms.length);
    // The first of a room's users sits at two places, the last ones.
    const last = Math.floor((this.options.clients - 1 - (index % rooms.length)) / rooms.length);
    const user = within === last && last > 1 ? within - 1 : within;
    return [room, `user-${user + 1}.${room}@example.com`];
  }

  #isModerator(index: number): boolean {
    return Math.floor(index / this.rooms.length) === 1;
  }

  /** The first one only reads, over a slow line. */
  seats(proxy: Proxy, slow: Proxy): Seat[] {
    return Array.from({ length: this.options.clients }, (_, index) => {
      const [room, email] = this.#placeOf(index);
      const name = `client-${index + 1}`;
      const { seed } = this.options;
      return new Seat({
        name,
        user: `user|${email}`,
        room,
        url: `http://127.0.0.1:${(index === 0 ? slow : proxy).port}`,
        token:
          index % 3 === 1
            ? this.#shortTokens(email, new Dice(seed, `${name}'s tokens`))
            : this.#tokens(email),
        // Where the slow reader is, there is more to read than fits between it and the server.
        wordy: index % this.rooms.length === 0,
        ...(index % 4 === 3 && { keep: 120 }),
        clock: this.clock,
        dice: new Dice(seed, `${name}'s waits`),
        ledger: this.ledger,
      });
    });
  }

  #tokens(email: string): Token {
    let token: Promise<string> | undefined;
    return ({ refresh }) => {
      if (refresh) token = undefined;
      return (token ??= this.issuer.sign(email));
    };
  }

  /** Tokens that soon expire, of a provider that keeps the last one, and fails at times. */
  #shortTokens(email: string, dice: Dice): Token {
    const { ledger, issuer } = this;
    let token: string | undefined;
    return async ({ refresh }) => {
      if (token !== undefined && !refresh) return token;
      if (this.#calm) return (token = await issuer.sign(email));
      if (token !== undefined && dice.chance(0.2)) throw new Error("the provider of tokens is away");
      if (token !== undefined && dice.chance(0.2)) return token;
      const exp = Math.floor(Date.now() / 1000) + 1 + Math.ceil(dice.between(0, this.options.tokenSeconds));
      ledger.count("short tokens");
      return (token = await issuer.sign(email, { claims: { exp } }));
    };
  }

  witnesses(): Witness[] {
    return this.rooms.map((room, index) => new Witness(this.#witness(room, `witness-${index + 1}`)));
  }

  classics(): ClassicWitness[] {
    return this.rooms.map((room, index) => new ClassicWitness(this.#witness(room, `classic-${index + 1}`)));
  }

  #witness(room: string, name: string) {
    const email = `${name}@example.com`;
    const token = () => this.issuer.sign(email);
    const host = `127.0.0.1:${this.server.port}`;
    return { name, user: `user|${email}`, room, host, token, ledger: this.ledger };
  }

  /** Who sees another company than is there. */
  presenceFaults({ seats, witnesses, classics }: Company): string[] {
    return seats.flatMap(({ name, roomId, room }) => {
      const there = [...seats, ...witnesses, ...classics].filter((each) => each.roomId === roomId);
      const missing = new Set<string | null>(there.map(({ user }) => user));
      const strangers = room.online.filter(({ id }) => !missing.delete(id));
      if (missing.size === 0 && strangers.length === 0) return [];
      return `${name} in ${roomId} misses ${[...missing].join(", ")}, and sees ${strangers.length} who are not there`;
    });
  }
}
