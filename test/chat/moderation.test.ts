import { expect, test } from "bun:test";
import { join } from "node:path";

import { createLocalBus } from "../../src/bus/local.ts";
import { Chat } from "../../src/chat/chat.ts";
import { asChatError } from "../../src/chat/errors.ts";
import type { Actor, RestrictionKind } from "../../src/chat/model.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { noLimits } from "../support/chat-harness.ts";
import { send } from "../support/samples.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const ignore = () => undefined;

/** A chat with a clock of its own, which can be closed and opened again. */
function createClockedChat() {
  const folder = temporaryFolder();
  const clock = { now: 1_000_000 };
  const now = () => clock.now;
  function start() {
    const store = new SqliteStore(open(join(folder.path, "parley.db")), now);
    const chat = new Chat({
      store,
      bus: createLocalBus({ dataVersion: () => 0, failed: ignore }),
      limits: noLimits,
      broadcaster: { publish: ignore, publishMissed: ignore, followers: () => 0, publishActivity: ignore },
      observer: { historyFailed: ignore, commitFailed: ignore, syncFailed: ignore, recheckFailed: ignore },
      now,
      monotonic: now,
    });
    return { store, chat };
  }
  let running = start();
  return {
    clock,
    get chat() {
      return running.chat;
    },
    async restart() {
      await running.store.close();
      running = start();
    },
    async [Symbol.asyncDispose]() {
      await running.store.close();
      folder[Symbol.dispose]();
    },
  };
}

/** The code of a refusal, or "done". */
const outcome = (work: () => Promise<unknown>) =>
  Promise.try(work).then(
    () => "done",
    (error: unknown) => asChatError(error).code,
  );

test("bans and mutes end by the clock, and outlive a restart", async () => {
  await using at = createClockedChat();
  const signIn = (sub: string) => at.chat.signIn({ sub, admin: false });
  const [owner, bob] = [await signIn("owner"), await signIn("bob")];
  const { key } = await at.chat.rooms.create(owner, "hall", "Hall", { access: "open" });
  const restrict = (kind: RestrictionKind, until: number | null) =>
    at.chat.moderation.restrict(owner, "hall", { sub: "bob" }, { kind, until, reason: null });
  const joins = () => outcome(() => at.chat.openRooms.join(bob, "hall"));
  const sends = (actor: Actor) => outcome(() => at.chat.execute(actor, key, send("x")));
  const listed = async (kind: RestrictionKind) =>
    (await at.chat.moderation.restrictions(owner, "hall", { kind, after: undefined, limit: 9 })).length;
  const { now } = at.clock;

  expect(await outcome(() => restrict("ban", now))).toBe("invalid_command");
  await restrict("ban", now + 10);
  await restrict("mute", now + 20);
  await at.restart();
  expect([await joins(), await listed("ban"), await listed("mute")]).toEqual(["forbidden", 1, 1]);
  at.clock.now = now + 10;
  expect([await joins(), await listed("ban"), await listed("mute")]).toEqual(["done", 0, 1]);
  expect([await sends(bob), await outcome(() => at.chat.typing(bob, key))]).toEqual([
    "forbidden",
    "forbidden",
  ]);
  at.clock.now = now + 20;
  expect([await sends(bob), await outcome(() => at.chat.typing(bob, key)), await listed("mute")]).toEqual([
    "done",
    // One typing notice in three seconds.
    "done",
    0,
  ]);
  await restrict("ban", null);
  at.clock.now = 2 ** 45;
  await at.restart();
  expect([await joins(), await sends(bob), await listed("ban")]).toEqual(["forbidden", "removed", 1]);
});

test("slow mode lasts as long as it says, also over a restart", async () => {
  await using at = createClockedChat();
  const [owner, bob] = [
    await at.chat.signIn({ sub: "owner", admin: false }),
    await at.chat.signIn({ sub: "bob", admin: false }),
  ];
  const { key } = await at.chat.rooms.create(owner, "hall", "Hall", { slowMode: 60 });
  await at.chat.rooms.setMember(owner, "hall", { sub: "bob" });
  const sends = (actor: Actor) => outcome(() => at.chat.execute(actor, key, send("x")));
  expect([await sends(bob), await sends(bob)]).toEqual(["done", "rate_limited"]);
  await at.restart();
  at.clock.now += 59_999;
  expect([await sends(bob), await sends(owner), await sends(owner)]).toEqual([
    "rate_limited",
    "done",
    "done",
  ]);
  at.clock.now += 1;
  expect([await sends(bob), await sends(bob)]).toEqual(["done", "rate_limited"]);
});

test("the settings of a room outlive a restart", async () => {
  await using at = createClockedChat();
  const owner = await at.chat.signIn({ sub: "owner", admin: false });
  const settings = { name: "New", access: "open", posting: "moderators", slowMode: 21_600 } as const;
  await at.chat.rooms.create(owner, "hall", "Hall");
  await at.chat.rooms.change(owner, "hall", settings);
  await at.restart();
  expect((await at.chat.rooms.enter(owner, "hall")).room).toMatchObject(settings);
  expect((await at.chat.rooms.of(owner))[0]?.room).toMatchObject(settings);
  expect(await at.chat.moderation.audit(owner, "hall", { before: undefined, limit: 9 })).toMatchObject([
    { n: 1, action: "room_changed", changes: settings, actor: { id: "owner" } },
  ]);
});
