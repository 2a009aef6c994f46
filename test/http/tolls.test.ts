import { expect, test } from "bun:test";

import { ChatError } from "../../src/chat/errors.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { Tolls } from "../../src/ws/dialect.ts";

test("whose command finds that he may not be here is told, and closed at once", () => {
  for (const [code, close] of [
    ["removed", [4403, "removed"]],
    ["room_deleted", [4404, "room_deleted"]],
    ["forbidden", undefined],
  ] as const) {
    const happened: unknown[] = [];
    const socket = {
      readyState: WebSocket.OPEN,
      data: { strikes: { command: 0, read: 0 } },
      send: (text: string) => happened.push(text),
      close: (...how: unknown[]) => happened.push(how),
    };
    const tolls = new Tolls({} as never, createMetrics(), { error: () => undefined } as never);
    tolls.refuse(socket as never, new ChatError(code, "No."), () => "the refusal");
    expect(happened).toEqual(close ? ["the refusal", close] : ["the refusal"]);
  }
});
