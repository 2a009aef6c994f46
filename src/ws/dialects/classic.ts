import type { Logger } from "pino";

import type { Chat } from "../../chat/chat.ts";
import { asChatError, ChatError } from "../../chat/errors.ts";
import type { Message, Position } from "../../chat/model.ts";
import { encodeCreated, encodeError, encodeHistory, parseMessage } from "../../protocol/classic.ts";
import type { OpenRoom } from "../connection.ts";
import type { FrameGuard } from "../frame-guard.ts";
import { MAX_FIRST_FRAME_BYTES } from "../limits.ts";
import { topics } from "../topics.ts";
import type { Dialect } from "./dialect.ts";

/** Changes per read while a new connection catches up. */
const PAGE_SIZE = 128;

export interface ClassicOptions {
  chat: Chat;
  guard: FrameGuard;
  log: Logger;
}

/** The dialect of the Django Channels server that Parley replaces. */
export function createClassic({ chat, guard, log }: ClassicOptions): Dialect {
  /** Encoded histories by array, as long as the history cache keeps it. */
  const encodedHistories = new WeakMap<readonly Message[], string>();

  function encode(history: readonly Message[]): string {
    let frame = encodedHistories.get(history);
    if (frame === undefined) {
      frame = encodeHistory(history, MAX_FIRST_FRAME_BYTES);
      encodedHistories.set(history, frame);
    }
    return frame;
  }

  /** Sends the messages that were created after `from`, and subscribes in the turn in which none is missing. */
  async function catchUp({ connection, room }: OpenRoom, from: Position): Promise<void> {
    const { key } = room;
    // A message that was changed after its creation may come later than its neighbours, or twice.
    const sent = new Set<number>();
    let { rev } = from;
    while (connection.isOpen) {
      if (rev >= chat.position(key).rev) {
        connection.subscribe(topics.classic(key));
        return;
      }
      const page = await chat.changesSince(key, rev, PAGE_SIZE);
      const created = page.messages.filter(({ seq }) => seq > from.seq && !sent.has(seq));
      for (const message of created.toSorted((a, b) => a.seq - b.seq)) {
        sent.add(message.seq);
        if (message.text !== null) connection.send(encodeCreated(message));
      }
      ({ rev } = page);
    }
  }

  return {
    historyOptional: true,
    start(open, { messages, position }) {
      const { connection, room } = open;
      connection.send(encode(messages));
      if (position === undefined) {
        connection.subscribe(topics.classic(room.key));
        return;
      }
      catchUp(open, position).catch((err: unknown) => {
        log.error({ err, room: room.id }, "Missed messages could not be read; connection closed");
        connection.close(asChatError(err).code);
      });
    },
    message(connection, frame) {
      const { user, room } = connection;
      if (!room) return;
      const refuse = (error: unknown) => guard.refuse(connection, error, encodeError);
      try {
        guard.charge(connection, "changes");
        if (typeof frame !== "string") throw new ChatError("invalid_message", "Frames must be text.");
        const text = parseMessage(frame);
        const action = { type: "send", text, clientId: null, replyTo: null } as const;
        chat.execute(user, room.room.key, action).catch(refuse);
      } catch (error) {
        refuse(error);
      }
    },
  };
}
