import { ChatError } from "./errors.ts";
import type { Actor, Message } from "./model.ts";
import type { Rooms } from "./rooms.ts";
import { type Cursor, formatCursor, type LastResult, parseCursor } from "./search-cursor.ts";
import type { Candidate, Place, SearchIndex, SearchScope } from "./search-index.ts";
import { isSender, matchText, type Snippet, snippetOf, type Span } from "./search-match.ts";
import { parseQuery, parseSender, type SearchQuery } from "./search-query.ts";
import { SearchTurns, type SearchWork } from "./search-turns.ts";

export interface SearchRequest {
  /** In the language of `parseQuery`. */
  query: string;
  /** The id of the only room to search in. */
  room?: string | undefined;
  /** The sender's email, id or name. */
  from?: string | undefined;
  /** Exclusive bounds by `seq`. Only with `room`. */
  before?: number | undefined;
  after?: number | undefined;
  cursor?: string | undefined;
  limit: number;
}

export interface SearchResult {
  room: string;
  message: Message;
  snippet: Snippet;
  /** The cursor of the next page if the page ends here. Null for the last result of all. */
  next: string | null;
}

/** The best results first. A page may be empty although more follow. */
export interface SearchPage {
  results: SearchResult[];
  next: string | null;
}

export interface SearchOptions {
  rooms: Pick<Rooms, "enter">;
  index: SearchIndex;
  /** Milliseconds on a clock that never goes back. */
  monotonic: () => number;
}

/** The newest matches are ranked among each other, then the next ones. A group ends at so many matches, or this much text. */
const GROUP_SIZE = 500;
const GROUP_LENGTH = 262_144;
/** How long one request may search. The next page goes on from there. */
const TIME_LIMIT_MS = 30;
/** How much more the later pages of a group may take: they must search all of it again. */
const LATER_PAGES_FACTOR = 10;

interface PageRequest {
  query: SearchQuery;
  scope: SearchScope;
  cursor: Cursor | undefined;
  limit: number;
}

interface Found extends LastResult {
  position: number;
  message: Message;
  text: string;
  hits: readonly Span[];
}

/** Matches that are ranked among each other. */
interface Group {
  found: Found[];
  /** The position below which the next group begins. Undefined when this one is the last. */
  end: number | undefined;
}

/** Full text search in the rooms that a user is in. */
export class Search {
  readonly #turns: SearchTurns;

  constructor(private readonly options: SearchOptions) {
    this.#turns = new SearchTurns(options.monotonic);
  }

  /**
   * Rejects with `invalid_command` or `room_not_found`. `spend` is told how many milliseconds the search worked, also when it
   * fails.
   */
  async search(
    actor: Actor,
    request: SearchRequest,
    spend: (milliseconds: number) => void,
  ): Promise<SearchPage> {
    const query = parseRequest(request);
    const cursor = request.cursor === undefined ? undefined : parseCursor(request.cursor);
    const work = await this.#turns.begin();
    try {
      const scope = await this.#scope(actor, request);
      return await this.#readPage({ query, scope, cursor, limit: request.limit }, work);
    } finally {
      spend(work.milliseconds);
    }
  }

  async #readPage({ query, scope, cursor, limit }: PageRequest, work: SearchWork): Promise<SearchPage> {
    const group = await this.#findGroup(query, scope, cursor, work);
    const last = cursor?.within?.last;
    const ranked = group.found.toSorted(compare);
    const rest = last ? ranked.filter((each) => compare(last, each) < 0) : ranked;
    const shown = rest.slice(0, limit);
    const next = shown.length < rest.length ? null : await this.#nextGroup(scope, group);
    const results = shown.map((each, index) => ({
      room: each.room,
      message: each.message,
      snippet: snippetOf(each.text, each.hits),
      next: index < rest.length - 1 ? cursorWithin(group, cursor, each) : next,
    }));
    return { results, next: results.at(-1)?.next ?? next };
  }

  async #scope(actor: Actor, { room: id, before, after }: SearchRequest): Promise<SearchScope> {
    if (id === undefined) return { member: actor.key };
    const { room } = await this.options.rooms.enter(actor, id);
    return { room: room.key, before, after };
  }

  async #findGroup(
    query: SearchQuery,
    scope: SearchScope,
    cursor: Cursor | undefined,
    work: SearchWork,
  ): Promise<Group> {
    const from = cursor && (await this.#positionOf(scope, cursor.from));
    const until = cursor?.within && (await this.#positionOf(scope, cursor.within.until));
    const factor = until === undefined ? 1 : LATER_PAGES_FACTOR;
    const found: Found[] = [];
    let length = 0;
    const isFull = () =>
      found.length >= factor * GROUP_SIZE ||
      length >= factor * GROUP_LENGTH ||
      work.milliseconds > factor * TIME_LIMIT_MS;
    const endAt = (end: number): Group => {
      if (until === undefined) return { found, end };
      // Another end would repeat results, or leave some out.
      throw invalid("The cursor is no longer valid, because too much has changed since. Search again.");
    };
    for await (const { candidates, reached } of this.options.index.scan(query.terms, scope, {
      from,
      until,
    })) {
      for (const candidate of candidates) {
        const match = matchCandidate(query, candidate);
        if (match) found.push(match);
        length += match?.text.length ?? 0;
        if (isFull()) return endAt(candidate.position);
        await work.pause();
      }
      if (reached === undefined) break;
      if (isFull()) return endAt(reached);
      await work.pause();
    }
    return { found, end: until };
  }

  async #nextGroup(scope: SearchScope, { end }: Group): Promise<string | null> {
    const from = end === undefined ? undefined : await this.options.index.placeAt(scope, end - 1);
    return from ? formatCursor({ from }) : null;
  }

  async #positionOf(scope: SearchScope, place: Place): Promise<number> {
    const position = await this.options.index.positionOf(scope, place);
    if (position !== undefined) return position;
    throw invalid(
      "The cursor is no longer valid, because you are no longer in one of its rooms. Search again.",
    );
  }
}

function parseRequest({ query: text, from, room, before, after }: SearchRequest): SearchQuery {
  const query = parseQuery(text);
  if (room === undefined && (before ?? after) !== undefined)
    throw invalid("before and after number the messages of one room: name the room.");
  if (from === undefined) return query;
  if (query.from !== undefined) throw invalid("The sender is given twice: in the query and as a parameter.");
  return { ...query, from: parseSender(from) };
}

function matchCandidate({ phrases, from }: SearchQuery, candidate: Candidate): Found | undefined {
  const { position, room, message } = candidate;
  const { text, sender, sentAt, seq } = message;
  if (text === null || (from !== undefined && !isSender(from, sender))) return undefined;
  const match = matchText(phrases, text);
  return match && { ...match, position, room: room.id, seq, sentAt, message, text };
}

/** Best first, newer first among equals. No two results are equal in everything. */
function compare(a: LastResult, b: LastResult): number {
  if (a.score !== b.score) return b.score - a.score;
  if (a.sentAt !== b.sentAt) return b.sentAt - a.sentAt;
  if (a.room !== b.room) return a.room < b.room ? -1 : 1;
  return b.seq - a.seq;
}

function cursorWithin({ found }: Group, cursor: Cursor | undefined, last: LastResult): string {
  // In the order in which they were found.
  const [newest = last, oldest = last] = [found[0], found.at(-1)];
  return formatCursor({
    from: cursor?.from ?? newest,
    within: { until: cursor?.within?.until ?? oldest, last },
  });
}

const invalid = (message: string) => new ChatError("invalid_command", message);
