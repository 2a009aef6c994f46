import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";

import { newEmail } from "../support/api-users.ts";
import { refusedWith } from "../support/client.ts";
import { range } from "../support/samples.ts";
import { unlimited, useServer } from "../support/server.ts";

// Sessions at the limits of rates, and of a store that cannot be read.

const BURST = 5;
const limited = useServer({
  env: { ...unlimited, PARLEY_MESSAGE_RATE: "0.02", PARLEY_MESSAGE_BURST: String(BURST) },
});

describe("the rate limit", () => {
  test("of changes counts over all rooms and connections of a user", async () => {
    const me = newEmail();
    const rooms = [await limited.createRoom([me]), await limited.createRoom([me])];
    const [session, second] = [await limited.connectSession(me), await limited.connectSession(me)];
    const answers = await Promise.all(
      range(1, 8).map((n) =>
        (n % 2 ? session : second).command({ type: "send", room: rooms[n % 2] ?? "", text: `text ${n}` }),
      ),
    );
    expect(answers.filter(({ type }) => type === "ack")).toHaveLength(BURST);
    const refused = answers.filter((answer) => answer.type === "error");
    expect(refused).toHaveLength(3);
    for (const error of refused) {
      expect(error).toMatchObject({ code: "rate_limited" });
      expect(error.retry_after_ms).toBeGreaterThan(0);
      expect(rooms).toContain(error.room ?? "");
    }
  });

  test("of reads counts opens, closes, marks, pings and tokens, ten times as many", async () => {
    const me = newEmail();
    const room = await limited.createRoom([me]);
    const session = await limited.connectSession(me);
    for (let n = 0; n < BURST * 10; n += 5) {
      await session.open(room);
      await session.leave(room);
      await session.ping();
      await session.ack({ type: "read", room, seq: 0 });
      await session.ack({ type: "auth", token: await limited.token(me) });
    }
    for (const command of [{ type: "open", room }, { type: "ping" }] as const)
      expect(await session.error(command)).toMatchObject({ code: "rate_limited" });
    // Changes have a budget of their own.
    await session.say(room, "still allowed");
  });

  test("closes a session that floods with 4429, and no other one", async () => {
    const me = newEmail();
    const room = await limited.createRoom([me]);
    const [session, second] = [await limited.connectSession(me), await limited.connectSession(me)];
    for (let n = 0; n < 100; n++) session.issue({ type: "send", room, text: `text ${n}` });
    expect(await session.closed).toEqual({ code: 4429, reason: "rate_limited" });
    await second.ping();
    expect(second.room(room).seq).toBe(BURST);
  });
});

describe("while the store cannot be read", () => {
  const server = useServer({ env: unlimited });

  /** Works while a table is not there. */
  async function without<T>(table: "messages" | "members", work: () => Promise<T>): Promise<T> {
    using database = new Database(server.config.database);
    database.run(`ALTER TABLE ${table} RENAME TO hidden`);
    try {
      return await work();
    } finally {
      database.run(`ALTER TABLE hidden RENAME TO ${table}`);
    }
  }

  test("a new session is told to try again, and those that are open stay", async () => {
    const [me, other] = [newEmail(), newEmail()];
    const room = await server.createRoom([me, other]);
    const open = await server.connectSession(other);
    await open.open(room);
    await server.token(me);
    await without("members", async () => {
      expect(await refusedWith(server.connectSession(me))).toBe("1013 storage_unavailable");
      await open.ping();
    });
    await open.say(room, "goes on");
    expect((await server.connectSession(me)).room(room).unread).toBe(1);
    await open.until(() => open.opened(room).online.has(me));
  });

  test("a room cannot be opened, the session lives, and its activity goes on", async () => {
    const [me, other] = [newEmail(), newEmail()];
    const room = await server.createRoom([me, other]);
    const [session, writer] = [await server.connectSession(me), await server.connectSession(other)];
    await writer.say(room, "before");
    await session.until(() => session.room(room).seq === 1);
    for (const isOpen of [false, true]) {
      if (isOpen) await session.open(room);
      await without("messages", async () => {
        for (const since of [undefined, 0])
          expect(
            await session.error({ type: "open", room, ...(since !== undefined && { since }) }),
          ).toMatchObject({ code: "storage_unavailable", room });
      });
      const { seq } = await writer.say(room, "after");
      await session.until(() => session.room(room).seq === seq);
      expect(session.model.isOpen(room)).toBeFalse();
    }
    expect((await session.open(room)).messages).toHaveLength(3);
    await writer.say(room, "live");
    await session.reach(room, 4);
  });
});
