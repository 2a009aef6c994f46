import { expect } from "bun:test";

import type { Change, Message } from "../../src/chat/model.ts";
import { Feed, type Outlet } from "../../src/chat/room-sync.ts";
import { SlowRoom } from "./slow-room.ts";

export const key = 7;

/** A change as it happened, or what was read of it afterwards: a message that is new here, or one that was known. */
export type Told = Change | { kind: "missed" | "changed"; message: Message };

/** A feed on a room in a store that answers when the test says so, and what it told. */
export function openFeed(stored = 0) {
  const room = new SlowRoom();
  for (let each = 0; each < stored; each++) room.add();
  const delivered: string[] = [];
  const failures: unknown[] = [];
  const listeners = new Set<(told: readonly Told[]) => void>();
  const deliver = (told: readonly Told[], rev: number) => {
    for (const { kind, message } of told) delivered.push(`${kind} ${message.seq}@${message.rev}`);
    for (const listener of listeners) listener(told);
    // Nobody is told of anything further than the room is said to be.
    expect(feed.position(key)).toEqual({ seq: expect.any(Number), rev });
  };
  const outlet: Outlet = {
    live: (_, changes) => deliver(changes, changes.at(-1)?.message.rev ?? 0),
    missed(_, { messages, rev }, created) {
      const told = messages.map((message): Told => {
        return { kind: created.includes(message) ? "missed" : "changed", message };
      });
      deliver(told, rev);
    },
  };
  const feed = new Feed({ head: room.head, changes: room.changes }, outlet, (error) => failures.push(error));
  const hear = (...changes: Change[]) => feed.receive(key, changes);
  /** Follows the room until its position is known. */
  const follow = async () => {
    const opened = feed.open(key);
    room.answer();
    await opened;
  };
  return { room, feed, delivered, failures, listeners, hear, follow };
}
