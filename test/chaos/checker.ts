import type { MessageBody } from "../../src/protocol/frames.ts";
import type { StoredRoom } from "./database.ts";
import {
  canonical,
  fingerprint,
  type History,
  isAcked,
  isUnknown,
  ofKind,
  type Operation,
} from "./history.ts";
import { modelMessage, reactionKey } from "./model.ts";

/** Called with each violation. */
export type Report = (violation: string) => void;

/** Compares a stored room with what clients asked for, were answered and were shown. */
export function checkRoom(room: StoredRoom, history: History, report: Report): void {
  const operations = history.operationsOn(room.id);
  checkNumbers(room, report);
  checkRevs(room, history, operations, report);
  checkSends(room, operations, report);
  const sentTexts = new Map(ofKind(operations, "send").map(({ clientId, text }) => [clientId, text]));
  const changes = Map.groupBy(
    operations.filter((operation) => operation.kind !== "send" && operation.kind !== "read"),
    ({ seq }) => seq,
  );
  for (const { body } of room.messages)
    checkMessage(body, sentTexts.get(body.client_id ?? ""), changes.get(body.seq) ?? [], report);
  checkRefusedTexts(room, operations, report);
  checkReadMarks(room, operations, report);
}

/** `seq` has no gaps, and `rev` and `client_id` are unique. */
function checkNumbers({ seq, rev, messages }: StoredRoom, report: Report): void {
  if (messages.length !== seq) report(`the room's seq is ${seq}, and it has ${messages.length} messages`);
  let previous = 0;
  const revs = new Set<number>();
  const clientIds = new Set<string>();
  for (const [index, { createdRev, body }] of messages.entries()) {
    if (body.seq !== index + 1) report(`message ${index + 1} has seq ${body.seq}`);
    if (createdRev <= previous)
      report(`message ${body.seq} was created at rev ${createdRev}, after ${previous}`);
    previous = createdRev;
    if (body.rev < createdRev || body.rev > rev)
      report(`message ${body.seq} has rev ${body.rev}, outside ${createdRev} to ${rev}`);
    if (revs.has(body.rev)) report(`two messages have rev ${body.rev}`);
    revs.add(body.rev);
    const clientId = `${body.sender.id} ${body.client_id}`;
    if (clientIds.has(clientId)) report(`message ${body.seq} was stored twice: client_id ${clientId}`);
    clientIds.add(clientId);
  }
}

/** Each `rev` is known from a stored message, an ack or an observer. Only what a lost connection hid may be unknown. */
function checkRevs(
  room: StoredRoom,
  history: History,
  operations: readonly Operation[],
  report: Report,
): void {
  const seen = history.seenIn(room);
  const known = new Set(seen.keys());
  for (const { createdRev, body } of room.messages) {
    known.add(createdRev).add(body.rev);
    const hash = seen.get(body.rev);
    if (hash !== undefined && hash !== fingerprint(body))
      report(`rev ${body.rev} was seen in another state than the stored ${canonical(body)}`);
  }
  const changes = operations.filter(({ kind }) => kind !== "read");
  for (const { outcome } of changes.filter(isAcked)) known.add(outcome.rev);
  for (const rev of known)
    if (rev < 1 || rev > room.rev) report(`rev ${rev} was reported, and the room is at ${room.rev}`);
  const unknown = room.rev - known.size;
  history.count("revs nobody saw", unknown);
  const lost = changes.reduce((sum, each) => sum + each.losses + (isUnknown(each) ? 1 : 0), 0);
  if (unknown > lost) report(`nobody saw ${unknown} revs, and only ${lost} acks may have been lost`);
}

