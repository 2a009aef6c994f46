import type { MessageBody } from "../../src/protocol/frames.ts";
import type { Row, StoredRoom } from "./database.ts";
import { canonical, type Ledger, type Operation } from "./ledger.ts";
import type { Seat } from "./seat.ts";
import type { ClassicWitness, Witness } from "./witness.ts";

type Complain = (what: string) => void;
type Acked = Operation & { outcome: { type: "acked"; seq: number; rev: number } };

const isAcked = (operation: Operation): operation is Acked => operation.outcome?.type === "acked";
const isUnknown = ({ outcome }: Operation) => outcome?.type === "unknown";

/** Compares a room in the database with what its clients were told, operation by operation. */
export function judgeRoom(id: string, stored: StoredRoom, ledger: Ledger, complain: Complain): void {
  const operations = ledger.operations.filter(({ room }) => room === id);
  judgeNumbers(stored, complain);
  judgeRevs(id, stored, ledger, operations, complain);
  judgeSends(stored, operations, complain);
  const bySeq = Map.groupBy(
    operations.filter(({ kind, seq }) => kind !== "send" && seq !== undefined),
    ({ seq }) => seq,
  );
  const sent = new Map(operations.map(({ clientId, text }) => [clientId, text]));
  for (const row of stored.rows) judgeMessage(row, bySeq.get(row.body.seq) ?? [], sent, ledger, complain);
  const edits = operations.filter(({ kind }) => kind === "edit" || kind === "send");
  judgeRefused(stored, edits, complain);
  judgeMarks(stored, operations, complain);
}

function judgeNumbers({ seq, rev, rows }: StoredRoom, complain: Complain): void {
  if (rows.length !== seq) complain(`the room's seq is ${seq}, and it has ${rows.length} messages`);
  let before = 0;
  const revs = new Set<number>();
  const clientIds = new Set<string>();
  for (const [index, { createdRev, body }] of rows.entries()) {
    if (body.seq !== index + 1) complain(`message ${index + 1} has seq ${body.seq}`);
    if (createdRev <= before)
      complain(`message ${body.seq} was created at rev ${createdRev}, after ${before}`);
    before = createdRev;
    if (body.rev < createdRev || body.rev > rev)
      complain(`message ${body.seq} has rev ${body.rev} of ${rev}`);
    if (revs.has(body.rev)) complain(`two messages have rev ${body.rev}`);
    revs.add(body.rev);
    const key = `${body.sender.id} ${body.client_id}`;
    if (clientIds.has(key)) complain(`client_id ${key} is there twice, with ${body.seq}`);
    clientIds.add(key);
  }
}

/** Each `rev` was made by one command: its ack came, somebody saw what it made, or its ack was lost with a connection. */
function judgeRevs(
  id: string,
  { rev: last, rows }: StoredRoom,
  ledger: Ledger,
  operations: Operation[],
  complain: Complain,
): void {
  const seen = ledger.seen(id);
  const accounted = new Set<number>(seen.keys());
  for (const { createdRev, body } of rows) {
    accounted.add(createdRev).add(body.rev);
    const hash = seen.get(body.rev);
    if (hash !== undefined && hash !== Bun.hash(canonical(body)))
      complain(`rev ${body.rev} was seen otherwise than it is stored: ${canonical(body)}`);
  }
  for (const { outcome } of operations.filter(isAcked)) accounted.add(outcome.rev);
  for (const rev of accounted)
    if (rev < 1 || rev > last) complain(`rev ${rev} was told, and the room has ${last}`);
  const missing = last - accounted.size;
  const lost = ledger.lost.get(id) ?? 0;
  ledger.count("revs nobody saw", missing);
  if (missing > lost) complain(`${missing} revs were seen by nobody, and ${lost} acks may have been lost`);
}

