import { refusalError } from "./errors.ts";
import type { Actor, Message, Page, ReadMark, Room, RoomKey } from "./model.ts";
import type { Rooms } from "./rooms.ts";
import type { Range, Store } from "./store.ts";

/** With more members, read marks are not listed. */
const MAX_READ_MARK_USERS = 100;

/** Reads of a room's messages and marks. Those that take a room's id reject with `room_not_found`. */
export class MessageReader {
  constructor(
    private readonly store: Pick<Store, "messages" | "changes" | "readMark" | "readMarks">,
    private readonly rooms: Rooms,
  ) {}

  /** The room, once it is certain that the actor may read it. Its messages can then be read with the other methods. */
  async enter(actor: Actor, roomId: string): Promise<Room> {
    return (await this.rooms.enter(actor, roomId)).room;
  }

  /** Messages of a range, oldest first. */
  range(room: RoomKey, range: Range): Promise<Message[]> {
    return this.store.messages(room, range);
  }

  /** Rejects with `message_not_found`. */
  async one(room: RoomKey, seq: number): Promise<Message> {
    const [message] = await this.store.messages(room, { after: seq - 1, before: seq + 1, limit: 1 });
    if (!message) throw refusalError({ refused: "message_not_found" });
    return message;
  }

  /** About `limit` messages that changed after `rev`, as `Store.changes` describes it. */
  changes(room: RoomKey, rev: number, limit: number): Promise<Page> {
    return this.store.changes(room, rev, limit);
  }

  /** The read marks of a room's members. In a large room only the actor's own. */
  async readMarks(actor: Actor, room: RoomKey): Promise<ReadMark[]> {
    const marks = await this.store.readMarks(room, MAX_READ_MARK_USERS);
    return marks ?? [{ user: actor, seq: await this.store.readMark(room, actor.key) }];
  }
}
