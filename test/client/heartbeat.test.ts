import { describe, expect, test } from "bun:test";

import { TestClock } from "./support/clock.ts";
import { connectToFake, created } from "./support/fake-server.ts";

const probe = { type: "ping", id: expect.any(String) as string } as const;

describe("a server that is silent for 30 seconds", () => {
  test("is probed, and replaced if it does not answer within ten seconds", async () => {
    const { room, clock, socket, welcome } = await connectToFake();
    await welcome();
    await clock.advance(29_999);
    expect(socket.sent).toEqual([]);
    await clock.advance(1);
    expect(socket.sent).toEqual([probe]);
    await clock.advance(9_999);
    expect(room.status).toBe("open");
    await clock.advance(1);
    expect(room.status).toBe("connecting");
    expect(socket.closed).toBeDefined();
  });

  test.each(["ack", "error", "typing"])("is kept if it answers with a frame of type %s", async (type) => {
    const { room, clock, socket, welcome } = await connectToFake();
    await welcome();
    for (let n = 1; n <= 3; n++) {
      await clock.advance(n === 1 ? 30_000 : 20_000);
      expect(socket.sent).toHaveLength(n);
      const frame = {
        type,
        room: "lobby",
        id: socket.lastSent.id,
        code: "rate_limited",
        user: {},
        seq: 0,
        rev: 0,
      };
      socket.receive(JSON.stringify(frame));
      await clock.advance(10_000);
    }
    expect(room.status).toBe("open");
  });

  test("is not given more time by a second probe", async () => {
    const { chat, room, clock, socket, welcome } = await connectToFake();
    await welcome();
    chat.retry();
    await clock.advance(9_000);
    chat.retry();
    expect(socket.sent).toEqual([probe]);
    await clock.advance(1_000);
    expect(room.status).toBe("connecting");
  });
});

test("a server that sends frames is not probed", async () => {
  const { clock, socket, welcome } = await connectToFake();
  await welcome();
  for (let seq = 1; seq <= 10; seq++) {
    await clock.advance(20_000);
    socket.receive(created(seq));
  }
  expect(socket.sent).toEqual([]);
});

/** A clock whose `now` a test can set back. */
function adjustableClock() {
  const clock = new TestClock();
  const { setTimeout, clearTimeout } = clock;
  const adjustable = { offset: 0, now: () => clock.now() + adjustable.offset, setTimeout, clearTimeout };
  return { clock, adjustable };
}

describe("a clock that is set back by an hour", () => {
  test("does not delay the probe", async () => {
    const { clock, adjustable } = adjustableClock();
    const { socket, welcome } = await connectToFake({ clock: adjustable });
    await welcome();
    adjustable.offset = -3_600_000;
    await clock.advance(60_000);
    expect(socket.sent).toEqual([probe]);
  });

  test("does not suppress typing", async () => {
    const { adjustable } = adjustableClock();
    const { room, socket, welcome } = await connectToFake({ clock: adjustable });
    await welcome();
    room.typing();
    adjustable.offset = -3_600_000;
    room.typing();
    expect(socket.sent).toEqual([
      { type: "typing", room: "lobby" },
      { type: "typing", room: "lobby" },
    ]);
  });
});