function judgeSends({ rows }: StoredRoom, operations: Operation[], complain: Complain): void {
  const byClientId = new Map(rows.map((row) => [row.body.client_id, row]));
  const asked = new Set<string>();
  const lastSeq = new Map<string, number>();
  for (const operation of operations) {
    if (operation.kind !== "send") continue;
    const { clientId = "", seat, number, text, user, replyTo } = operation;
    asked.add(clientId);
    const row = byClientId.get(clientId);
    const name = `send ${number} of ${seat}`;
    if (row) {
      const { body } = row;
      if (body.sender.id !== user) complain(`${name} was stored as ${body.sender.id}'s`);
      if (body.reply_to !== replyTo)
        complain(`${name} answers ${replyTo}, and is stored with ${body.reply_to}`);
      // One command at a time, so that what is sent first is stored first; but for the last one before a client is closed.
      if (!isUnknown(operation)) {
        if (body.seq <= (lastSeq.get(seat) ?? 0)) complain(`${name} was stored as ${body.seq}, out of order`);
        lastSeq.set(seat, body.seq);
      }
    }
    if (isAcked(operation)) {
      const { seq, rev } = operation.outcome;
      if (!row) complain(`${name} was acked as ${seq}, and is not there: ${text?.slice(0, 60)}`);
      else if (row.body.seq !== seq || row.createdRev !== rev)
        complain(`${name} was acked as ${seq} at ${rev}, and is ${row.body.seq} at ${row.createdRev}`);
    } else if (row && !isUnknown(operation)) {
      complain(`${name} is there as ${row.body.seq}, and was told ${JSON.stringify(operation.outcome)}`);
    }
  }
  for (const { body } of rows)
    if (!asked.has(body.client_id ?? "")) complain(`nobody has sent message ${body.seq}`);
}

/** A message is what the latest of the commands about it that were acked made of it, or one whose outcome nobody knows. */
function judgeMessage(
  { body }: Row,
  operations: Operation[],
  sent: ReadonlyMap<string | undefined, string | undefined>,
  ledger: Ledger,
  complain: Complain,
): void {
  const { seq } = body;
  const of = (kind: Operation["kind"]) => operations.filter((operation) => operation.kind === kind);
  const acked = operations.filter(isAcked);
  for (const { number, outcome } of acked) {
    if (outcome.seq !== seq) complain(`operation ${number} on ${seq} was acked for ${outcome.seq}`);
    if (outcome.rev > body.rev)
      complain(`operation ${number} on ${seq} was acked at ${outcome.rev} > ${body.rev}`);
  }
  const deletions = of("delete");
  if (body.deleted_at !== undefined) {
    if (!deletions.some((operation) => isAcked(operation) || isUnknown(operation)))
      complain(`nobody has deleted ${seq}`);
    if (body.text !== "" || body.reactions.length > 0)
      complain(`${seq} is deleted, and has a text or reactions`);
    return;
  }
  if (deletions.some(isAcked)) complain(`${seq} was deleted, and is there`);

  const edits = of("edit");
  const last = latest(edits.filter(isAcked));
  const open = edits.filter((edit) => isUnknown(edit) || mayComeLate(edit, last, body));
  const texts = [last?.text ?? sent.get(body.client_id), ...open.map(({ text }) => text)];
  if (body.text !== texts[0] && open.some((edit) => isAcked(edit) && edit.text === body.text))
    ledger.count("edits that came once more, late");
  if (!texts.includes(body.text))
    complain(`${seq} should read ${texts.join(" or ")}, and reads ${body.text}`);

  const reactions = of("react");
  const wanted = Map.groupBy(reactions, ({ user, emoji }) => `${emoji} ${user}`);
  const there = new Set(body.reactions.flatMap(({ emoji, by }) => by.map((user) => `${emoji} ${user}`)));
  for (const key of there) if (!wanted.has(key)) complain(`${seq} has ${key}, for which nobody asked`);
  for (const [key, asked] of wanted) {
    if (asked.some(isUnknown)) continue;
    const newest = latest(asked.filter(isAcked));
    const on = newest?.on ?? false;
    const late = asked.some((reaction) => reaction.on !== on && mayComeLate(reaction, newest, body));
    if (there.has(key) !== on && late) ledger.count("reactions that came once more, late");
    else if (there.has(key) !== on) complain(`${seq} should have ${key}: ${on}`);
  }
}

