import type { Budget, Chat } from "../../chat/chat.ts";
import { ChatError } from "../../chat/errors.ts";
import type { Action, Limits, Position, RoomKey } from "../../chat/model.ts";
import type { Command } from "../../protocol/schemas.ts";
import { formatTime, userBody } from "../../protocol/serialize.ts";
import { encodeAck, encodeError, encodeHello, limitsBody, parseCommand } from "../../protocol/v2.ts";
import { AckBatcher } from "../ack-batcher.ts";
import type { Connection } from "../connection.ts";
import type { FrameGuard } from "../frame-guard.ts";
import { MAX_FIRST_FRAME_BYTES, MAX_FRAME_BYTES } from "../limits.ts";
import type { RoomFeeds } from "../room-feeds.ts";
import type { Session } from "../session.ts";
import type { TokenRenewal } from "../token-renewal.ts";
import type { Dialect } from "./dialect.ts";

export interface V2Options {
  chat: Chat;
  feeds: RoomFeeds;
  renewal: TokenRenewal;
  guard: FrameGuard;
  limits: Limits;
}

type CommandType = Command["type"];
/** A command about a room, other than those that open and close it. */
type RoomCommand = Exclude<Command, { type: "open" | "close" | "auth" | "ping" }>;

/** Commands that change nothing in the room count as reads. */
const reads: ReadonlySet<CommandType> = new Set(["open", "close", "typing", "read", "ping", "auth"]);

/** Parley's own dialect, spoken by connections to a room's URL and by sessions. */
export function createV2({ chat, feeds, renewal, guard, limits }: V2Options): Dialect {
  const limitsInHello = limitsBody(limits, MAX_FRAME_BYTES);
  const acks = new AckBatcher();

  /** Resolves with the encoded ack. Undefined for a command that is answered by another frame, or not at all. */
  async function executeInSession(session: Session, command: Command): Promise<string | undefined> {
    const { connection } = session;
    switch (command.type) {
      case "open":
        await session.open(command);
        return undefined;
      case "close":
        await session.close(command.room);
        return encodeAck(command.room, command.id);
      case "auth":
        await renewal.renew(connection, command.token);
        return encodeAck(undefined, command.id);
      case "ping":
        return encodeAck(undefined, command.id);
      default:
        return executeNamed(session, command);
    }
  }

  function executeNamed(session: Session, command: RoomCommand): Promise<string | undefined> {
    const { room: id } = command;
    if (id === undefined) throw new ChatError("invalid_command", "frame.room: is missing");
    const room = session.resolve(id);
    // Without an `await` if possible, so that the commands of a connection are stored in their order.
    if (!(room instanceof Promise)) return executeInRoom(session.connection, room, command);
    return room.then((found) => executeInRoom(session.connection, found, command));
  }

  async function executeOnRoomUrl(
    connection: Connection,
    room: { key: RoomKey; id: string },
    command: Command,
  ): Promise<string | undefined> {
    switch (command.type) {
      case "open":
      case "close":
        throw new ChatError("invalid_command", `frame.type: ${command.type} is for sessions, at /ws/`);
      case "auth":
        await renewal.renew(connection, command.token);
        return encodeAck(room.id, command.id, chat.position(room.key));
      case "ping":
        return encodeAck(room.id, command.id, chat.position(room.key));
      default:
        if (command.room !== undefined && command.room !== room.id)
          throw new ChatError("invalid_command", "frame.room: must be the room of this connection");
        return executeInRoom(connection, room, command);
    }
  }

  function executeInRoom(
    { user }: Connection,
    { key, id: room }: { key: RoomKey; id: string },
    command: RoomCommand,
  ): Promise<string | undefined> {
    if (command.type === "typing") return chat.typing(user, key).then(() => undefined);
    const { id } = command;
    return chat.execute(user, key, toAction(command)).then((ack: Position) => encodeAck(room, id, ack));
  }

  return {
    historyOptional: false,
    start(open, joined) {
      const { user, identity } = open.connection;
      const rest = { token_expires_at: formatTime(identity.expiresAt), limits: limitsInHello };
      feeds.start(open, joined, {
        maxBytes: MAX_FIRST_FRAME_BYTES,
        encode: ({ room, rev, resumed, online }, messages) =>
          encodeHello({ room, me: userBody(user), rev, resumed, online, ...rest }, messages),
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
        const executed = connection.session
          ? executeInSession(connection.session, command)
          : connection.room && executeOnRoomUrl(connection, connection.room.room, command);
        executed?.then((ack) => {
          if (ack !== undefined) acks.send(connection, ack);
        }, refuse);
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

function budgetOf(command: Command | ChatError): Budget {
  return command instanceof ChatError || !reads.has(command.type) ? "changes" : "reads";
}

function toAction(command: Exclude<RoomCommand, { type: "typing" }>): Action {
  if (command.type !== "send") return command;
  const { text, client_id: clientId = null, reply_to: replyTo = null } = command;
  return { type: "send", text, clientId, replyTo };
}
