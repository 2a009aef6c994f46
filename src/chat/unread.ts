/** Messages after a read mark that are not deleted. `seq` is the room's newest message, `read` the mark. */
export function unreadCount(room: { seq: number; read: number; deletedAfterRead: number }): number {
  return room.seq - room.read - room.deletedAfterRead;
}

/** Mentions are counted up to this number: "999+" is all that a reader wants to know. */
export const MAX_COUNTED_MENTIONS = 1000;