/** Whether a repeated command may have come once more after the last one that was acked. */
function mayComeLate({ repeated }: Operation, last: Acked | undefined, { rev }: MessageBody): boolean {
  return repeated === true && rev > (last?.outcome.rev ?? 0);
}

function latest(operations: Acked[]): Acked | undefined {
  let found: Acked | undefined;
  for (const operation of operations)
    if (!found || operation.outcome.rev >= found.outcome.rev) found = operation;
  return found;
}

/** What was refused for what it is, rather than for what became of its message, was never there. */
function judgeRefused({ rows }: StoredRoom, operations: Operation[], complain: Complain): void {
  const texts = new Map(rows.map(({ body }) => [body.text, body.seq]));
  for (const { outcome, text = "", number } of operations) {
    if (outcome?.type !== "refused" || outcome.code === "message_not_found") continue;
    if (texts.has(text)) complain(`operation ${number} was refused, and is in ${texts.get(text)}`);
  }
}

/** Who has sent something has read it. */
function judgeMarks({ seq, rows, marks }: StoredRoom, operations: Operation[], complain: Complain): void {
  for (const user of new Set(operations.map((operation) => operation.user))) {
    const own = rows.findLast(({ body }) => body.sender.id === user)?.body.seq ?? 0;
    const mark = marks.get(user) ?? 0;
    if (mark < own || mark > seq)
      complain(`${user} has read up to ${mark}; his last message is ${own} of ${seq}`);
  }
}

/** A client's window is the end of the room, message by message. */
export function judgeSeat({ name, room, whole, keep }: Seat, rows: Row[], complain: Complain): void {
  const { messages } = room;
  if (room.pending.length > 0) complain(`${name} still has ${room.pending.length} pending`);
  if (messages.at(-1)?.seq !== rows.at(-1)?.body.seq) complain(`${name} ends with ${messages.at(-1)?.seq}`);
  if (whole && messages.length !== rows.length) complain(`${name} has ${messages.length} of ${rows.length}`);
  if (messages.length > keep) complain(`${name} keeps ${messages.length}, more than ${keep}`);
  judgeMessages(name, messages, rows.slice(-messages.length), complain);
}

export function judgeWitness(witness: Witness, name: string, rows: Row[], complain: Complain): void {
  const messages = [...witness.messages.values()].toSorted((a, b) => a.seq - b.seq);
  if (messages.length !== rows.length) complain(`${name} has ${messages.length} of ${rows.length}`);
  judgeMessages(name, messages, rows, complain);
}

function judgeMessages(
  name: string,
  messages: readonly MessageBody[],
  rows: Row[],
  complain: Complain,
): void {
  for (const [index, { body }] of rows.entries()) {
    const [is, should] = [messages[index], canonical(body)];
    if (is && canonical(is) !== should) complain(`${name} has ${canonical(is)}, and it is ${should}`);
  }
}

/** Texts in the order of their messages, none twice in a connection; some may be missed while there is none. */
export function judgeClassic(
  witness: ClassicWitness,
  operations: Operation[],
  rows: Row[],
  complain: Complain,
): void {
  const byClientId = new Map(rows.map(({ body }) => [body.client_id, body.seq]));
  const seqOf = new Map<string, number | undefined>();
  for (const { room, kind, text, seq, clientId } of operations) {
    if (room !== witness.roomId || text === undefined) continue;
    seqOf.set(text, kind === "edit" ? seq : byClientId.get(clientId));
  }
  for (const { history, live } of witness.heard) {
    let before = 0;
    // A deleted message has its place in the history, and no text.
    for (const text of [...history.filter((each) => each !== ""), ...live]) {
      const seq = seqOf.get(text) ?? 0;
      if (seq === 0) complain(`classic heard what nobody said: ${text.slice(0, 60)}`);
      else if (seq <= before) complain(`classic heard ${seq} after ${before}`);
      before = seq;
    }
  }
}
