import { expect, test } from "bun:test";

import { asChatError } from "../../src/chat/errors.ts";
import type { Actor } from "../../src/chat/model.ts";
import { openLobby } from "../support/lobby.ts";
import { actor, send, settle } from "../support/people.ts";

const [alice, bob] = [actor(1), actor(2)];

test("that somebody is typing is told at most once in three seconds", async () => {
  const { chat, clock, lobby, notices } = openLobby();
  lobby.members.add(bob.key);
  await chat.typing(alice, 7);
  clock.now += 2900;
  await chat.typing(alice, 7);
  expect(notices).toEqual([{ type: "typing", user: alice }]);
  await chat.typing(bob, 7);
  expect(notices.length).toBe(2);
  clock.now += 200;
  await chat.typing(alice, 7);
  expect(notices).toMatchObject([{ user: alice }, { user: bob }, { user: alice }]);
});

test("of somebody who is no longer in the room nobody is told that he is typing; he is told that he is out", async () => {
  const { chat, clock, lobby, notices, room } = openLobby();
  const admin = actor(3, true);
  const refusal = async (typing: Promise<void>) => {
    const outcome = typing.catch((error: unknown) => error);
    await room.answerAll(settle);
    expect(await outcome).toMatchObject({ code: "removed" });
  };
  await refusal(chat.typing(bob, 7));
  expect(notices).toEqual([]);
  await chat.typing(admin, 7);
  expect(notices).toEqual([{ type: "typing", user: admin }]);
  lobby.members.clear();
  clock.now += 5000;
  await refusal(chat.typing(alice, 7));
  expect(notices.length).toBe(1);
});

/** How many of his commands are accepted before one is refused, and after how long the next one would be. */
function spent(spend: () => void): { count: number; retryAfterMs: number | undefined } {
  for (let count = 0; count < 100_000; count++) {
    try {
      spend();
    } catch (error) {
      const { code, retryAfterMs } = asChatError(error);
      expect(code).toBe("rate_limited");
      return { count, retryAfterMs };
    }
  }
  return { count: Infinity, retryAfterMs: undefined };
}

test("commands are charged to the user, and reads to ten times as many of their own", () => {
  const { chat, clock } = openLobby({ limits: { messageRate: 2, messageBurst: 5 } });
  const spend = (who: Actor, what: "command" | "read") => spent(() => chat.spend(who, what));
  expect(spend(alice, "command")).toEqual({ count: 5, retryAfterMs: 500 });
  expect(spend(alice, "read")).toEqual({ count: 50, retryAfterMs: 50 });
  expect(spend(bob, "command").count).toBe(5);
  clock.now += 1000;
  expect(spend(alice, "command").count).toBe(2);
  expect(spend(alice, "read").count).toBe(20);
  // A host's own back end speaks for many.
  expect(spend(actor(3, true), "command").count).toBe(Infinity);
});

test("without a limit nobody is refused", () => {
  const { chat } = openLobby();
  expect(spent(() => chat.spend(alice, "command")).count).toBe(Infinity);
  expect(spent(() => chat.spend(alice, "read")).count).toBe(Infinity);
});

test("who has read how far is told, but not in a crowd, where each would tell each", async () => {
  const { chat, room, lobby, notices, join } = openLobby();
  const crowd = Array.from({ length: 101 }, (_, index) => actor(index + 1));
  for (const { key } of crowd) lobby.members.add(key);
  const read = async () => {
    notices.length = 0;
    await chat.execute(alice, 7, { type: "read", seq: 4 });
    return notices.filter(({ type }) => type === "read");
  };
  for (const who of crowd.slice(1)) join({ who });
  await room.answerAll(settle);
  expect(chat.online(7).length).toBe(100);
  expect(await read()).toEqual([{ type: "read", user: alice, seq: 4 }]);
  join();
  await room.answerAll(settle);
  expect(chat.online(7).length).toBe(101);
  expect(await read()).toEqual([]);
  chat.leave(7, bob.key);
  expect((await read()).length).toBe(1);
});

test("a text has something in it, is within its limit, and can be kept; in a message as in an edit", async () => {
  const { chat } = openLobby({ limits: { textBytes: 8 } });
  const outcome = async (text: string, type: "send" | "edit") => {
    try {
      await chat.execute(alice, 7, type === "send" ? send(text) : { type, seq: 1, text });
      return "stored";
    } catch (error) {
      return asChatError(error).code;
    }
  };
  for (const type of ["send", "edit"] as const) {
    for (const [text, expected] of [
      ["12345678", "stored"],
      ["€€12", "stored"],
      ["😀😀", "stored"],
      ["123456789", "message_too_long"],
      ["€€€", "message_too_long"],
      ["😀😀1", "message_too_long"],
      ["", "invalid_message"],
      [" \n\t\u00a0", "invalid_message"],
      ["a\0b", "invalid_message"],
      ["a\ud800", "invalid_message"],
      // Too long comes first: it is all that a long one is told.
      [" ".repeat(9), "message_too_long"],
    ] as const) {
      expect([type, text, await outcome(text, type)]).toEqual([type, text, expected]);
    }
  }
});
