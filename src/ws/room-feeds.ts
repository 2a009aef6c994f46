import type { Logger } from "pino";

import type { Chat } from "../chat/chat.ts";
import { asChatError } from "../chat/errors.ts";
import type { JoinResult } from "../chat/join.ts";
import type { Message } from "../chat/model.ts";
import type { OpenedFrame } from "../protocol/frames.ts";
import { muteBody, roomBody, userBody } from "../protocol/serialize.ts";
import { encodeChunks, encodeMessages } from "../protocol/v2.ts";
import { CatchUp } from "./catch-up.ts";
import type { OpenRoom } from "./connection.ts";
import type { Notices } from "./notices.ts";

/** What the first frame about a room says, in `hello` and in `opened`, except for its messages. */
type RoomStart = Pick<OpenedFrame, "room" | "rev" | "resumed" | "mute" | "online">;

export interface FirstFrame {
  /** The most bytes that the frame may have when it holds the last messages. */
  maxBytes: number;
  /** `messages` returns the encoded messages; it is passed the bytes of the rest of the frame. */
  encode: (parts: RoomStart, messages: (restBytes: number) => string) => string;
  /** Called when the connection has been subscribed. */
  onLive?: () => void;
}

export interface RoomFeedsOptions {
  chat: Chat;
  notices: Notices;
  log: Logger;
}

/** Feeds rooms to `chat.v2` connections: a first frame, what the client has missed, then live changes and notices. */
export class RoomFeeds {
  readonly #catchUp: CatchUp;
  readonly #encodeLast = cachedEncoder();

  constructor(private readonly options: RoomFeedsOptions) {
    this.#catchUp = new CatchUp(options.chat);
  }

  /** Sends the first frame. Subscribes the connection in the turn in which it has everything that was published. */
  start(open: OpenRoom, joined: JoinResult, frame: FirstFrame): void {
    const { chat, notices, log } = this.options;
    const { connection, room } = open;
    const online = chat.listOnline(room.key, connection.user.key);
    const { messages, resumed } = joined;
    const mute = open.mute === undefined ? joined.mute : open.mute;
    const rev = joined.position?.rev ?? 0;
    // Changes that do not fit into the first frame follow in `changes` frames.
    const [first = { messages: "", rev, count: 0 }] = resumed ? encodeChunks({ messages, rev }) : [];
    const parts = {
      room: roomBody({ ...joined, room: { ...joined.room, ...chat.position(room.key) } }),
      rev: first.rev,
      resumed,
      ...(mute && { mute: muteBody(mute) }),
      online: online.map(userBody),
    };
    connection.send(
      frame.encode(parts, (restBytes) =>
        resumed ? first.messages : this.#encodeLast(messages, frame.maxBytes - restBytes),
      ),
    );
    open.hasStarted = true;
    notices.withhold(open, online);
    const onCaughtUp = () => {
      open.follow();
      notices.resume(open);
      frame.onLive?.();
    };
    this.#catchUp.run(open, first.rev, onCaughtUp).catch((err: unknown) => {
      log.error({ err, room: room.id }, "Missed changes could not be read; connection closed");
      connection.close(asChatError(err).code);
    });
  }

  /** The connection's send buffer has drained. */
  drained(open: OpenRoom): void {
    // Not before the client has caught up with the room.
    if (open.isLive) this.options.notices.resume(open);
  }
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
