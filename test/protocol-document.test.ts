import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { codes } from "../src/chat/errors.ts";
import type { Actor } from "../src/chat/model.ts";
import { can, type Permission } from "../src/chat/permissions.ts";
import { compileClassic } from "../src/protocol/classic/classic.ts";
import { errorVariables, historyVariables, messageVariables } from "../src/protocol/classic/variables.ts";
import { errorCodes } from "../src/protocol/error-codes.ts";
import type { ServerFrame } from "../src/protocol/frames.ts";
import type { Command } from "../src/protocol/schemas.ts";
import { connectV2, type V2Client } from "./support/client.ts";
import { root } from "./support/process.ts";
import { useServer } from "./support/server.ts";
import { connectSession, type SessionClient } from "./support/session-client.ts";

const document = readFileSync(join(root, "docs/protocol.md"), "utf8");

function examplesOf(side: "client" | "server"): unknown[] {
  const blocks = document.matchAll(new RegExp("```json " + side + "\\n([^`]*)```", "g"));
  return Array.from(blocks, ([, json = ""]) => JSON.parse(json) as unknown);
}

/** A frame without what no two runs have in common. */
function timeless(frame: unknown): string {
  return JSON.stringify(frame)
    .replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"<time>"')
    .replace(/"retry_after_ms":\d+/, '"retry_after_ms":0');
}

const server = useServer();
const sign = (user: "One" | "Two", claims: Record<string, unknown> = {}) => {
  const [sub, email] = user === "One" ? ["auth0|a1", "user1@example.com"] : ["auth0|b2", "user2@example.com"];
  return server.issuer.sign(email, { claims: { sub, name: `User ${user}`, ...claims } });
};

const connectSessionOf = (token: string) => connectSession(server.host, { token });

/** Does as an administrator what the document's frames tell of. */
async function administer(method: string, path: string, body?: unknown): Promise<void> {
  const token = await server.issuer.sign("admin@example.com", { claims: { scope: "chat:admin" } });
  const headers = { authorization: `Bearer ${token}` };
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const answer = await fetch(`${server.url}/api/rooms/${path}`, init);
  expect(answer.ok).toBe(true);
}

/** A user with more rooms than one frame holds. The oldest, `news`, is the last one in their list. */
const OTHER_ROOMS = Array.from({ length: 98 }, (_, index) => `another-${index}`);

async function createRooms(): Promise<void> {
  const rooms = [
    ["news", "News", ["user2@example.com"]],
    ["archive", "Archive", ["user1@example.com", "user2@example.com"]],
    ["general", "General", ["user1@example.com", "user2@example.com"]],
    ...OTHER_ROOMS.map((id) => [id, id, ["user2@example.com"]] as const),
  ] as const;
  await server.asOperator(async (chat, operator) => {
    for (const [id, name, members] of rooms) {
      await chat.rooms.create(operator, id, name);
      for (const email of members) await chat.rooms.setMember(operator, id, { email }, "member");
    }
  });
}

/** A session in which everything happens that the document shows. Returns every frame that came. */
async function story(commands: readonly Command[]): Promise<string[]> {
  const { host } = server;
  await createRooms();
  const two = await connectV2(host, "general", { token: await sign("Two") });
  await two.say("Hello!");
  const alone = await connectV2(host, "general", { token: await sign("One") });
  const soon = { exp: Math.floor(Date.now() / 1000) + 50 };
  const one = await connectSessionOf(await sign("One", soon));
  await one.next("token.expiring");
  await alone.close();

  await administer("PUT", "news/members/user1@example.com", {});
  await one.next("joined");
  await administer("DELETE", "news/members/user1@example.com");
  await one.next("left");
  await writeArchive(one);
  for (const command of commands) await perform(one, two, command);
  await administer("PUT", "general/members/user2@example.com", { role: "moderator" });
  await administer("PATCH", "general", { name: "The lobby" });
  await administer("PUT", "general/mutes/user1@example.com", { until: "2100-01-01T00:00:00Z" });
  await one.next("mute");
  await two.ack({ type: "read", seq: 2 });
  await two.close();
  await one.next((frame) => frame.type === "presence" && frame.room === "general" && !frame.online);

  const many = await connectSessionOf(await sign("Two"));
  await many.next("rooms");
  await server.stop();
  await Promise.all([one.closed, many.closed]);
  return [...alone.texts, ...one.texts, ...many.texts];
}

/** 129 messages, and another one that is deleted. Returns when the session has heard of it. */
async function writeArchive(one: SessionClient): Promise<void> {
  const heard = (rev: number) => one.next((frame) => frame.type === "activity" && frame.rev === rev);
  // An administrator has no rate limit.
  const token = await sign("Two", { scope: "chat:admin" });
  const writer = await connectV2(server.host, "archive", { token });
  await Promise.all(Array.from({ length: 129 }, (_, index) => writer.say(`Number ${index + 1}`)));
  await heard(129);
  await writer.say("One more, @room");
  await heard(130);
  await writer.ack({ type: "delete", seq: 130 });
  await heard(131);
  await writer.close();
}

