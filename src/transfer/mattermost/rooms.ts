import { createHash } from "node:crypto";

import type { Invitee } from "../../chat/model.ts";
import { isRoomId } from "../../chat/validation.ts";
import { conversationName, roomName } from "../names.ts";
import { pairOf } from "../pair.ts";
import type { SourceItem } from "../source.ts";
import type { People } from "./people.ts";

interface Room {
  at: string;
  name: string;
  direct: boolean;
  /** The users of a direct conversation of two who can both sign in: others are no members. */
  pair?: readonly [Invitee, Invitee] | undefined;
  /** The time of the oldest message, since an export does not say when a channel was created. */
  createdAt: number | null;
}

/** The rooms of an export: its channels and direct conversations. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();

  /** Adds a channel and returns its room's id. Each team may have a channel of the same name. */
  addChannel(at: string, team: string, channel: string, displayName: string | undefined): string {
    const id = channelRoom(team, channel);
    if (!this.#rooms.has(id))
      this.#rooms.set(id, { at, name: roomName(id, displayName, channel), direct: false, createdAt: null });
    return id;
  }

  /** Adds the conversation of some users. `added` is false for one that is known. */
  addConversation(at: string, usernames: readonly string[], people: People): { id: string; added: boolean } {
    const users = usernames.map((username) => people.user(username));
    const members = users.map((user) => JSON.stringify(user)).toSorted();
    const id = `dm-${shortHash([...new Set(members)].join())}`;
    const added = !this.#rooms.has(id);
    const names = [...new Set(usernames)].map((username) => people.name(username));
    if (added)
      this.#rooms.set(id, {
        at,
        name: roomName(id, conversationName(names)),
        direct: true,
        pair: usernames.every((username) => people.isActive(username)) ? pairOf(users) : undefined,
        createdAt: null,
      });
    return { id, added };
  }

  has(id: string): boolean {
    return this.#rooms.has(id);
  }

  /** Takes note of a message's time. */
  sentAt(id: string, time: number): void {
    const room = this.#rooms.get(id);
    if (room) room.createdAt = Math.min(room.createdAt ?? time, time);
  }

  /** `fallback`: when a room without messages was created. */
  createdAt(id: string, fallback: number): number {
    return this.#rooms.get(id)?.createdAt ?? fallback;
  }

  /** Whether a room is a direct conversation in which nobody has written. */
  isUnused(id: string): boolean {
    const room = this.#rooms.get(id);
    return room?.direct === true && room.createdAt === null;
  }

  *items(fallback: number): Generator<SourceItem> {
    for (const [id, { at, name, pair }] of this.#rooms) {
      const createdAt = this.createdAt(id, fallback);
      if (this.isUnused(id)) yield { at, skipped: "direct conversations without messages" };
      else
        yield {
          at,
          record: {
            type: "room",
            id,
            name,
            ...(pair && { direct: pair }),
            createdAt,
            createdBy: null,
            head: null,
          },
        };
    }
  }
}

/** The room of a channel. It depends on nothing else in the file, so that a later export has the same. */
export function channelRoom(team: string, channel: string): string {
  const id = `${team}.${channel}`;
  return isRoomId(id) ? id : `channel-${shortHash(id)}`;
}

/** 64 bits in hexadecimal digits. */
export const shortHash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 16);
