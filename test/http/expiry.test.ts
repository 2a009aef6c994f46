import { afterEach, beforeEach, expect, jest, test } from "bun:test";

import { Connections, type Socket } from "../../src/ws/connections.ts";
import { actor } from "../support/people.ts";

const now = Date.UTC(2026, 0, 1);
beforeEach(() => void jest.useFakeTimers({ now }));
afterEach(() => void jest.useRealTimers());

/** A connection whose token ends in so many milliseconds, and what was done to it, with the second in which it was. */
function connect(milliseconds: number, protocol: "chat.v2" | "classic" = "chat.v2") {
  const connections = new Connections(
    { perUser: 0, total: 0 },
    { pingIntervalMs: 1e9, silenceTimeoutMs: 1e9, pongTimeoutMs: 1e9 },
  );
  const happened: [second: number, what: string][] = [];
  const note = (what: string) => void happened.push([(Date.now() - now) / 1000, what]);
  const about = { protocol, user: actor(1), room: 7, expiresAt: now + milliseconds, arrival: undefined };
  const socket = {
    data: connections.start(about),
    send: (text: string) => note((JSON.parse(text) as { type: string }).type),
    close: (code: number) => note(`closed with ${code}`),
  } as unknown as Socket;
  connections.add(socket);
  return { connections, socket, happened };
}

test("a token's end is told once, within a second of a minute ahead, and enforced within a second", () => {
  const { happened } = connect(100_500);
  jest.advanceTimersByTime(101_000);
  expect(happened).toEqual([
    [41, "token.expiring"],
    [101, "closed with 4401"],
  ]);
});

test("who speaks classic is told nothing, and ends with his token", () => {
  const { happened } = connect(100_500, "classic");
  jest.advanceTimersByTime(101_000);
  expect(happened).toEqual([[101, "closed with 4401"]]);
});

test("a fresh token that ends soon is told of when half of its time is gone, not at once", () => {
  const { connections, socket, happened } = connect(5000);
  jest.advanceTimersByTime(1000);
  expect(happened.splice(0)).toEqual([[1, "token.expiring"]]);
  connections.renew(socket, actor(1), Date.now() + 20_000);
  jest.advanceTimersByTime(20_000);
  expect(happened).toEqual([
    [11, "token.expiring"],
    [21, "closed with 4401"],
  ]);
});
