import type { Logger } from "pino";

import type { Budget, Chat } from "../chat/chat.ts";
import { asChatError, type ChatError } from "../chat/errors.ts";
import type { Metrics } from "../http/metrics.ts";
import type { Connection } from "./connection.ts";

/** Commands refused by the rate limit, less those accepted since, after which a connection is closed. */
const MAX_EXCESS_COMMANDS = 50;

/** Charges each frame to its sender and answers those that are refused, in every dialect. */
export class FrameGuard {
  constructor(
    private readonly chat: Chat,
    private readonly metrics: Metrics,
    private readonly log: Logger,
  ) {}

  /** Throws `rate_limited`. */
  charge({ user, excess }: Connection, budget: Budget): void {
    // Counted first, for a frame that is refused. Each accepted frame cancels itself and one refusal.
    excess[budget]++;
    this.chat.charge(user, budget);
    excess[budget] = Math.max(0, excess[budget] - 2);
  }

  /** Answers with the encoded error, and closes a connection that may not stay. */
  refuse(connection: Connection, error: unknown, encode: (error: ChatError) => string): void {
    const refusal = asChatError(error);
    const { code } = refusal;
    this.metrics.refusals.inc({ code });
    if (code === "internal") this.log.error({ err: error }, "A frame could not be handled");
    if (!connection.isOpen) return;
    connection.send(encode(refusal));
    const { changes, reads } = connection.excess;
    const floods = code === "rate_limited" && Math.max(changes, reads) >= MAX_EXCESS_COMMANDS;
    if (code === "removed" || code === "room_deleted" || floods) connection.close(code);
  }
}
