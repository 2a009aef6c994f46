import { expect, test } from "bun:test";

import * as fc from "fast-check";

import { type CountedMessage, type Counts, type Mark, RoomCounts } from "../../src/client/room-counts.ts";
import { weighted } from "./support/weighted.ts";

interface ModelMessage extends CountedMessage {
  isMention: boolean;
  isEdited: boolean;
}

/** A room as the server knows it, and how one of its users has read it. */
class Room {
  readonly messages: ModelMessage[] = [];
  /** Messages that began or ceased to mention the user. */
  readonly mentionChanges: CountedMessage[] = [];
  rev = 0;
  read = 0;

  get counts(): Counts {
    const unread = this.messages.filter(({ seq, isDeleted }) => seq > this.read && !isDeleted).length;
    const mentions = this.messages.filter(({ seq, isMention }) => seq > this.read && isMention).length;
    return { seq: this.messages.length, rev: this.rev, read: this.read, unread, mentions };
  }

  create(isOwn: boolean, isMention: boolean): void {
    const seq = this.messages.length + 1;
    const message = { seq, rev: ++this.rev, isDeleted: false, isOwn, isMention, isEdited: false };
    this.messages.push(message);
    if (isMention) this.mentionChanges.push({ ...message, isOwn: false, wasMention: false });
    if (isOwn) this.read = seq;
  }

  /** Changes a message that is not deleted, counted back from the newest. */
  change(back: number, kind: "delete" | "edit" | "react", isMention: boolean): void {
    const index = this.messages.length - 1 - back;
    const message = this.messages[index];
    if (!message || message.isDeleted) return;
    const changed = { ...message, rev: ++this.rev, isDeleted: kind === "delete" };
    if (kind !== "react") Object.assign(changed, { isMention: isMention && kind === "edit", isEdited: true });
    this.messages[index] = changed;
    if (changed.isMention !== message.isMention)
      this.mentionChanges.push({
        ...changed,
        isDeleted: false,
        isOwn: false,
        wasMention: message.isMention,
      });
  }

  mark(back: number): void {
    this.read = Math.max(this.read, this.messages.length - back);
  }

  /** The messages that have changed after `known`, in the order of their last changes. */
  since(known: number): CountedMessage[] {
    return this.messages
      .filter((message) => message.rev > known)
      .toSorted((a, b) => a.rev - b.rev)
      .map(({ seq, rev, isDeleted, isOwn, isMention, isEdited }) => {
        const wasMention = isMention || isEdited ? undefined : false;
        return { seq, rev, isDeleted, isOwn, isMention, wasMention };
      });
  }
}

const countsOf = ({ seq, rev, read, unread, mentions }: RoomCounts): Counts => ({
  seq,
  rev,
  read,
  unread,
  mentions,
});

type Frame = (counts: RoomCounts) => void;

const step = fc.oneof(
  weighted(
    6,
    fc.record({
      action: fc.constant("create"),
      isOwn: fc.constantFrom(false, false, true),
      isMention: fc.boolean(),
    }),
  ),
  weighted(
    5,
    fc.record({
      action: fc.constantFrom("delete", "edit", "react", "mark"),
      back: fc.nat(6),
      isMention: fc.boolean(),
    }),
  ),
  weighted(6, fc.record({ action: fc.constantFrom("tell changes", "tell activity"), size: fc.nat(3) })),
  weighted(4, fc.record({ action: fc.constantFrom("tell mark", "tell late marks", "tell summary") })),
  weighted(3, fc.record({ action: fc.constant("repeat"), pick: fc.nat() })),
);

test("the counts are the server's, whichever frames are repeated or overlap", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const room = new Room();
      const client = new RoomCounts(room.counts);
      const sent: Frame[] = [];
      /** Marks that are told later than what came after them. */
      const late: Frame[] = [];
      const tell = (frame: Frame) => {
        sent.push(frame);
        frame(client);
      };
      const mark = (): Mark => {
        const { seq: room_seq, rev: room_rev, read: seq, unread, mentions } = room.counts;
        return { seq, unread, mentions, room_seq, room_rev };
      };
      const tellAll = (page: readonly CountedMessage[], rev: number) =>
        tell((counts) => counts.applyMessages(page, rev));
      for (const each of steps) {
        switch (each.action) {
          case "create": {
            room.create(each.isOwn, each.isMention);
            const told = mark();
            if (each.isOwn) late.push((counts) => counts.applyMark(told));
            break;
          }
          case "delete":
          case "edit":
          case "react":
            room.change(each.back, each.action, each.isMention);
            break;
          case "mark": {
            // The server tells every mark.
            room.mark(each.back);
            const told = mark();
            late.push((counts) => counts.applyMark(told));
            break;
          }
          case "tell changes": {
            // Pages that begin before what the client knows, as those of a resume do.
            let from = Math.max(0, client.rev - each.size);
            for (;;) {
              const rest = room.since(from);
              const page = rest.slice(0, each.size + 1);
              const isLast = page.length === rest.length;
              const rev = isLast ? room.rev : (page.at(-1)?.rev ?? room.rev);
              tellAll(page, rev);
              from = rev;
              if (isLast) break;
            }
            break;
          }
          case "tell activity": {
            const { seq, rev } = room.counts;
            const newest = { seq, rev, isDeleted: false, isOwn: false, wasMention: false };
            const known = client.rev - each.size;
            const mentions = room.mentionChanges.filter((change) => change.rev > known);
            const deleted = room.since(known).filter(({ isDeleted }) => isDeleted);
            const last = room.messages.findLast(({ isDeleted }) => !isDeleted);
            const others = [...deleted, ...(last ? [last] : [])];
            const noMention = { isMention: false, wasMention: false };
            const counted = others.map((other) => Object.assign({}, other, noMention));
            tellAll([newest, ...mentions, ...counted], rev);
            break;
          }
          case "tell mark": {
            const told = mark();
            tell((counts) => counts.applyMark(told));
            break;
          }
          case "tell late marks":
            for (const frame of late.splice(0)) tell(frame);
            break;
          case "tell summary": {
            const { counts: told } = room;
            tell((counts) => counts.replace(told));
            break;
          }
          case "repeat":
            sent[each.pick % Math.max(1, sent.length)]?.(client);
            break;
        }
      }
      tellAll(room.since(client.rev), room.rev);
      for (const frame of late) frame(client);
      // The client asks for counts of which it is not certain.
      if (client.isUncertain) client.replace(room.counts);
      expect(countsOf(client)).toEqual(room.counts);
      // A frame that is older than what is known changes nothing.
      for (const frame of [...sent, ...late]) frame(client);
      expect(countsOf(client)).toEqual(room.counts);
    }),
    { numRuns: 3_000 },
  );
});

test("changes alone keep the counts exact, without the marks", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), fc.nat(20), (steps, before) => {
      const room = new Room();
      for (let n = 0; n < before; n++) room.create(n % 3 === 0, n % 4 === 0);
      const client = new RoomCounts(room.counts);
      for (const each of steps) {
        if (each.action === "create") room.create(each.isOwn, each.isMention);
        if (each.action === "delete" || each.action === "edit" || each.action === "react")
          room.change(each.back, each.action, each.isMention);
        if (each.action === "tell changes") {
          const [page, rev] = [room.since(client.rev), room.rev];
          client.applyMessages(page, rev);
          if (client.isUncertain) client.replace(room.counts);
          expect(countsOf(client)).toEqual(room.counts);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
