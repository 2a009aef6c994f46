import { expect, test } from "bun:test";
import { join } from "node:path";

import type { Chat } from "../../src/chat/chat.ts";
import { type Actor, operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** A room with an owner and a moderator. */
async function withRoom(work: (chat: Chat, owner: Actor, moderator: Actor) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  const config = readConfig({ PARLEY_DATABASE: join(folder.path, "parley.db") });
  const { chat, close } = openChat(config, { create: true });
  const signIn = (sub: string) => chat.signIn({ sub, admin: false });
  const [owner, moderator] = [await signIn("owner"), await signIn("moderator")];
  await chat.rooms.create(operator, "lobby", "Lobby");
  await chat.rooms.setMember(operator, "lobby", { sub: "owner" }, "owner");
  await chat.rooms.setMember(operator, "lobby", { sub: "moderator" }, "moderator");
  try {
    await work(chat, owner, moderator);
  } finally {
    await close();
  }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(() => "done").catch(({ code }: { code: string }) => code);

test("whoever loses his place while what he asked for is on its way does nothing more", async () => {
  await withRoom(async (chat, owner, moderator) => {
    const answers = await Promise.all(
      [
        chat.rooms.removeMember(owner, "lobby", { sub: "moderator" }),
        // Both were let in at the same moment, as when another process holds the database.
        chat.rooms.setMember(moderator, "lobby", { email: "friend@example.com" }),
        chat.rooms.setMember(moderator, "lobby", { sub: "moderator" }),
      ].map(codeOf),
    );
    expect(answers).toEqual(["done", "removed", "removed"]);
    expect(await chat.rooms.members(owner, "lobby")).toMatchObject([{ user: { id: "owner" } }]);
  });
});

test("whoever is an owner no more deletes and renames nothing, though he was one when he asked", async () => {
  await withRoom(async (chat, owner) => {
    await chat.rooms.setMember(owner, "lobby", { sub: "moderator" }, "owner");
    const answers = await Promise.all(
      [
        chat.rooms.setMember(operator, "lobby", { sub: "owner" }, "member"),
        chat.rooms.rename(owner, "lobby", "Mine"),
        chat.rooms.delete(owner, "lobby"),
      ].map(codeOf),
    );
    expect(answers).toEqual(["done", "forbidden", "forbidden"]);
    expect(await chat.rooms.enter(owner, "lobby")).toMatchObject({ room: { name: "Lobby" }, role: "member" });
  });
});
