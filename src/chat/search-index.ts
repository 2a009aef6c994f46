import type { Message, RoomKey, RoomRef, UserKey } from "./model.ts";
import type { Term } from "./search-text.ts";

/**
 * An index of the terms of all messages. It is behind the store by what has been stored since its last update, and knows by
 * itself how far it is. Every method rejects with `StoreError` when the storage cannot be used.
 */
export interface SearchIndex {
  /** Messages of this room have been stored, changed or deleted. */
  roomChanged(room: RoomKey): void;
  /** Messages of any room may have been stored, changed or deleted. */
  anythingChanged(): void;
  /** Brings a part of the index up to date, small enough for one turn. Resolves with true while more remains. */
  update(): Promise<boolean>;

  /** Messages that may have all terms, newest first and in slices small enough for one turn. */
  scan(terms: readonly Term[], scope: SearchScope, range: ScanRange): AsyncIterable<SearchSlice>;
  /** The position of a message, which may have been deleted. Undefined when it is not in the scope. */
  positionOf(scope: SearchScope, place: Place): Promise<number | undefined>;
  /** The newest place at or below a position. Undefined when there is none in the scope. */
  placeAt(scope: SearchScope, position: number): Promise<Place | undefined>;
}

/** Where to search: in one room, between two `seq` (exclusive), or in all rooms that a user is a member of. */
export type SearchScope =
  { room: RoomKey; after?: number | undefined; before?: number | undefined } | { member: UserKey };

/** A message by what clients know of it. */
export interface Place {
  room: string;
  seq: number;
}

/**
 * Positions order the messages of all rooms: by `seq` within a room, and approximately by time. They never leave the server,
 * because they tell how much is written in other rooms.
 */
export interface ScanRange {
  /** The highest position, inclusive. Default: no bound. */
  from?: number | undefined;
  /** The lowest position, inclusive. Default: no bound. */
  until?: number | undefined;
}

export interface SearchSlice {
  /** In descending order of their positions. */
  candidates: readonly Candidate[];
  /** Everything at or above this position has been searched. Undefined in the last slice. */
  reached: number | undefined;
}

/** A message that has at least some of the terms. Its text decides. */
export interface Candidate {
  position: number;
  room: RoomRef;
  message: Message;
}
