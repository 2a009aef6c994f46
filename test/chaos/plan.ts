import { type Ack, type MessageBody, ParleyError } from "../../src/client/index.ts";
import { Dice } from "./dice.ts";
import type { Kind, Ledger, Operation, Outcome } from "./ledger.ts";
import type { Seat } from "./seat.ts";

export interface PlanOptions {
  seed: number;
  ledger: Ledger;
  /** Called whenever an operation has its outcome. */
  settled: () => void;
}

export const emoji = ["👍", "🎉", "❤️", "+1"];

/** Long ones are rare, as among people, but there: many of them in a wordy room. */
function text(dice: Dice, mark: string, wordy: boolean): string {
  const roll = dice.next();
  const [least, most] =
    roll < (wordy ? 0.4 : 0.8) ? [0, 80] : roll < 0.96 && !wordy ? [80, 2000] : [2000, 9000];
  const length = Math.floor(dice.between(least, most));
  const filler = 'Grüße, "всем" 🙂\n'.repeat(Math.ceil(length / 16));
  return `${mark} ${filler.slice(0, length).toWellFormed()}`.trim();
}

/**
 * Does what the plan has for a client: the same for the same seed, as far as what it acts on is there in time. Each
 * operation draws from dice of its own, so that one that goes differently changes no other.
 */
export async function carryOut(seat: Seat, quota: number, options: PlanOptions): Promise<void> {
  const dice = new Dice(options.seed, seat.name);
  /** Commands that wait at the same time. */
  const depth = 1 + dice.below(4);
  const partings = new Map<number, boolean>();
  // Some twice, and some not at all.
  for (let at = dice.below(quota); at < quota; at += (quota >> 2) + dice.below(quota))
    partings.set(at, dice.chance(0.4));
  let next = 0;
  seat.left = quota;
  const work = async () => {
    while (next < quota && !seat.closed) {
      const index = next++;
      const anew = partings.get(index);
      if (anew !== undefined) seat.leaveAndReturn(anew);
      await seat.room.ready.catch(() => undefined);
      await perform(seat, new Dice(options.seed, `${seat.name}/${index}`), options);
      seat.left--;
    }
  };
  await Promise.all(Array.from({ length: depth }, work));
}

async function perform(seat: Seat, dice: Dice, { ledger, settled }: PlanOptions): Promise<void> {
  besides(seat, dice, ledger);
  const { room } = seat;
  const about = (kind: Kind) => ({ kind, room: seat.roomId, seat: seat.name, user: seat.user });
  const recent = room.messages.slice(-80);
  const roll = dice.next();
  // Often the newest, so that one client changes a message twice in a short time, and several do at once.
  const any = dice.chance(0.3) ? recent.at(-1) : recent.length > 0 ? dice.pick(recent) : undefined;
  const own = ownMessage(seat, recent, dice) ?? any;
  const mark = `${seat.name}#${ledger.operations.length}`;
  let operation: Operation;
  let done: Promise<Ack>;
  if (!any || !own || roll < 0.5) {
    const words = dice.chance(0.01) ? "  " : text(dice, mark, seat.wordy);
    const replyTo = dice.chance(0.02) ? 1_000_000 : any && dice.chance(0.2) ? any.seq : undefined;
    const options = replyTo === undefined ? {} : { replyTo };
    done = room.send(words, options);
    const clientId = room.pending.at(-1)?.clientId;
    operation = ledger.begin({ ...about("send"), text: words, ...(clientId && { clientId }), ...options });
  } else if (roll < 0.7) {
    const { seq } = dice.chance(0.1) ? any : own;
    const words = text(dice, mark, seat.wordy);
    done = room.edit(seq, words);
    operation = ledger.begin({ ...about("edit"), seq, text: words });
  } else if (roll < 0.94) {
    const { seq } = any;
    const [which, on] = [dice.pick(emoji), dice.chance(0.7)];
    done = room.react(seq, which, on);
    operation = ledger.begin({ ...about("react"), seq, emoji: which, on });
  } else {
    const { seq } = dice.chance(0.2) ? any : own;
    done = room.remove(seq);
    operation = ledger.begin({ ...about("delete"), seq });
  }
  const { losses } = seat;
  operation.outcome = await outcome(done);
  operation.repeated = seat.losses > losses;
  const { outcome: what } = operation;
  ledger.count(what.type === "refused" ? `refused: ${what.code}` : what.type);
  settled();
}

/** What is not counted: it is not for ever. */
function besides({ room }: Seat, dice: Dice, ledger: Ledger): void {
  if (dice.chance(0.05)) void room.read();
  if (dice.chance(0.05)) room.typing();
  if (!dice.chance(0.02)) return;
  room.older(1 + dice.below(100)).then(
    (page) => ledger.count("older messages read", page.length),
    // The network was away, which is no wonder here.
    () => ledger.count("older messages not read"),
  );
}

function ownMessage({ user }: Seat, messages: readonly MessageBody[], dice: Dice): MessageBody | undefined {
  const own = messages.filter(({ sender, deleted_at }) => sender.id === user && deleted_at === undefined);
  if (dice.chance(0.4)) return own.at(-1);
  return own.length > 0 ? dice.pick(own) : undefined;
}

async function outcome(done: Promise<Ack>): Promise<Outcome> {
  try {
    return { type: "acked", ...(await done) };
  } catch (error) {
    if (!(error instanceof ParleyError)) throw error;
    return error.code === "closed" ? { type: "unknown" } : { type: "refused", code: error.code };
  }
}
