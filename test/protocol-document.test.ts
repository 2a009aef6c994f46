import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { codes } from "../src/chat/errors.ts";
import type { Actor } from "../src/chat/model.ts";
import { can, type Permission } from "../src/chat/permissions.ts";
import { errorCodes } from "../src/protocol/error-codes.ts";
import type { ServerFrame } from "../src/protocol/frames.ts";
import type { Command } from "../src/protocol/schemas.ts";
import { connectV2, type V2Client } from "./support/client.ts";
import { root } from "./support/process.ts";
import { useServer } from "./support/server.ts";

const document = readFileSync(join(root, "docs/protocol.md"), "utf8");

function examplesOf(side: "client" | "server"): unknown[] {
  const blocks = document.matchAll(new RegExp("```json " + side + "\\n([^`]*)```", "g"));
  return Array.from(blocks, ([, json = ""]) => JSON.parse(json) as unknown);
}

/** What no two sessions have in common. */
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

/** Does as an administrator what the document's notices tell of. */
async function administer(method: string, path: string, body: unknown): Promise<void> {
  const token = await server.issuer.sign("admin@example.com", { claims: { scope: "chat:admin" } });
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${server.url}/api/rooms/${path}`, {
    method,
    headers,
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
}

/** A session in which everything happens that the document shows; answers every frame that came. */
async function session(commands: readonly Command[]): Promise<string[]> {
  const { host } = server;
  await server.asOperator(async (chat, operator) => {
    for (const [id, name] of [
      ["general", "General"],
      ["archive", "Archive"],
    ] as const) {
      await chat.rooms.create(operator, id, name);
      for (const email of ["user1@example.com", "user2@example.com"])
        await chat.rooms.setMember(operator, id, { email }, "member");
    }
  });
  const two = await connectV2(host, "general", { token: await sign("Two") });
  await two.say("Hello!");
  const soon = { exp: Math.floor(Date.now() / 1000) + 50 };
  const one = await connectV2(host, "general", { token: await sign("One", soon) });
  await one.next("token.expiring");
  for (const command of commands) await perform(one, two, command);
  await administer("PUT", "general/members/user2@example.com", { role: "moderator" });
  await administer("PATCH", "general", { name: "The lobby" });
  await two.ack({ type: "read", seq: 2 });
  await two.close();
  await one.next((frame) => frame.type === "presence" && !frame.online);

  // An administrator has no rate.
  const writer = await connectV2(host, "archive", { token: await sign("Two", { scope: "chat:admin" }) });
  for (let number = 1; number <= 65; number++) await writer.say(`Number ${number}`);
  const reader = await connectV2(host, "archive", { token: await sign("One"), since: 0 });
  await reader.next("changes");

  await server.stop();
  await Promise.all([one.closed, reader.closed]);
  return [...one.texts, ...reader.texts];
}

async function perform(one: V2Client, two: V2Client, command: Command): Promise<void> {
  if (command.type === "typing") {
    two.send(command);
    await one.next("typing");
    return;
  }
  const token = await sign("One");
  one.send(command.type === "auth" ? { ...command, token } : command);
  await one.next((frame) => (frame.type === "ack" || frame.type === "error") && frame.id === command.id);
}

test("each frame in docs/protocol.md is one that the server sends, or understands, key for key", async () => {
  const [commands, frames] = [examplesOf("client") as Command[], examplesOf("server") as ServerFrame[]];
  const came = new Set((await session(commands)).map((text) => timeless(JSON.parse(text))));
  expect(frames.map(timeless).filter((frame) => !came.has(frame))).toEqual([]);
  // And none is missing.
  const sent: Record<Command["type"], true> = {
    send: true,
    edit: true,
    delete: true,
    react: true,
    read: true,
    typing: true,
    auth: true,
  };
  const heard: Record<ServerFrame["type"], true> = {
    hello: true,
    changes: true,
    change: true,
    ack: true,
    error: true,
    presence: true,
    typing: true,
    read: true,
    member: true,
    room: true,
    "token.expiring": true,
    restarting: true,
  };
  expect(new Set(commands.map(({ type }) => type))).toEqual(new Set(Object.keys(sent)) as never);
  expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(Object.keys(heard)) as never);
  const kinds = frames.flatMap((frame) => (frame.type === "change" ? [frame.kind] : []));
  expect(kinds.toSorted()).toEqual(["created", "deleted", "edited", "reacted"]);
});

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

test("the table of permissions in docs/protocol.md is the one of the code", () => {
  const rows = tableAfter("### Permissions");
  const documented: Record<Permission, string> = {
    participate: "read, send, react, mark as read, see members and who is online",
    delete_any_message: "delete a message",
    manage_members: "add and remove users with the role `member`",
    manage_roles: "add and remove owners and moderators, change roles",
    rename_room: "rename the room",
    delete_room: "delete the room",
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