/** Each acked message is stored once, as acked, in the order of sending; nothing else is stored. */
function checkSends({ messages }: StoredRoom, operations: readonly Operation[], report: Report): void {
  const byClientId = new Map(messages.map((message) => [message.body.client_id, message]));
  const sent = new Set<string>();
  const lastSeq = new Map<string, number>();
  for (const operation of ofKind(operations, "send")) {
    const { clientId, client, user, replyTo, text, meta, outcome } = operation;
    const name = `send ${clientId}`;
    sent.add(clientId);
    const stored = byClientId.get(clientId);
    if (!stored) {
      if (isAcked(operation)) report(`${name} was acked, and is lost: ${text.slice(0, 60)}`);
      continue;
    }
    const { createdRev, body } = stored;
    if (body.sender.id !== user) report(`${name} by ${user} was stored as sent by ${body.sender.id}`);
    if (body.reply_to !== replyTo) report(`${name} replies to ${replyTo}, stored as ${body.reply_to}`);
    const isMetaKept =
      body.deleted_at === undefined ? body.meta?.["of"] === meta?.of : body.meta === undefined;
    if (!isMetaKept) report(`${name} has the metadata ${JSON.stringify(body.meta)}`);
    if (isUnknown(operation)) continue;
    if (body.seq <= (lastSeq.get(client) ?? 0)) report(`${name} was stored out of order, as ${body.seq}`);
    lastSeq.set(client, body.seq);
    if (!isAcked(operation))
      report(`${name} was stored as ${body.seq}, and was answered with ${JSON.stringify(outcome)}`);
    else if (operation.outcome.seq !== body.seq || operation.outcome.rev !== createdRev)
      report(`${name} was acked as ${JSON.stringify(outcome)}, stored as ${body.seq} at ${createdRev}`);
  }
  for (const { body } of messages)
    if (!sent.has(body.client_id ?? "")) report(`message ${body.seq} was sent by nobody`);
}

/** A message is in a state that the operations on it lead to. */
function checkMessage(
  body: MessageBody,
  sentText: string | undefined,
  operations: readonly Operation[],
  report: Report,
): void {
  const { seq } = body;
  for (const { index, outcome } of operations.filter(isAcked)) {
    if (outcome.seq !== seq) report(`operation ${index} on message ${seq} was acked for ${outcome.seq}`);
    if (outcome.rev > body.rev)
      report(`operation ${index} on message ${seq} was acked at ${outcome.rev} > ${body.rev}`);
  }
  const model = modelMessage(sentText, operations, body);
  const deleted = body.deleted_at !== undefined;
  if (model.deleted === !deleted) report(`message ${seq} is deleted: ${deleted}; expected ${model.deleted}`);
  if (deleted) {
    if (body.text !== "" || body.reactions.length > 0)
      report(`message ${seq} is deleted, and has a text or reactions`);
    return;
  }
  if (!model.texts.includes(body.text))
    report(`message ${seq} reads ${body.text}; expected ${model.texts.join(" or ")}`);
  const reactions = new Set(
    body.reactions.flatMap(({ emoji, by }) => by.map((user) => reactionKey(emoji, user))),
  );
  for (const key of reactions) if (!model.reactions.has(key)) report(`message ${seq} has ${key} from nobody`);
  for (const [key, expected] of model.reactions)
    if (expected === !reactions.has(key))
      report(`message ${seq} has ${key}: ${!expected}; expected ${expected}`);
}

/** A text that was refused is not stored. */
function checkRefusedTexts({ messages }: StoredRoom, operations: readonly Operation[], report: Report): void {
  const seqOf = new Map(messages.map(({ body }) => [body.text, body.seq]));
  for (const operation of operations) {
    if (operation.outcome?.type !== "refused" || !("text" in operation)) continue;
    const seq = seqOf.get(operation.text);
    // A retried edit may have been applied before its message was deleted.
    if (operation.outcome.code !== "message_not_found" && seq !== undefined)
      report(`operation ${operation.index} was refused, and its text is in message ${seq}`);
  }
}

/** Members have read what they sent, and up to where they said that they have. */
function checkReadMarks(room: StoredRoom, operations: readonly Operation[], report: Report): void {
  for (const user of room.members) {
    const ownSeq = room.messages.findLast(({ body }) => body.sender.id === user)?.body.seq ?? 0;
    const acked = ofKind(operations, "read").filter((each) => each.user === user && isAcked(each));
    const least = Math.max(ownSeq, ...acked.map(({ seq }) => Math.min(seq, room.seq)));
    const mark = room.readMarks.get(user) ?? 0;
    if (mark < least || mark > room.seq)
      report(`${user} has read up to ${mark}, outside ${least} to ${room.seq}`);
  }
  for (const user of room.readMarks.keys())
    if (!room.members.has(user)) report(`${user} is not a member, and has a read mark`);
}
