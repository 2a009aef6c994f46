import type { Logger } from "pino";

import type { Budget } from "../../chat/budgets.ts";
import type { Chat } from "../../chat/chat.ts";
import { asChatError, ChatError } from "../../chat/errors.ts";
import type { Action, Message, Position, Room } from "../../chat/model.ts";
import type { Classic } from "../../protocol/classic/classic.ts";
import type { ClassicCommand } from "../../protocol/classic/commands.ts";
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
  classic: Pick<Classic, "historyLength" | "frames" | "parseFrame">;
  log: Logger;
}

/** The dialect of the Django Channels server that Parley replaces. */
export function createClassic({ chat, guard, classic, log }: ClassicOptions): Dialect {
  const { historyLength, frames, parseFrame } = classic;
  /** Encoded histories by array, as long as the history cache keeps it. */
  const encodedHistories = new WeakMap<readonly Message[], string>();

  function encode(history: readonly Message[], room: Room): string {
    let frame = encodedHistories.get(history);
    if (frame === undefined) {
      frame = frames.encodeHistory(history, room, MAX_FIRST_FRAME_BYTES);
      encodedHistories.set(history, frame);
    }
    return frame;
  }

  /** Sends what changed after `from`, and subscribes in the turn in which nothing is missing. */
  async function catchUp({ connection }: OpenRoom, room: Room, from: Position): Promise<void> {
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
      for (const { seq } of created) sent.add(seq);
      const messages = page.messages.toSorted((a, b) => a.seq - b.seq);
      for (const frame of frames.encodeMissed(messages, new Set(created), room))
        if (frame !== undefined) connection.send(frame);
      ({ rev } = page);
    }
  }

  function execute({ connection, room }: OpenRoom, command: ClassicCommand): Promise<unknown> {
    const { key } = room;
    if (command.type === "ignore") return Promise.resolve();
    return chat.execute(
      connection.user,
      key,
      toAction(command, () => chat.position(key).seq),
    );
  }

  return {
    historyOptional: true,
    historyLength,
    start(open, { messages, position, room }) {
      const { connection } = open;
      if (historyLength > 0) connection.send(encode(messages, room));
      if (position === undefined) {
        connection.subscribe(topics.classic(room.key));
        return;
      }
      catchUp(open, room, position).catch((err: unknown) => {
        log.error({ err, room: room.id }, "Missed messages could not be read; connection closed");
        connection.close(asChatError(err).code);
      });
    },
    message(connection, frame) {
      const { room } = connection;
      if (!room) return;
      const refuse = (error: unknown) =>
        guard.refuse(connection, error, (refusal) => frames.encodeError(refusal));
      try {
        const command = parse(frame, (text) => parseFrame(text, room.room.id));
        guard.charge(connection, budgetOf(command));
        if (command instanceof ChatError) throw command;
        execute(room, command).catch(refuse);
      } catch (error) {
        refuse(error);
      }
    },
  };
}

/** The command of a frame, or the error to refuse it with. */
function parse(
  frame: string | Buffer,
  parseText: (text: string) => ClassicCommand,
): ClassicCommand | ChatError {
  if (typeof frame !== "string") return new ChatError("invalid_message", "Frames must be text.");
  try {
    return parseText(frame);
  } catch (error) {
    return asChatError(error);
  }
}

/** Frames that change nothing in the room count as reads. */
function budgetOf(command: ClassicCommand | ChatError): Budget {
  return "type" in command && (command.type === "read" || command.type === "ignore") ? "reads" : "changes";
}

function toAction(command: Exclude<ClassicCommand, { type: "ignore" }>, newestSeq: () => number): Action {
  switch (command.type) {
    case "send":
      return { ...command, replyTo: null, meta: null };
    case "read":
      return { type: "read", seq: command.seq ?? newestSeq() };
    case "edit":
    case "delete":
      return command;
  }
  return command satisfies never;
}
