import type { Logger } from "pino";

import type { Budget } from "../chat/budgets.ts";
import type { Chat } from "../chat/chat.ts";
import { asChatError, type ChatError } from "../chat/errors.ts";
import type { Metrics } from "../http/metrics.ts";
import type { Connection } from "./connection.ts";

/** A connection is closed when the rate limit has refused this many more commands than it has accepted since. */
const MAX_EXCESS_COMMANDS = 50;

/** Charges each frame to its sender's rate limit, and answers refused frames. Shared by the dialects. */
export class FrameGuard {
  constructor(
    private readonly chat: Chat,
    private readonly metrics: Metrics,
    private readonly log: Logger,
  ) {}

  /** Charges one frame. Throws `rate_limited`. */
  charge({ user, excess }: Connection, budget: Budget): void {
    // Incremented first, because `charge` throws. An accepted frame takes this back, and one earlier refusal with it.
    excess[budget]++;
    this.chat.budgets.charge(user, budget);
    excess[budget] = Math.max(0, excess[budget] - 2);
  }

  /**
   * Answers a frame with an error, unless `encode` returns undefined. Closes the connection if its user may not stay, or floods
   * the server.
   */
  refuse(connection: Connection, error: unknown, encode: (error: ChatError) => string | undefined): void {
    const refusal = asChatError(error);
    const { code } = refusal;
    this.metrics.refusals.inc({ code });
    if (code === "internal") this.log.error({ err: error }, "A frame could not be handled");
    if (!connection.isOpen) return;
    const frame = encode(refusal);
    if (frame !== undefined) connection.send(frame);
    const { changes, reads } = connection.excess;
    const isFlooding = code === "rate_limited" && Math.max(changes, reads) >= MAX_EXCESS_COMMANDS;
    // A session stays open: it has other rooms.
    const hasLostItsRoom = (code === "removed" || code === "room_deleted") && !connection.session;
    if (hasLostItsRoom || isFlooding) connection.close(code);
  }
}
