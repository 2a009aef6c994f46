import { expect, test } from "bun:test";

import type { Chat } from "../../src/chat/chat.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { Connections } from "../../src/ws/connections.ts";
import { createSockets, type SocketOptions } from "../../src/ws/handlers.ts";
import { actor } from "../support/people.ts";

/** A socket that remembers how it was closed. */
function seat(connections: Connections, user: number, admin = false) {
  const about = { protocol: "classic", room: 7, expiresAt: Infinity, arrival: undefined } as const;
  const closed: unknown[] = [];
  const data = connections.start({ ...about, user: actor(user, admin) });
  connections.add({ data, close: (...args: unknown[]) => closed.push(args) } as never);
  return closed;
}

const unused = () => {
  throw new Error("not asked for");
};

test("whoever is known to be out is closed at once, even while no roster can be read", async () => {
  const connections = new Connections({ perUser: 0, total: 0 });
  try {
    const chat = { rooms: { roster: () => new Promise(() => undefined) } } as unknown as Chat;
    const log = { error: () => undefined } as unknown as SocketOptions["log"];
    const limits = { textBytes: 0, messageRate: 0, messageBurst: 0, roomsPerUser: 0, membersPerRoom: 0 };
    const metrics = createMetrics();
    const sockets = createSockets({
      chat,
      connections,
      metrics,
      log,
      limits,
      verify: unused,
      server: unused,
    });
    const [removed, other, admin] = [seat(connections, 1), seat(connections, 2), seat(connections, 1, true)];
    sockets.hear({ kind: "roster", room: 7, out: 1 });
    expect([removed, other, admin]).toEqual([[[4403, "removed"]], [], []]);
    sockets.hear({ kind: "roster", room: 7, out: "everyone" });
    expect(other).toEqual([[4404, "room_deleted"]]);
  } finally {
    await connections.drain(0);
  }
});
