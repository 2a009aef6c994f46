import type { Logger } from "pino";

import type { Chat, Price } from "../chat/chat.ts";
import type { Arrival } from "../chat/join.ts";
import { asChatError, type ChatError } from "../chat/errors.ts";
import { close, type Socket } from "./connections.ts";
import type { Metrics } from "../http/metrics.ts";

/** What a connection speaks. */
export interface Dialect {
  /** Sends the first frame, and subscribes. */
  open(socket: Socket, arrival: Arrival): void;
  message(socket: Socket, frame: string | Buffer): void;
}

/** Bytes that one frame may have. */
export const frameLimit = 65_536;
/** Bytes that may wait for one slow reader. */
export const backpressureLimit = 1 << 20;
/** Bytes of messages in the first frame: less than that, by what may come while it is read. */
export const firstFrameLimit = backpressureLimit - frameLimit;
/** Frames refused because there were too many, over those accepted since, after which a connection is closed. */
const strikeLimit = 50;

/** Every frame is charged to its sender, and may be refused, whatever the dialect. */
export class Tolls {
  constructor(
    private readonly chat: Chat,
    private readonly metrics: Metrics,
    private readonly log: Logger,
  ) {}

  /** Throws `rate_limited`. */
  charge(socket: Socket, price: Price = "command"): void {
    const { user, strikes } = socket.data;
    strikes[price]++;
    this.chat.spend(user, price);
    // Not refused, which makes up for one refusal, and not for all: a flood that is even has some of it accepted, too.
    strikes[price] = Math.max(0, strikes[price] - 2);
  }

  /** Answers with what `encode` makes of the refusal, and closes whoever may not stay. */
  refuse(socket: Socket, error: unknown, encode: (refusal: ChatError) => string): void {
    const refusal = asChatError(error);
    const { code } = refusal;
    this.metrics.refusals.inc({ code });
    if (code === "internal") this.log.error({ err: error }, "a frame failed");
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(encode(refusal));
    if (code === "removed" || code === "room_deleted") close(socket, code);
    const { strikes } = socket.data;
    if (code === "rate_limited" && Math.max(strikes.command, strikes.read) >= strikeLimit)
      close(socket, code);
  }
}
