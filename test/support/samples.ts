import type { Action, Actor, Draft, Message, RoomKey, RoomSummary } from "../../src/chat/model.ts";
import type { Outcome } from "../../src/chat/store.ts";
import type { RoomSummaryBody } from "../../src/protocol/frames.ts";
import { encodeSummary } from "../../src/protocol/serialize.ts";

/** The settings of a room, as clients get them, unless it was given others. */
export const defaultSettingsBody = { access: "members", posting: "members", slow_mode: 0 } as const;

/** A user who is in no store. */
export function actor(key: number, admin = false): Actor {
  return { key, id: `sub|${key}`, email: `user-${key}@example.com`, name: null, admin };
}

export function draft(room: RoomKey, text: string, sender = actor(1)): Draft {
  return { room, actor: sender, at: 0, action: send(text) };
}

export function send(
  text: string,
  clientId: string | null = null,
  replyTo: number | null = null,
  meta: string | null = null,
): Action {
  return { type: "send", text, clientId, replyTo, meta };
}

/** A message that was not changed since it was sent, unless `rev` says so. */
export function message(seq: number, rev = seq, text = `text ${seq}`): Message {
  const sent = { sender: actor(1), sentAt: 0, clientId: null, replyTo: null, meta: null, mentions: null };
  return { ...sent, seq, rev, text, editedAt: rev === seq ? null : 1, deletedAt: null, reactions: [] };
}

/** An outcome in one line: what was done or why not, and `seq/rev` of the ack or the `seq` of a conflict. */
export function outcomeLine(outcome: Outcome): string {
  if ("refused" in outcome) return [outcome.refused, ...Object.values(outcome.details ?? {})].join(" ");
  const { ack, change, mark } = outcome;
  return `${change?.kind ?? (mark ? "marked" : "unchanged")} ${ack.seq}/${ack.rev}`;
}

/** Resolves when everything has happened that waits for nothing from outside. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The numbers `from` to `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

/** A room's summary as clients get it. */
export function summaryBody(summary: RoomSummary): RoomSummaryBody {
  return JSON.parse(encodeSummary(summary)) as RoomSummaryBody;
}
