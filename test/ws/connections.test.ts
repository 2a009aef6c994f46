import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";

import { asChatError } from "../../src/chat/errors.ts";
import { type ConnectionLimits, Connections, type HeartbeatOptions } from "../../src/ws/connections.ts";
import {
  identity,
  RecordedConnection,
  type RecordedConnectionOptions,
} from "../support/recorded-connection.ts";
import { actor, range } from "../support/samples.ts";

const start = Date.UTC(2026, 0, 1);
beforeEach(() => void jest.useFakeTimers({ now: start }));
afterEach(() => void jest.useRealTimers());

const noHeartbeat: HeartbeatOptions = { pingIntervalMs: 1e9, silenceTimeoutMs: 1e9, pongTimeoutMs: 1e9 };

function createConnections(limits: Partial<ConnectionLimits> = {}, heartbeat = noHeartbeat) {
  const connections = new Connections({ perUser: 0, total: 0, ...limits }, heartbeat);
  const connect = (options: RecordedConnectionOptions = {}) => {
    const connection = new RecordedConnection(options);
    connections.add(connection);
    return connection;
  };
  /** The refusal of one more connection of a user, if there is one. */
  const admission = (user: number) => {
    try {
      return connections.admit(user);
    } catch (error) {
      return asChatError(error);
    }
  };
  return { connections, connect, admission };
}

/** A token that expires so many milliseconds after the start, and is accepted for a second more. */
const token = (expiresInMs: number) => ({
  expiresAt: start + expiresInMs,
  acceptedUntil: start + expiresInMs + 1000,
});

describe("a token's end", () => {
  test("is announced a minute ahead, and closes the connection once the token is not accepted any more", () => {
    const connection = createConnections().connect({ identity: token(100_500) });
    jest.advanceTimersByTime(40_000);
    expect(connection.sent).toEqual([]);
    jest.advanceTimersByTime(1000);
    expect(connection.sent).toEqual([{ type: "token.expiring", expires_at: "2026-01-01T00:01:40.500Z" }]);
    jest.advanceTimersByTime(60_000);
    expect([connection.sent.length, connection.closes]).toEqual([1, []]);
    jest.advanceTimersByTime(1000);
    expect(connection.closes).toEqual(["token_expired"]);
  });

  test("is not announced in classic", () => {
    const connection = createConnections().connect({ protocol: "classic", identity: token(100_500) });
    jest.advanceTimersByTime(102_000);
    expect([connection.sent, connection.closes]).toEqual([[], ["token_expired"]]);
  });

  test("is announced at half of its lifetime, where a fresh token is short-lived", () => {
    const { connections, connect } = createConnections();
    const connection = connect({ identity: token(5000) });
    jest.advanceTimersByTime(1000);
    expect(connection.sent.splice(0)).toHaveLength(1);
    const user = { ...actor(1), name: "Alice" };
    connections.renew(connection, user, identity(1, token(21_000)));
    expect(connection.user).toBe(user);
    jest.advanceTimersByTime(9000);
    expect(connection.sent).toEqual([]);
    jest.advanceTimersByTime(1000);
    expect(connection.sent).toHaveLength(1);
    expect(connection.closes).toEqual([]);
  });
});

test("connections whose signing key is revoked are closed, and no others", () => {
  const { connections, connect } = createConnections();
  const all = ["a", "b", "c", "a"].map((signingKey, user) => connect({ user, identity: { signingKey } }));
  connections.revokeKeys(new Set(["a", "c"]));
  expect(all.map(({ closes }) => closes)).toEqual([["unauthorized"], [], ["unauthorized"], ["unauthorized"]]);
});