async function perform(one: SessionClient, two: V2Client, command: Command): Promise<void> {
  if (command.type === "typing") {
    two.send(command);
    await one.next("typing");
    return;
  }
  const token = await sign("One");
  one.issue(command.type === "auth" ? { ...command, token } : command);
  await one.next(
    (frame) => ["ack", "error", "opened"].includes(frame.type) && "id" in frame && frame.id === command.id,
  );
}

test("each frame in docs/protocol.md is one that the server sends, or understands, key for key", async () => {
  const [commands, frames] = [examplesOf("client") as Command[], examplesOf("server") as ServerFrame[]];
  const came = new Set((await story(commands)).map((text) => timeless(JSON.parse(text))));
  expect(frames.map(timeless).filter((frame) => !came.has(frame))).toEqual([]);
  // And none is missing.
  const sent: Record<Command["type"], true> = {
    open: true,
    close: true,
    summary: true,
    send: true,
    edit: true,
    delete: true,
    react: true,
    read: true,
    typing: true,
    auth: true,
    ping: true,
  };
  const heard: Record<ServerFrame["type"], true> = {
    hello: true,
    rooms: true,
    activity: true,
    joined: true,
    left: true,
    opened: true,
    changes: true,
    change: true,
    ack: true,
    error: true,
    presence: true,
    typing: true,
    read: true,
    member: true,
    room: true,
    mute: true,
    "token.expiring": true,
    restarting: true,
  };
  expect(new Set(commands.map(({ type }) => type))).toEqual(new Set(Object.keys(sent)) as never);
  expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(Object.keys(heard)) as never);
  const kinds = frames.flatMap((frame) => (frame.type === "change" ? [frame.kind] : []));
  expect(kinds.toSorted()).toEqual(["created", "deleted", "edited", "reacted"]);
  // Both kinds of `hello`: those of a room's URL have a room.
  const hellos = frames.flatMap((frame) =>
    frame.type === "hello" ? ["room" in frame ? "room" : "session"] : [],
  );
  expect(hellos.toSorted()).toEqual(["room", "session"]);
}, 30_000);

/** Rows of the first table after a heading, by their first cell. */
function tableAfter(heading: string): Map<string, string[]> {
  const [, section = ""] = document.split(`\n${heading}\n`);
  const [table = ""] = /^\|.*\n(?:\|.*\n)*/m.exec(section) ?? [];
  const rows = table
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return new Map(rows.slice(2).map(([, first = "", ...cells]) => [first, cells.slice(0, -1)]));
}

test("the table of codes in docs/protocol.md has every code, with its status and close code", () => {
  const rows = tableAfter("### Codes");
  expect([...rows.keys()].toSorted()).toEqual(codes.map((code) => `\`${code}\``).toSorted());
  for (const code of codes) {
    const { status, close } = errorCodes[code];
    const [documentedStatus, documentedClose] = rows.get(`\`${code}\``) ?? [];
    expect([code, documentedStatus]).toEqual([code, String(status)]);
    expect([String(close), "–"]).toContain(documentedClose ?? "");
  }
});

test("docs/protocol.md has every variable of classic.json, and its example is a valid one", () => {
  const [, section = ""] = document.split("\n### classic.json\n");
  const [, table = ""] = /\| variable [^\n]*\n([^]*?)\n\n/.exec(section) ?? [];
  const names = table.split("\n").flatMap((row) => row.split("|")[1]?.match(/\$\w+/g) ?? []);
  const known = [messageVariables, historyVariables, errorVariables].flatMap((each) => Object.keys(each));
  expect(new Set(names)).toEqual(new Set(known.map((name) => `$${name}`)));
  const [, example = ""] = /```json classic\n([^`]*)```/.exec(section) ?? [];
  expect(Object.keys(compileClassic(JSON.parse(example)).description)).toHaveLength(11);
});

test("the table of permissions in docs/protocol.md is the one of the code", () => {
  const rows = tableAfter("### Permissions");
  const documented: Record<Permission, string> = {
    participate: "read, react, mark as read, see members and who is online",
    post: "send messages, edit their own",
    post_in_read_only_room: "the same where `posting` is `moderators`",
    skip_slow_mode: "send without waiting for the slow mode",
    delete_any_message: "delete a message",
    manage_members: "add, remove, ban and mute users with the role `member`, list bans and mutes",
    manage_roles: "add, remove, ban and mute owners and moderators, change roles",
    lift_bans: "lift a ban, or make it end earlier",
    change_room: "change the room's name and settings",
    delete_room: "delete the room",
    read_audit: "read the audit list",
  };
  const actor: Actor = { key: 1, id: "a", email: null, name: null, admin: false };
  for (const [permission, action] of Object.entries(documented) as [Permission, string][]) {
    const granted = rows.get(action)?.map((cell) => /^(yes|any)\b/.test(cell));
    expect([action, granted]).toEqual([
      action,
      [
        can(actor, "member", permission),
        can(actor, "moderator", permission),
        can(actor, "owner", permission),
        can({ ...actor, admin: true }, null, permission),
      ],
    ]);
  }
});
