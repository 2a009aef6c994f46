import type { MessageBody } from "../../src/protocol/frames.ts";
import { Random } from "../support/random.ts";
import type { Command } from "./history.ts";

export interface GeneratorOptions {
  seed: number;
  /** Name of the client that the commands are for. */
  client: string;
  /** Number of commands to generate. */
  count: number;
  /** Whether most texts are long. */
  longTexts: boolean;
}

/** What a client sees when its next command is generated. */
export interface View {
  /** Id of the client's user. */
  user: string;
  messages: readonly MessageBody[];
}

/** A command, and requests that go beside it and are not recorded, since they leave nothing to check. */
export interface Step {
  command: Command;
  markRead: boolean;
  typing: boolean;
  /** Number of older messages to load; 0 loads none. */
  loadOlder: number;
}

/** How a client comes back after it was closed: from its last position, or without one. */
export type Reconnect = "resumed" | "fresh";

/** Commands that are about one of the last messages, so that clients change the same ones. */
const RECENT_MESSAGES = 80;
const UNKNOWN_SEQ = 1_000_000;
const EMOJI = ["👍", "🎉", "❤️", "+1"];

/**
 * Generates one client's commands. The same seed gives the same commands, as far as the client sees the same messages.
 * Each command has a random stream of its own, so that one that turns out differently does not change the others.
 */
export class Generator {
  /** Commands in flight at the same time. */
  readonly concurrency: number;
  readonly #options: GeneratorOptions;
  readonly #reconnects = new Map<number, Reconnect>();

  constructor(options: GeneratorOptions) {
    const { seed, client, count } = options;
    this.#options = options;
    const random = new Random(seed, client);
    this.concurrency = 1 + random.integer(4);
    for (let at = random.integer(count); at < count; at += (count >> 2) + random.integer(count))
      this.#reconnects.set(at, random.chance(0.4) ? "fresh" : "resumed");
  }

  get count(): number {
    return this.#options.count;
  }

  /** How the client reconnects before the step at this index, if it does. */
  reconnectBefore(index: number): Reconnect | undefined {
    return this.#reconnects.get(index);
  }

  step(index: number, view: View): Step {
    const id = `${this.#options.client}/${index}`;
    const random = new Random(this.#options.seed, id);
    return {
      markRead: random.chance(0.05),
      typing: random.chance(0.05),
      loadOlder: random.chance(0.02) ? 1 + random.integer(100) : 0,
      command: this.#command(random, id, view),
    };
  }

  #command(random: Random, id: string, { user, messages }: View): Command {
    const recent = messages.slice(-RECENT_MESSAGES);
    const roll = random.next();
    const any = pickOften(random, 0.3, recent);
    const isOwn = ({ sender, deleted_at }: MessageBody) => sender.id === user && deleted_at === undefined;
    const own = pickOften(random, 0.4, recent.filter(isOwn)) ?? any;
    if (!any || !own || roll < 0.5) {
      const text = random.chance(0.01) ? "  " : this.#text(random, id);
      const replyTo = random.chance(0.02) ? UNKNOWN_SEQ : any && random.chance(0.2) ? any.seq : undefined;
      return { kind: "send", clientId: id, text, ...(replyTo !== undefined && { replyTo }) };
    }
    if (roll < 0.7)
      return {
        kind: "edit",
        seq: (random.chance(0.1) ? any : own).seq,
        text: this.#text(random, id),
      };
    if (roll < 0.94)
      return { kind: "react", seq: any.seq, emoji: random.pick(EMOJI), on: random.chance(0.7) };
    return { kind: "delete", seq: (random.chance(0.2) ? any : own).seq };
  }

  /** A text that begins with the command's id, and is therefore unique. */
  #text(random: Random, id: string): string {
    const roll = random.next();
    const { longTexts } = this.#options;
    let [min, max] = [0, 80];
    if (roll >= (longTexts ? 0.4 : 0.8)) [min, max] = longTexts || roll >= 0.96 ? [2000, 9000] : [80, 2000];
    const length = Math.floor(random.between(min, max));
    const filler = 'Grüße, "всем" 🙂\n'.repeat(Math.ceil(length / 16));
    return `${id} ${filler.slice(0, length).toWellFormed()}`.trim();
  }
}

/** Picks the newest with this probability, so that several clients change the same message at the same time; else any. */
function pickOften<T>(random: Random, newest: number, list: readonly T[]): T | undefined {
  if (random.chance(newest)) return list.at(-1);
  return list.length > 0 ? random.pick(list) : undefined;
}