describe("limits", () => {
  test("of a user's connections, and of all of them", () => {
    const { connections, connect, admission } = createConnections({ perUser: 2, total: 3 });
    const [first] = [connect(), connect(), connect({ user: 2 })];
    expect(admission(1)).toMatchObject({
      code: "too_many_connections",
      message: expect.stringContaining("already have 2"),
    });
    expect(admission(3)).toMatchObject({
      code: "too_many_connections",
      message: expect.stringContaining("server has the maximum"),
    });
    connections.remove(first);
    connections.remove(first);
    expect(connections.size).toBe(2);
    expect([admission(1), admission(3)]).toEqual([undefined, undefined]);
  });

  test("of how often a user connects: ten times their connections at once, then that many a second", () => {
    const { admission } = createConnections({ perUser: 2 });
    for (let each = 0; each < 20; each++) expect(admission(1)).toBeUndefined();
    expect(admission(1)).toMatchObject({ code: "too_many_connections", retryAfterMs: 500 });
    expect(admission(2)).toBeUndefined();
    jest.advanceTimersByTime(500);
    expect(admission(1)).toBeUndefined();
  });

  test("are lifted by 0", () => {
    const { connect, admission } = createConnections();
    for (let each = 0; each < 100; each++) connect();
    for (let each = 0; each < 1000; each++) expect(admission(1)).toBeUndefined();
  });
});

describe("the heartbeat", () => {
  const heartbeat = { pingIntervalMs: 1000, silenceTimeoutMs: 5000, pongTimeoutMs: 2000 };

  test("pings every connection, and cuts one that has been silent for too long", () => {
    const { connections, connect } = createConnections({}, heartbeat);
    const [silent, alive] = [connect(), connect()];
    for (let second = 0; second < 10; second++) {
      jest.advanceTimersByTime(1000);
      connections.markAlive(alive);
    }
    expect([silent.isTerminated, alive.isTerminated]).toEqual([true, false]);
    expect(alive.pings).toBeGreaterThanOrEqual(9);
  });

  test("makes room for a user whose dead connections have not answered their last ping", () => {
    const { connections, connect, admission } = createConnections(
      { perUser: 2 },
      { ...noHeartbeat, pongTimeoutMs: 2000 },
    );
    const [dead, alive] = [connect(), connect()];
    jest.advanceTimersByTime(10);
    // Refused, but both are asked for a sign of life.
    expect(admission(1)).toMatchObject({ code: "too_many_connections" });
    expect([dead.pings, alive.pings]).toEqual([1, 1]);
    jest.advanceTimersByTime(1000);
    connections.markAlive(alive);
    expect([admission(1)?.code, dead.isTerminated]).toEqual(["too_many_connections", false]);
    jest.advanceTimersByTime(1000);
    admission(1);
    expect([dead.isTerminated, alive.isTerminated]).toEqual([true, false]);
  });
});

describe("a flood of control frames", () => {
  test("closes the connection, once", () => {
    const { connections, connect } = createConnections();
    const connection = connect();
    for (let each = 0; each < 99; each++) connections.countControlFrame(connection);
    expect(connection.closes).toEqual([]);
    for (let each = 0; each < 50; each++) connections.countControlFrame(connection);
    expect(connection.closes).toEqual(["rate_limited"]);
  });

  test("is as many in a second; fewer are signs of life", () => {
    const { connections, connect } = createConnections({}, { ...noHeartbeat, silenceTimeoutMs: 3000 });
    const connection = connect();
    for (let second = 0; second < 10; second++) {
      for (let each = 0; each < 99; each++) connections.countControlFrame(connection);
      jest.advanceTimersByTime(1000);
    }
    expect([connection.closes, connection.isTerminated]).toEqual([[], false]);
  });
});

describe("a drain", () => {
  test("closes every connection, spread over its time, and lets nobody in", async () => {
    jest.useRealTimers();
    const { connections, connect, admission } = createConnections();
    const all = range(1, 5).map((user) => connect({ user, protocol: user % 2 ? "chat.v2" : "classic" }));
    const began = performance.now();
    const drained = connections.drain(100);
    expect([connections.draining, admission(1)]).toMatchObject([true, { code: "restarting" }]);
    expect(all.filter(({ isOpen }) => isOpen).length).toBeGreaterThan(2);
    for (const each of all) {
      while (each.isOpen) await Bun.sleep(1);
      connections.remove(each);
    }
    await drained;
    expect(performance.now() - began).toBeGreaterThanOrEqual(80);
    expect(all.flatMap(({ closes }) => closes)).toEqual(Array(5).fill("restarting"));
    const restarting = [{ type: "restarting", retry_after_ms: 1100 }];
    expect(all.map(({ sent }) => sent)).toEqual([restarting, [], restarting, [], restarting]);
  });
});
