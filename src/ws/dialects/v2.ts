import type { Budget } from "../../chat/budgets.ts";
import type { Chat } from "../../chat/chat.ts";
import { ChatError, roomNotFound } from "../../chat/errors.ts";
import type { Action, Limits, RoomRef } from "../../chat/model.ts";
import { encodeMeta } from "../../chat/validation.ts";
import type { Command } from "../../protocol/schemas.ts";
import { formatTime, userBody } from "../../protocol/serialize.ts";
import { encodeAck, encodeError, encodeHello, limitsBody, parseCommand } from "../../protocol/v2.ts";
import { AckBatcher } from "../ack-batcher.ts";
import type { Connection } from "../connection.ts";
import type { FrameGuard } from "../frame-guard.ts";
import { MAX_FIRST_FRAME_BYTES, MAX_FRAME_BYTES } from "../limits.ts";
import type { RoomFeeds } from "../room-feeds.ts";
import { Session } from "../session.ts";
import type { TokenRenewal } from "../token-renewal.ts";
import type { Dialect } from "./dialect.ts";

export interface V2Options {
  chat: Chat;
  feeds: RoomFeeds;
  renewal: TokenRenewal;
  guard: FrameGuard;
  limits: Limits;
}

/** A command that is executed in a room. */
type RoomCommand = Exclude<Command, { type: "open" | "close" | "summary" | "auth" | "ping" }>;

/** Commands that change nothing in the room count as reads. */
const reads: ReadonlySet<Command["type"]> = new Set([
  "open",
  "close",
  "summary",
  "typing",
  "read",
  "ping",
  "auth",
]);

/** Parley's own dialect, spoken by connections to a room's URL and by sessions. */
export function createV2({ chat, feeds, renewal, guard, limits }: V2Options): Dialect {
  const limitsInHello = limitsBody(limits, MAX_FRAME_BYTES);
  const acks = new AckBatcher();

  /** Executes a command. Resolves with its ack, unless it is answered by another frame, or not at all. */
  function execute(connection: Connection, command: Command): Promise<string | undefined> {
    switch (command.type) {
      case "open":
        return sessionOf(connection, command)
          .open(command)
          .then(() => undefined);
      case "close":
        return sessionOf(connection, command)
          .close(command.room)
          .then(() => encodeAck(command.room, command.id));
      case "summary":
        return tellSummary(connection, command);
      case "auth":
        return renewal.renew(connection, command.token).then(() => acknowledge(connection, command.id));
      case "ping":
        return Promise.resolve(acknowledge(connection, command.id));
      case "send":
      case "edit":
      case "delete":
      case "react":
      case "read":
      case "typing":
        return executeInRoom(connection, roomOf(connection, command), command);
    }
    return command satisfies never;
  }

  function executeInRoom(
    connection: Connection,
    room: RoomRef | Promise<RoomRef>,
    command: RoomCommand,
  ): Promise<string | undefined> {
    // No `await`, since this runs for every message.
    if (room instanceof Promise) return room.then((found) => executeInRoom(connection, found, command));
    const { user } = connection;
    const { key } = room;
    if (command.type === "typing") return chat.typing(user, key).then(() => undefined);
    const { id } = command;
    return chat.execute(user, key, toAction(command)).then((ack) => encodeAck(room.id, id, ack));
  }

  async function tellSummary(
    connection: Connection,
    command: Extract<Command, { type: "summary" }>,
  ): Promise<string> {
    const session = sessionOf(connection, command);
    const key = chat.sessions.keyOf(connection.user.key, command.room);
    if (key === undefined) throw roomNotFound();
    await chat.sessions.refreshRoom(session, key);
    return encodeAck(command.room, command.id);
  }

  /** The ack of a command that is not about a room. */
  function acknowledge({ room }: Connection, id: string): string {
    return room ? encodeAck(room.room.id, id, chat.position(room.room.key)) : encodeAck(undefined, id);
  }

  return {
    historyOptional: false,
    start(open, joined) {
      const { user, identity } = open.connection;
      const rest = { token_expires_at: formatTime(identity.expiresAt), limits: limitsInHello };
      feeds.start(open, joined, {
        maxBytes: MAX_FIRST_FRAME_BYTES,
        encode: (parts, messages) => encodeHello({ ...parts, me: userBody(user), ...rest }, messages),
      });
    },
    message(connection, frame) {
      const { id, room, command } = typeof frame === "string" ? parseCommand(frame) : NOT_TEXT;
      const refuse = (error: unknown) =>
        guard.refuse(connection, error, (refusal) =>
          encodeError(room ?? connection.room?.room.id, id, refusal),
        );
      try {
        guard.charge(connection, budgetOf(command));
        if (command instanceof ChatError) throw command;
        execute(connection, command).then((ack) => acks.send(connection, ack), refuse);
      } catch (error) {
        refuse(error);
      }
    },
    drained(connection) {
      connection.session?.drained();
      if (connection.room) feeds.drained(connection.room);
    },
  };
}

const NOT_TEXT = {
  id: undefined,
  room: undefined,
  command: new ChatError("invalid_command", "Frames must be text."),
};

/** Throws `invalid_command` on a room's URL. */
function sessionOf({ session }: Connection, { type }: Command): Session {
  if (session instanceof Session) return session;
  throw new ChatError("invalid_command", `type: "${type}" is for sessions, whose URL is /ws/`);
}

/** The room of a command: in a session the one that it names, on a room's URL that room. */
function roomOf(connection: Connection, command: RoomCommand): RoomRef | Promise<RoomRef> {
  const { room: open } = connection;
  const { room: id } = command;
  if (open && (id === undefined || id === open.room.id)) return open.room;
  if (open) throw new ChatError("invalid_command", "room: must be the room of this connection");
  if (id === undefined) throw new ChatError("invalid_command", "room: is missing");
  return sessionOf(connection, command).resolve(id);
}

function budgetOf(command: Command | ChatError): Budget {
  return command instanceof ChatError || !reads.has(command.type) ? "changes" : "reads";
}

function toAction(command: Exclude<RoomCommand, { type: "typing" }>): Action {
  if (command.type !== "send") return command;
  const { text, client_id: clientId = null, reply_to: replyTo = null, meta } = command;
  return { type: "send", text, clientId, replyTo, meta: meta ? encodeMeta(meta) : null };
}
