import type { Chat } from "../../chat/chat.ts";
import { ChatError } from "../../chat/errors.ts";
import type { Message } from "../../chat/model.ts";
import * as classic from "../../protocol/classic.ts";
import { type Dialect, firstFrameLimit, type Tolls } from "../dialect.ts";
import { topics } from "../broadcast.ts";

/** The dialect of the server that Parley replaces. */
export function createClassic(chat: Chat, tolls: Tolls): Dialect {
  /** Histories that were encoded, for as long as somebody else may be sent the same one. */
  const encoded = new WeakMap<readonly Message[], string>();
  function encodeHistory(history: readonly Message[]): string {
    let frame = encoded.get(history);
    if (frame === undefined) encoded.set(history, (frame = classic.history(history, firstFrameLimit)));
    return frame;
  }

  return {
    open(socket, { room, messages }) {
      socket.subscribe(topics.classic(room.key));
      socket.send(encodeHistory(messages));
    },
    message(socket, frame) {
      const refuse = (error: unknown) => tolls.refuse(socket, error, classic.refusal);
      try {
        tolls.charge(socket);
        if (typeof frame !== "string") throw new ChatError("invalid_message", "Frames are text, not binary.");
        const { user, room } = socket.data;
        const text = classic.parse(frame);
        chat.act(user, room, { type: "send", text, clientId: null, replyTo: null }).catch(refuse);
      } catch (error) {
        refuse(error);
      }
    },
  };
}
