/** Messages after a read mark that are not deleted. `seq` is the room's newest message, `read` the mark. */
export function unreadCount(room: { seq: number; read: number; deletedAfterRead: number }): number {
  return room.seq - room.read - room.deletedAfterRead;
}
