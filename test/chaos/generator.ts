import type { MessageBody } from "../../src/protocol/frames.ts";
import { Random } from "../support/random.ts";
import type { Command } from "./history.ts";
import { CALM_SHARE } from "./nemesis.ts";

export interface GeneratorOptions {
  seed: number;
  /** Name of the client that the commands are for. */
  client: string;
  /** Number of commands to generate. */
  count: number;
  /** All rooms, also those that the client's user is not in. */
  rooms: readonly string[];
  /** The room in which most texts are long. */
  longTextsIn: string;
}

/** What a client shows when its next step is generated. */
export interface View {
  /** Ids of the rooms in its list. */
  list: readonly string[];
  /** Ids of the rooms that it has open. */
  open: readonly string[];
}

/** What a client does before its next command. */
export interface Step {
  /** A room to open, which the user may not be in. */
  open?: string | undefined;
  /** Whether the room is opened from where it was when it was last closed. */
  resumes: boolean;
  /** An open room to close. */
  close?: string | undefined;
  /** A room to leave. */
  leave?: string | undefined;
  /** A room, open or not, to mark as read over HTTP. */
  markRead?: string | undefined;
}

/** A command, and requests that go beside it and are not recorded, since they leave nothing to check. */
export interface CommandStep {
  command: Command;
  typing: boolean;
  /** Number of older messages to load; 0 loads none. */
  loadOlder: number;
}

/** How a client comes back after it was closed: from its last positions, or without any. */
export type Reconnect = "resumed" | "fresh";

/** Commands that are about one of the last messages, so that clients change the same ones. */
const RECENT_MESSAGES = 80;
const UNKNOWN_SEQ = 1_000_000;
const EMOJI = ["👍", "🎉", "❤️", "+1"];

/**
 * Generates what one client does. The same seed gives the same steps, as far as the client sees the same rooms and messages.
 * Each step has random streams of its own, so that one that turns out differently does not change the others.
 */
export class Generator {
  /** Commands in flight at the same time. */
  readonly concurrency: number;
  readonly #options: GeneratorOptions;
  readonly #reconnects = new Map<number, Reconnect>();

  constructor(options: GeneratorOptions) {
    const { count } = options;
    this.#options = options;
    const random = this.#random("client");
    this.concurrency = 1 + random.integer(4);
    for (
      let at = random.integer(count);
      at < (1 - CALM_SHARE) * count;
      at += (count >> 2) + random.integer(count)
    )
      this.#reconnects.set(at, random.chance(0.4) ? "fresh" : "resumed");
  }

  get count(): number {
    return this.#options.count;
  }

  /** How the client reconnects before the step at this index, if it does. */
  reconnectBefore(index: number): Reconnect | undefined {
    return this.#reconnects.get(index);
  }

  step(index: number, { list, open }: View): Step {
    const random = this.#random(`${index} step`);
    const { rooms } = this.#options;
    const pick = (probability: number, from: readonly string[]) => {
      const roll = random.next();
      const picked = pickOften(random, 0, from);
      return roll < probability ? picked : undefined;
    };
    return {
      open: pick(open.length < 3 ? 0.6 : 0.12, random.chance(0.9) ? list : rooms),
      resumes: random.chance(0.5),
      close: pick(open.length > 3 ? 0.08 : 0.02, open),
      leave: pick(0.004, list),
      markRead: pick(0.03, list),
    };
  }

  /** The room for the command at this index. */
  room(index: number, { list, open }: View): string | undefined {
    return pickOften(this.#random(`${index} room`), 0, open.length > 0 ? open : list);
  }

  /** The command at this index, in a room with these messages. `user` is the id of the client's user. */
  command(index: number, room: string, user: string, messages: readonly MessageBody[]): CommandStep {
    const random = this.#random(`${index} command`);
    return {
      typing: random.chance(0.05),
      loadOlder: random.chance(0.02) ? 1 + random.integer(100) : 0,
      command: this.#command(random, `${this.#options.client}/${index}`, room, user, messages),
    };
  }

  #command(
    random: Random,
    id: string,
    room: string,
    user: string,
    messages: readonly MessageBody[],
  ): Command {
    const recent = messages.slice(-RECENT_MESSAGES);
    const roll = random.next();
    const any = pickOften(random, 0.3, recent);
    const isOwn = ({ sender, deleted_at }: MessageBody) => sender.id === user && deleted_at === undefined;
    const own = pickOften(random, 0.4, recent.filter(isOwn)) ?? any;
    if (!any || !own || roll < 0.46) {
      const text = random.chance(0.01) ? "  " : this.#text(random, id, room);
      const replyTo = random.chance(0.02) ? UNKNOWN_SEQ : any && random.chance(0.2) ? any.seq : undefined;
      const meta = random.chance(0.3) && { meta: { of: id } };
      return { kind: "send", clientId: id, text, ...(replyTo !== undefined && { replyTo }), ...meta };
    }
    if (roll < 0.62)
      return {
        kind: "edit",
        seq: (random.chance(0.1) ? any : own).seq,
        text: this.#text(random, id, room),
      };
    if (roll < 0.8) return { kind: "react", seq: any.seq, emoji: random.pick(EMOJI), on: random.chance(0.7) };
    if (roll < 0.9) return { kind: "read", seq: (random.chance(0.5) ? (messages.at(-1) ?? any) : any).seq };
    return { kind: "delete", seq: (random.chance(0.2) ? any : own).seq };
  }

  /** A text that begins with the command's id, and is therefore unique. */
  #text(random: Random, id: string, room: string): string {
    const roll = random.next();
    const longTexts = room === this.#options.longTextsIn;
    let [min, max] = [0, 80];
    if (roll >= (longTexts ? 0.4 : 0.8)) [min, max] = longTexts || roll >= 0.96 ? [2000, 9000] : [80, 2000];
    const length = Math.floor(random.between(min, max));
    const filler = 'Grüße, "всем" 🙂\n'.repeat(Math.ceil(length / 16));
    return `${id} ${filler.slice(0, length).toWellFormed()}`.trim();
  }

  #random(stream: string): Random {
    return new Random(this.#options.seed, `${this.#options.client}/${stream}`);
  }
}

/** Picks the newest with this probability, so that several clients change the same message at the same time; else any. */
function pickOften<T>(random: Random, newest: number, list: readonly T[]): T | undefined {
  if (random.chance(newest)) return list.at(-1);
  return list.length > 0 ? random.pick(list) : undefined;
}
