import type { RoomSummary } from "../../src/client/index.ts";
import type { Report } from "./checker.ts";
import type { StoredRoom, StoredSummary } from "./database.ts";
import { canonical, type Counted } from "./history.ts";

/** What a client's list of rooms shows. */
export interface ListView {
  name: string;
  rooms: readonly RoomSummary[];
  /** Unread messages in all rooms. */
  unread: number;
}

/** UTF-16 units of the text of a last message. */
const MAX_LAST_TEXT_LENGTH = 200;

/**
 * What a list still lacks: rooms, their names, the user's roles and marks, their changes up to the newest `rev`, and the last
 * messages, for which a client may have to look. What it counts must be right at any time, so that there is nothing to wait for.
 */
export function missingInList(
  { name, rooms }: Pick<ListView, "name" | "rooms">,
  stored: readonly StoredSummary[],
) {
  const missing: string[] = [];
  const known = new Set(stored.map(({ id }) => id));
  for (const { id } of rooms)
    if (!known.has(id)) missing.push(`${name} shows ${id}, which its user is not in`);
  const shown = new Map(rooms.map((room) => [room.id, room]));
  for (const expected of stored) {
    const room = shown.get(expected.id);
    if (!room) {
      missing.push(`${name} does not show ${expected.id}`);
      continue;
    }
    for (const key of ["created_at", "name", "role", "rev", "read"] as const)
      if (room[key] !== expected[key])
        missing.push(`${name} shows ${room.id} with ${key} ${room[key]}, stored is ${expected[key]}`);
    const last = room.last_message?.seq ?? null;
    if (last !== expected.last)
      missing.push(`${name} shows ${last} as the last message of ${room.id}, stored is ${expected.last}`);
  }
  return missing;
}

/** A list that lacks nothing has the right counts, the last messages as stored, and the right order. */
export function checkList(
  { name, rooms, unread }: ListView,
  stored: readonly StoredSummary[],
  storedRooms: ReadonlyMap<string, StoredRoom>,
  report: Report,
): void {
  for (const missing of missingInList({ name, rooms }, stored)) report(missing);
  const expectedOf = new Map(stored.map((room) => [room.id, room]));
  for (const { id, seq, unread: counted, last_message: last } of rooms) {
    const expected = expectedOf.get(id);
    if (!expected) continue;
    if (seq !== expected.seq) report(`${name} shows ${id} with seq ${seq}, stored is ${expected.seq}`);
    if (counted !== expected.unread)
      report(`${name} counts ${counted} unread in ${id}, not ${expected.unread}`);
    const body = storedRooms.get(id)?.messages[(expected.last ?? 0) - 1]?.body;
    if (last && body && canonical(last) !== canonical({ ...body, text: shortened(body.text) }))
      report(`${name} shows ${canonical(last)} as the last message of ${id}; stored is ${canonical(body)}`);
  }
  const total = stored.reduce((sum, room) => sum + room.unread, 0);
  if (unread !== total) report(`${name} counts ${unread} unread in all rooms, not ${total}`);
  const order = stored.toSorted((a, b) => byActivity(a, b, storedRooms)).map(({ id }) => id);
  const shown = rooms.map(({ id }) => id);
  if (shown.join() !== order.join())
    report(`${name} shows the rooms as ${shown.join()}, not ${order.join()}`);
}

/**
 * What lists counted during the run was right as of the `rev` for which they counted it. While a client catches up, the newest
 * messages may be missing if they were changed after that `rev`: a resume has each message at its last change only.
 */
export function checkCounts(
  room: StoredRoom,
  observed: Iterable<Counted & { client: string }>,
  report: Report,
): void {
  const { messages } = room;
  for (const { client, seq, rev, read, unread } of observed) {
    const at = `${client} at rev ${rev} of ${room.id}`;
    if (rev > room.rev) {
      report(`${at}: the room is at ${room.rev}`);
      continue;
    }
    const created = messages.filter(({ createdRev }) => createdRev <= rev);
    const later = created.splice(seq);
    if (created.length < seq || later.some(({ body }) => body.rev <= rev))
      report(`${at}: seq is ${seq}, not ${created.length + later.length}`);
    // A deleted message does not change any more: its `rev` is that of the deletion.
    const present = created.filter(({ body }) => body.deleted_at === undefined || body.rev > rev);
    const expected = present.filter(({ body }) => body.seq > read).length;
    if (unread !== expected) report(`${at}, read up to ${read}: ${unread} unread, not ${expected}`);
  }
}

function shortened(text: string): string {
  return text.length > MAX_LAST_TEXT_LENGTH
    ? text.slice(0, MAX_LAST_TEXT_LENGTH).replace(/[\ud800-\udbff]$/, "")
    : text;
}

/** Most recent activity first: that of the last message, or the creation of a room without one. */
function byActivity(a: StoredSummary, b: StoredSummary, rooms: ReadonlyMap<string, StoredRoom>): number {
  const activityAt = ({ id, last, created_at }: StoredSummary) =>
    rooms.get(id)?.messages[(last ?? 0) - 1]?.body.sent_at ?? created_at;
  const [timeA, timeB] = [activityAt(a), activityAt(b)];
  if (timeA === timeB) return a.id < b.id ? -1 : 1;
  return timeA > timeB ? -1 : 1;
}
