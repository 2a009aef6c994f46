import { expect } from "bun:test";

import type { Change, Message } from "../../src/chat/model.ts";
import { type Broadcaster, RoomSync } from "../../src/chat/room-sync.ts";
import { ManualStore } from "./manual-store.ts";

/** A change as it was published: as it happened, or as it was read afterwards, of a message that is new here or not. */
export interface Published {
  kind: Change["kind"] | "missed new" | "missed change";
  message: Message;
}

/** The sync of one room in a store whose reads the test answers, and what it published. */
export function createSync(messages = 0) {
  const store = new ManualStore(messages);
  const { key } = store;
  const ref = { key, id: "lobby" };
  const published: string[] = [];
  const failures: unknown[] = [];
  const listeners = new Set<(published: readonly Published[]) => void>();
  const record = (changes: readonly Published[], rev: number) => {
    for (const { kind, message } of changes) published.push(`${kind} ${message.seq}@${message.rev}`);
    for (const listener of listeners) listener(changes);
    expect(sync.position(key)?.rev).toBe(rev);
  };
  const broadcaster: Broadcaster = {
    publish(room, changes) {
      expect(room).toEqual(ref);
      record(changes, changes.at(-1)?.message.rev ?? 0);
    },
    publishMissed(room, page, created) {
      expect(room).toEqual(ref);
      const missed = page.messages.map((message): Published => {
        return { kind: created.includes(message) ? "missed new" : "missed change", message };
      });
      record(missed, page.rev);
    },
  };
  const sync = new RoomSync(store, broadcaster, (error) => failures.push(error));
  /** An event of the bus. */
  const hear = (...changes: Change[]) => sync.receive(key, changes);
  /** Follows the room. Resolves when its position is known. */
  const follow = async () => {
    sync.follow(ref);
    const ready = sync.ready(key);
    store.answer();
    await ready;
  };
  return { store, key, ref, sync, published, failures, listeners, hear, follow };
}
