import type { Api } from "../../src/client/api.ts";
import { type Member, ParleyError } from "../../src/client/index.ts";
import { Random } from "../support/random.ts";
import type { History } from "./history.ts";
import type { ChaosServer } from "./server.ts";

export interface AdministratorOptions {
  seed: number;
  api: Api;
  /** Ids of the rooms, the first half of which are never deleted. */
  rooms: readonly string[];
  /** Email addresses of the users. */
  users: readonly string[];
  /** Email addresses of those who are always in a room. */
  observersOf: (room: string) => string[];
  server: Pick<ChaosServer, "run">;
  history: History;
}

/** Share of the changes of members that are made by another process. */
const COMMAND_LINE_SHARE = 0.15;
/** Operations between two changes, on average. */
const CHANGE_INTERVAL = 8;
const RETRY_DELAY_MS = 30;
/** The answer may have been lost with the connection, or the server was down. */
const RETRYABLE = /^(network|internal|restarting|\w+_unavailable)$/;

/** Adds and removes members, renames rooms, and deletes and creates them. It counts in operations, as the nemesis does. */
export class Administrator {
  readonly #options: AdministratorOptions;
  readonly #random: Random;
  #nextChangeAt: number;
  #work: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: AdministratorOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, "administrator");
    this.#nextChangeAt = this.#random.integer(CHANGE_INTERVAL);
  }

  /** Creates all rooms. About half of the users are in each. */
  async createRooms(): Promise<void> {
    for (const room of this.#options.rooms) await this.#create(room, this.#random);
  }

  /** Begins the changes that are due after this many operations, one after another. */
  advance(operationsDone: number): void {
    while (operationsDone >= this.#nextChangeAt) {
      this.#nextChangeAt += 1 + this.#random.integer(2 * CHANGE_INTERVAL);
      const change = new Random(this.#options.seed, `administrator/${this.#nextChangeAt}`);
      this.#waiting++;
      this.#work = this.#work.then(() => this.#change(change)).then(() => this.#waiting--);
      this.#work.catch(() => undefined);
    }
  }

  /** Resolves when all changes have been made. Rejects if one was refused. */
  async finish(): Promise<void> {
    await this.#work;
  }

  /** A line for each change that has not been made. */
  get waiting(): string[] {
    return Array.from({ length: this.#waiting }, () => "a change of the administrator is waiting");
  }

  async #change(random: Random): Promise<void> {
    const { api, rooms, users, history } = this.#options;
    const room = random.pick(rooms);
    const user = random.pick(users);
    const roll = random.next();
    if (roll < 0.72 && random.chance(COMMAND_LINE_SHARE)) {
      const role = pickRole(random);
      await this.#run(...(roll < 0.5 ? ["add", room, user, "--role", role] : ["remove", room, user]));
    } else if (roll < 0.5) {
      await this.#retry("members added or changed", () => api.setMember(room, user, pickRole(random)));
    } else if (roll < 0.72) {
      await this.#retry("members removed", () => api.removeMember(room, user), "room_not_found");
    } else if (roll < 0.95) {
      await this.#retry("rooms renamed", () =>
        api.changeRoom(room, { name: `${room} ${random.integer(1000)}` }),
      );
    } else {
      const other = rooms[Math.ceil(rooms.length / 2) + random.integer(Math.floor(rooms.length / 2))];
      if (other === undefined) return;
      const isDeleted = history.deleteRoom(other);
      await this.#retry("rooms deleted", () => api.deleteRoom(other), "room_not_found");
      isDeleted();
      // Some find out at once, others when they connect again.
      if (random.chance(0.5)) await Bun.sleep(random.between(0, 300));
      await this.#create(other, random);
    }
  }

  async #create(room: string, random: Random): Promise<void> {
    const { api, users, observersOf } = this.#options;
    await this.#retry("rooms created", () => api.createRoom({ id: room, name: room }), "conflict");
    const added = users.filter(() => random.chance(0.6)).map((email) => ({ email, role: pickRole(random) }));
    const observers = observersOf(room).map((email) => ({ email, role: undefined }));
    await Promise.all(
      [...observers, ...added].map(({ email, role }) =>
        this.#retry("members added or changed", () => api.setMember(room, email, role)),
      ),
    );
  }

  async #run(...command: string[]): Promise<void> {
    const { server, history } = this.#options;
    const { code, stderr } = await server.run("member", ...command);
    if (code !== 0 && !stderr.includes("has no member")) throw new Error(`${command.join(" ")}: ${stderr}`);
    history.count("changes by the command line");
  }

  /** Repeats a request until it has taken effect. With the code `done` it has done so before. */
  async #retry(what: string, request: () => Promise<unknown>, done?: string): Promise<void> {
    for (;;) {
      try {
        await request();
        break;
      } catch (error) {
        if (!(error instanceof ParleyError)) throw error;
        if (error.code === done) break;
        if (!RETRYABLE.test(error.code)) throw new Error(`${what}: ${error.message}`, { cause: error });
        await Bun.sleep(RETRY_DELAY_MS);
      }
    }
    this.#options.history.count(what);
  }
}

function pickRole(random: Random): Member["role"] {
  return random.chance(0.25) ? "moderator" : "member";
}
