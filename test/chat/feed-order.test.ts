import { expect, test } from "bun:test";

import * as fc from "fast-check";

import type { Change, Position } from "../../src/chat/model.ts";
import { key, openFeed, type Told } from "../support/followed.ts";
import { settle } from "../support/people.ts";

/** Someone who follows a room: from where, and what he was told since. */
class Follower {
  since: Position | undefined;
  readonly revs: number[] = [];
  readonly created: number[] = [];
  readonly messages = new Map<number, number>();

  hear = (told: readonly Told[]): void => {
    for (const { kind, message } of told) {
      this.revs.push(message.rev);
      if (kind === "created" || kind === "missed") this.created.push(message.seq);
      this.messages.set(message.seq, message.rev);
    }
  };
}

test("however hints and answers come, nobody misses or doubles a change", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("send", "send unheard", "edit", "edit unheard") },
    { weight: 5, arbitrary: fc.constantFrom("answer first", "answer last") },
    { weight: 4, arbitrary: fc.constantFrom("fail", "open", "close", "level", "hear late", "hear early") },
  );
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
    const { room, feed, listeners, hear } = openFeed(2);
    const late: Change[] = [];
    const following: Follower[] = [];
    const done: Follower[] = [];
    const open = () => {
      const follower = new Follower();
      const arrive = () => {
        follower.since = feed.position(key);
        listeners.add(follower.hear);
        following.push(follower);
      };
      void feed.open(key).then(arrive, () => feed.close(key));
    };
    const close = () => {
      const follower = following.shift();
      if (!follower) return;
      listeners.delete(follower.hear);
      feed.close(key);
      done.push(follower);
    };
    const actions: Record<string, () => unknown> = {
      send: () => hear(room.add()),
      "send unheard": () => late.push(room.add()),
      edit: () => hear(room.edit(1)),
      "edit unheard": () => late.push(room.edit(2)),
      "answer first": () => room.answer(),
      "answer last": () => room.answer(room.waiting.length - 1),
      fail: () => room.fail(),
      level: () => void feed.level(),
      "hear late": () => hear(...late.splice(-1)),
      "hear early": () => hear(...late.splice(0, 1)),
      open,
      close,
    };
    open();
    for (const each of steps) {
      actions[each]?.();
      await settle();
    }
    await room.answerAll(settle);
    void feed.level();
    await room.answerAll(settle);
    for (const { since, revs, created, messages } of [...following, ...done]) {
      expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
      const first = (since?.seq ?? 0) + 1;
      expect(created).toEqual(created.map((_, index) => first + index));
      if (revs.length > 0) expect(revs[0]).toBeGreaterThan(since?.rev ?? 0);
      // Until he left he knew all that had happened up to the last thing he was told.
      const known = revs.at(-1) ?? since?.rev ?? 0;
      for (const { seq, rev } of room.messages) {
        if (rev > (since?.rev ?? 0) && rev <= known) expect(messages.get(seq)).toBe(rev);
      }
    }
    for (const { since, revs } of following) expect(revs.at(-1) ?? since?.rev).toBe(room.rev);
  });
  await fc.assert(property, { numRuns: 3000 });
}, 20_000);
