import type { Logger } from "pino";

import type { Chat } from "../../chat/chat.ts";
import { asChatError, ChatError } from "../../chat/errors.ts";
import type { Ack, Action, Identity, Limits, Message } from "../../chat/model.ts";
import type { Command } from "../../protocol/frames.ts";
import { roomBody, time, userBody } from "../../protocol/serialize.ts";
import * as v2 from "../../protocol/v2.ts";
import { close, type Connections, type Socket } from "../connections.ts";
import { type Dialect, firstFrameLimit, frameLimit, type Tolls } from "../dialect.ts";
import type { Notices } from "../notices.ts";
import { topics } from "../broadcast.ts";
import { Resume } from "../catch-up.ts";

export interface V2Options {
  chat: Chat;
  /** Checks a token, as at the door. */
  verify: (token: string) => Promise<Identity>;
  connections: Connections;
  notices: Notices;
  tolls: Tolls;
  limits: Limits;
  log: Logger;
}

/** Our own dialect. */
export function createV2(options: V2Options): Dialect {
  const { chat, verify, connections, notices, tolls, log } = options;
  const limits = v2.limitsBody(options.limits, frameLimit);
  const resume = new Resume(chat);

  /** Last messages that were encoded, for as long as somebody else may be sent the same ones. */
  const encoded = new WeakMap<readonly Message[], string>();
  function encodeLast(messages: readonly Message[], most: number): string {
    let known = encoded.get(messages);
    if (known === undefined || Buffer.byteLength(known) > most)
      encoded.set(messages, (known = v2.lastMessages(messages, most)));
    return known;
  }

  /** Acks of this turn: a batch answers many commands at once, and each write to a socket costs more than its ack. */
  const acks = new Map<Socket, string[]>();
  function answer(socket: Socket, frame: string): void {
    if (acks.size === 0) queueMicrotask(flush);
    const frames = acks.get(socket);
    if (frames) frames.push(frame);
    else acks.set(socket, [frame]);
  }
  function flush(): void {
    const due = [...acks];
    acks.clear();
    for (const [socket, frames] of due) {
      if (socket.readyState === WebSocket.OPEN)
        socket.cork(() => {
          for (const frame of frames) socket.send(frame);
        });
    }
  }

  /** What the store makes of a command. */
  function perform(socket: Socket, command: Exclude<Command, { type: "typing" }>): Promise<Ack> {
    const { user, room } = socket.data;
    return command.type === "auth" ? renew(socket, command.token) : chat.act(user, room, actionOf(command));
  }

  /** A fresh token for the same user. One after the other, so that the last one stands. */
  function renew(socket: Socket, token: string): Promise<Ack> {
    const { data } = socket;
    const renewal = data.renewed.then(async () => {
      const identity = await verify(token);
      if (identity.sub !== data.user.id) throw new ChatError("forbidden", "This is another user's token.");
      const user = await chat.signIn(identity);
      // Whoever was there as an administrator, and is none any more, must be a member.
      await chat.stay(user, data.room);
      connections.renew(socket, user, identity.expiresAt);
      chat.renew(data.room, user);
      return chat.position(data.room);
    });
    data.renewed = renewal.then(ignore, ignore);
    return renewal;
  }

  return {
    open(socket, { room, role, messages, rev, resumed }) {
      const { user, expiresAt } = socket.data;
      const online = chat.online(room.key);
      const head = chat.position(room.key);
      const [first = { messages: "", rev, count: 0 }] = resumed ? v2.chunks({ messages, rev }) : [];
      const cursor = first.rev;
      const about = {
        room: roomBody({ room: { ...room, ...head }, role }),
        me: userBody(user),
        rev: cursor,
        resumed,
        online: online.map(userBody),
        token_expires_at: time(expiresAt),
        limits,
      };
      const shown = (rest: number) =>
        resumed ? first.messages : encodeLast(messages, firstFrameLimit - rest);
      socket.send(v2.hello(about, shown));
      notices.withhold(socket, online);
      const level = () => {
        socket.subscribe(topics.v2(room.key));
        notices.resume(socket);
      };
      if (cursor >= head.rev) {
        level();
        return;
      }
      resume.run(socket, cursor, level).catch((error: unknown) => {
        log.error({ err: error, room: room.id }, "what a connection missed could not be read");
        if (socket.readyState === WebSocket.OPEN) close(socket, asChatError(error).code);
      });
    },
    message(socket, frame) {
      let id: string | undefined;
      const refuse = (error: unknown) => tolls.refuse(socket, error, (refusal) => v2.refusal(id, refusal));
      try {
        const parsed = typeof frame === "string" ? v2.parse(frame) : notText;
        const { command } = parsed;
        ({ id } = parsed);
        tolls.charge(socket, "type" in command && cheap.has(command.type) ? "read" : "command");
        if (command instanceof ChatError) throw command;
        if (command.type === "typing") {
          chat.typing(socket.data.user, socket.data.room).catch(refuse);
          return;
        }
        perform(socket, command).then((ack) => answer(socket, v2.ack(command.id, ack)), refuse);
      } catch (error) {
        refuse(error);
      }
    },
  };
}

const ignore = () => undefined;

/** What is not a change of the room's: it is not stored, or is one user's own. */
const cheap: ReadonlySet<Command["type"]> = new Set(["typing", "read", "auth"]);

const notText = {
  id: undefined,
  command: new ChatError("invalid_command", "Frames are text, not binary."),
};

function actionOf(command: Exclude<Command, { type: "typing" | "auth" }>): Action {
  if (command.type !== "send") return command;
  const { text, client_id: clientId = null, reply_to: replyTo = null } = command;
  return { type: "send", text, clientId, replyTo };
}
