import type { Logger } from "pino";

import type { Verifier } from "../../auth/verifier.ts";
import type { Budget, Chat } from "../../chat/chat.ts";
import { asChatError, ChatError } from "../../chat/errors.ts";
import type { JoinResult } from "../../chat/join.ts";
import type { Ack, Action, Limits, Message } from "../../chat/model.ts";
import type { Command } from "../../protocol/schemas.ts";
import { formatTime, roomBody, userBody } from "../../protocol/serialize.ts";
import {
  encodeAck,
  encodeChunks,
  encodeError,
  encodeHello,
  encodeMessages,
  limitsBody,
  parseCommand,
} from "../../protocol/v2.ts";
import { AckBatcher } from "../ack-batcher.ts";
import { topics } from "../broadcast.ts";
import { CatchUp } from "../catch-up.ts";
import type { Connection } from "../connection.ts";
import type { Connections } from "../connections.ts";
import type { FrameGuard } from "../frame-guard.ts";
import { MAX_FIRST_FRAME_BYTES, MAX_FRAME_BYTES } from "../limits.ts";
import type { Notices } from "../notices.ts";
import type { Dialect } from "./dialect.ts";

export interface V2Options {
  chat: Chat;
  verifier: Pick<Verifier, "verify" | "trusts">;
  connections: Connections;
  notices: Notices;
  guard: FrameGuard;
  limits: Limits;
  log: Logger;
}

/** Parley's own dialect. */
export function createV2(options: V2Options): Dialect {
  const { chat, verifier, connections, notices, guard, log } = options;
  const limits = limitsBody(options.limits, MAX_FRAME_BYTES);
  const catchUp = new CatchUp(chat);
  const acks = new AckBatcher();
  const encodeLast = cachedEncoder();

  function hello(connection: Connection, joined: JoinResult): { frame: string; cursor: number } {
    const { user, identity } = connection;
    const { room, role, messages, resumed } = joined;
    const rev = joined.position?.rev ?? 0;
    // Changes that do not fit into the first frame follow in `changes` frames.
    const [first = { messages: "", rev, count: 0 }] = resumed ? encodeChunks({ messages, rev }) : [];
    const parts = {
      room: roomBody({ room: { ...room, ...chat.position(room.key) }, role }),
      me: userBody(user),
      rev: first.rev,
      resumed,
      online: chat.online(room.key, user.key).map(userBody),
      token_expires_at: formatTime(identity.expiresAt),
      limits,
    };
    const frame = encodeHello(parts, (restBytes) =>
      resumed ? first.messages : encodeLast(messages, MAX_FIRST_FRAME_BYTES - restBytes),
    );
    return { frame, cursor: first.rev };
  }

  /** Replaces the connection's token. Tokens are checked one after the other, so that the last one wins. */
  function renewToken(connection: Connection, token: string): Promise<Ack> {
    const renewed = connection.renewal.then(async () => {
      const identity = await verifier.verify(token);
      if (identity.sub !== connection.user.id)
        throw new ChatError("forbidden", "This is another user's token.");
      const user = await chat.signIn(identity);
      // An administrator whose new token lacks the scope may only stay as a member.
      await chat.assertMember(user, connection.room);
      if (!verifier.trusts(identity.signingKey))
        throw new ChatError("unauthorized", "The token is not valid here.");
      connections.renew(connection, user, identity);
      chat.updateUser(connection.room, user);
      return chat.position(connection.room);
    });
    connection.renewal = renewed.catch(() => undefined);
    return renewed;
  }

  function execute(connection: Connection, command: Exclude<Command, { type: "typing" }>): Promise<Ack> {
    if (command.type === "auth") return renewToken(connection, command.token);
    return chat.execute(connection.user, connection.room, toAction(command));
  }

  return {
    historyOptional: false,
    start(connection, joined) {
      const { room } = connection;
      const { frame, cursor } = hello(connection, joined);
      connection.send(frame);
      notices.withhold(connection, chat.online(room, connection.user.key));
      const onCaughtUp = () => {
        connection.subscribe(topics.v2(room));
        notices.resume(connection);
      };
      catchUp.run(connection, cursor, onCaughtUp).catch((err: unknown) => {
        log.error({ err, room: joined.room.id }, "Missed changes could not be read; connection closed");
        connection.close(asChatError(err).code);
      });
    },
    message(connection, frame) {
      const { id, command } = typeof frame === "string" ? parseCommand(frame) : NOT_TEXT;
      const refuse = (error: unknown) =>
        guard.refuse(connection, error, (refusal) => encodeError(id, refusal));
      try {
        guard.charge(connection, budgetOf(command));
        if (command instanceof ChatError) throw command;
        if (command.type === "typing") {
          chat.typing(connection.user, connection.room).catch(refuse);
          return;
        }
        const { id: commandId } = command;
        execute(connection, command).then((ack) => acks.send(connection, encodeAck(commandId, ack)), refuse);
      } catch (error) {
        refuse(error);
      }
    },
    drained(connection) {
      // Not before the connection has caught up.
      if (connection.isSubscribed(topics.v2(connection.room))) notices.resume(connection);
    },
  };
}

const NOT_TEXT = {
  id: undefined,
  command: new ChatError("invalid_command", "Frames must be text."),
};

/** Commands that change nothing in the room count as reads. */
function budgetOf(command: Command | ChatError): Budget {
  if (command instanceof ChatError) return "changes";
  return command.type === "typing" || command.type === "read" || command.type === "auth"
    ? "reads"
    : "changes";
}

function toAction(command: Exclude<Command, { type: "typing" | "auth" }>): Action {
  if (command.type !== "send") return command;
  const { text, client_id: clientId = null, reply_to: replyTo = null } = command;
  return { type: "send", text, clientId, replyTo };
}

/** Returns an encoder that encodes each array once, as long as the history cache keeps it. */
function cachedEncoder(): (messages: readonly Message[], maxBytes: number) => string {
  const encoded = new WeakMap<readonly Message[], string>();
  return (messages, maxBytes) => {
    let json = encoded.get(messages);
    if (json === undefined || Buffer.byteLength(json) > maxBytes) {
      json = encodeMessages(messages, maxBytes);
      encoded.set(messages, json);
    }
    return json;
  };
}
