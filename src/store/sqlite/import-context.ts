import type { ImportResult } from "../../chat/archive.ts";
import type { Position, RoomKey } from "../../chat/model.ts";
import type { Statements } from "./statements.ts";

/** A record is invalid in the context of the others: its place and the reason. */
export type Refuse = (at: string, reason: string) => void;

/** What the steps of an import share. */
export interface ImportContext {
  statements: Statements;
  counts: ImportResult;
  refuse: Refuse;
  skipped: (reason: string) => void;
  /** To be awaited now and then, with the number of messages since the last time. */
  pause: (messages: number) => Promise<void>;
}

/** A room of the import, and what it is in the chat. */
export interface ImportedRoom {
  /** In the temporary tables. */
  pk: number;
  id: string;
  at: string;
  key: RoomKey;
  /** Whether the room was in the chat before. */
  known: boolean;
  /** Where the room was before. */
  here: Position;
}
