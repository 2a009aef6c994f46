import type { Message, Page } from "../../chat/model.ts";
import { encodeMessage } from "../../protocol/serialize.ts";

/** A page ends here, or at its limit: whatever comes first. */
export const MAX_PAGE_BYTES = 262_144;
/** Messages per read: a message may have up to some 150 KiB with its reactions, and a page does not need all of them. */
const SLICE_SIZE = 16;
/** Reads for one page of changes. A read finds nothing where every message has changed since it was created. */
const MAX_READS_OF_CHANGES = 16;

export interface EncodedPage {
  /** In the order in which they were read. */
  items: string[];
  /** The last message that was read. Undefined for an empty page. */
  last: Message | undefined;
  bytes: number;
}

/**
 * Reads and encodes messages until there are `limit` of them, or until another one would exceed `maxBytes`. There are at least
 * `minItems`, unless the room has fewer. `read` returns up to `count` messages that follow `last`.
 */
export async function readPage(
  limit: number,
  read: (last: Message | undefined, count: number) => Promise<readonly Message[]>,
  { maxBytes = MAX_PAGE_BYTES, minItems = 1 } = {},
): Promise<EncodedPage> {
  const items: string[] = [];
  let last: Message | undefined;
  let bytes = 0;
  while (items.length < limit) {
    const count = Math.min(SLICE_SIZE, limit - items.length);
    const messages = await read(last, count);
    for (const message of messages) {
      const item = encodeMessage(message);
      const length = Buffer.byteLength(item) + 1;
      if (bytes + length > maxBytes && items.length >= minItems) return { items, last, bytes };
      items.push(item);
      bytes += length;
      last = message;
    }
    if (messages.length < count) break;
  }
  return { items, last, bytes };
}

/** The first of these items that fit into a page: at least one. Those that follow are not encoded. */
export function fill(items: Iterable<string>): string[] {
  const page: string[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += Buffer.byteLength(item) + 1;
    if (bytes > MAX_PAGE_BYTES && page.length > 0) break;
    page.push(item);
  }
  return page;
}

/**
 * Reads and encodes changes in the same way, but gives up after some reads: there may be none, with more after the `rev` that is
 * reached and returned. `read` returns a page of changes after a `rev`.
 */
export async function readChanges(
  limit: number,
  since: number,
  read: (rev: number, count: number) => Promise<Page>,
): Promise<{ items: string[]; rev: number }> {
  const items: string[] = [];
  let rev = since;
  let bytes = 0;
  for (let reads = 0; reads < MAX_READS_OF_CHANGES && items.length < limit; reads++) {
    const start = rev;
    // With fewer than that, a small limit would make small steps where nothing is found.
    const page = await read(start, SLICE_SIZE);
    for (const message of page.messages) {
      const item = encodeMessage(message);
      bytes += Buffer.byteLength(item) + 1;
      if (items.length === limit || (bytes > MAX_PAGE_BYTES && items.length > 0)) return { items, rev };
      items.push(item);
      ({ rev } = message);
    }
    // The end of the room.
    if (page.rev === start) break;
    ({ rev } = page);
  }
  return { items, rev };
}
