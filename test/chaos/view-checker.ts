import type { MessageBody } from "../../src/protocol/frames.ts";
import type { Report } from "./checker.ts";
import type { StoredMessage, StoredRoom } from "./database.ts";
import { canonical, ofKind, type Operation } from "./history.ts";

/** What a client or an observer shows in the end. */
export interface FinalView {
  name: string;
  /** Ascending by `seq`. */
  messages: readonly MessageBody[];
  pending: number;
  /** Messages that it keeps; undefined keeps all. */
  keep: number | undefined;
}

/** A view has the newest messages, all of those that it keeps, as they are stored. */
export function checkView(view: FinalView, stored: readonly StoredMessage[], report: Report): void {
  const { name, messages, pending, keep } = view;
  if (pending > 0) report(`${name} still has ${pending} pending`);
  const count = Math.min(stored.length, keep ?? Infinity);
  if (messages.length !== count) report(`${name} has ${messages.length} messages, not ${count}`);
  const expected = stored.slice(stored.length - messages.length);
  for (const [index, message] of messages.entries()) {
    const body = expected[index]?.body;
    if (body && canonical(message) !== canonical(body))
      report(`${name} has ${canonical(message)}; stored is ${canonical(body)}`);
  }
}

/**
 * Nobody is shown as having read more than they have. A mark may be behind: a move is not told while a room is being opened,
 * nor to slow readers, nor is the mark of a new member.
 */
export function checkReads(
  name: string,
  reads: ReadonlyMap<string, number>,
  { members, readMarks }: Pick<StoredRoom, "members" | "readMarks">,
  report: Report,
): void {
  for (const [user, mark] of reads) {
    const stored = readMarks.get(user) ?? 0;
    if (members.has(user) && mark > stored)
      report(`${name} shows ${mark} as the mark of ${user}; stored is ${stored}`);
  }
}

/** A classic connection gets texts in the order of their messages, none twice. It may miss some while it is away. */
export function checkClassic(
  connections: readonly { history: string[]; live: string[] }[],
  stored: readonly StoredMessage[],
  operations: readonly Operation[],
  report: Report,
): void {
  const byClientId = new Map(stored.map(({ body }) => [body.client_id, body.seq]));
  const seqOf = new Map<string, number | undefined>();
  for (const { clientId, text } of ofKind(operations, "send")) seqOf.set(text, byClientId.get(clientId));
  for (const { seq, text } of ofKind(operations, "edit")) seqOf.set(text, seq);
  for (const { history, live } of connections) {
    let previous = 0;
    // A deleted message is in the history with an empty text.
    for (const text of [...history.filter((each) => each !== ""), ...live]) {
      const seq = seqOf.get(text) ?? 0;
      if (seq === 0) report(`the classic observer got a text that nobody sent: ${text.slice(0, 60)}`);
      else if (seq <= previous) report(`the classic observer got ${seq} after ${previous}`);
      previous = seq;
    }
  }
}

export interface PresenceView {
  name: string;
  online: readonly { id: string | null }[];
}

/** Differences between who is connected to a room and who a client shows as online. */
export function presenceErrors(connected: ReadonlySet<string>, { name, online }: PresenceView): string[] {
  const shown = new Set(online.map(({ id }) => id ?? ""));
  if (shown.size < online.length) return [`${name} shows a user as online twice`];
  const [missing, extra] = [connected.difference(shown), shown.difference(connected)];
  return [
    ...[...missing].map((user) => `${name} does not show ${user}, who is online`),
    ...[...extra].map((user) => `${name} shows ${user}, who is offline`),
  ];
}
