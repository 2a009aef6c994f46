import { describe, expect, test } from "bun:test";

import { handshake, RawConnection } from "../support/raw.ts";
import { newRoomId, unlimited, useServer } from "../support/server.ts";
import { upgrade, type UpgradeRequest } from "../support/upgrade.ts";

// The upgrade request itself: its method, path and headers. Refusals are in refusals.test.ts.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";

interface Request extends UpgradeRequest {
  path?: string;
}

const offerV2 = { "sec-websocket-protocol": "chat.v2" };
const urls = [
  { name: "a room's URL", pathOf: (room: string) => `/ws/chat/${room}/`, offer: {}, opened: "classic" },
  { name: "the URL of sessions", pathOf: () => "/ws/", offer: offerV2, opened: "session" },
] as const;
const OPENED = "opened";

/** A handshake that is correct unless the request says otherwise. */
async function attempt(room: string, { path = `/ws/chat/${room}/`, method, headers }: Request = {}) {
  const authorization = `Bearer ${await server.token(alice)}`;
  const { outcome } = await upgrade(server.host, path, {
    ...(method !== undefined && { method }),
    headers: { authorization, ...headers },
  });
  return outcome;
}

/** The status of an answer that may come from Bun itself, which sends no problem. */
async function statusOf(request: string): Promise<number> {
  const raw = await RawConnection.open(server.host);
  raw.write(request);
  const { status } = await raw.answer();
  raw.destroy();
  return status;
}

describe.each(urls)("a handshake at $name", ({ pathOf, offer, opened }) => {
  test.each<[name: string, request: Request, outcome: string]>([
    ["nothing special", {}, OPENED],
    ["Upgrade in another case", { headers: { upgrade: "WebSocket" } }, OPENED],
    ["Connection: upgrade", { headers: { connection: "upgrade" } }, OPENED],
    [
      "Connection: keep-alive, Upgrade, as Firefox sends it",
      { headers: { connection: "keep-alive, Upgrade" } },
      OPENED,
    ],
    ["Connection: notupgrade", { headers: { connection: "notupgrade" } }, "400 invalid_command"],
    ["Connection: keep-alive", { headers: { connection: "keep-alive" } }, "400 invalid_command"],
    ["Connection: upgrade-insecure", { headers: { connection: "upgrade-insecure" } }, "400 invalid_command"],
    ["no Connection", { headers: { connection: undefined } }, "400 invalid_command"],
    ["no Upgrade", { headers: { upgrade: undefined } }, "426 invalid_command"],
    ["an empty Upgrade", { headers: { upgrade: "" } }, "426 invalid_command"],
    ["Upgrade: h2c", { headers: { upgrade: "h2c" } }, "426 invalid_command"],
    ["no key", { headers: { "sec-websocket-key": undefined } }, "400 invalid_command"],
    ["a short key", { headers: { "sec-websocket-key": "c2hvcnQ=" } }, "400 invalid_command"],
    ["a key that is not base64", { headers: { "sec-websocket-key": "!".repeat(24) } }, "400 invalid_command"],
    ["POST", { method: "POST", headers: { "content-length": "0" } }, "426 invalid_command"],
    ["PUT", { method: "PUT", headers: { "content-length": "0" } }, "426 invalid_command"],
  ])("with %s ends as expected", async (_, request, expected) => {
    const room = await server.createRoom([alice]);
    const headers = { ...offer, ...request.headers };
    const outcome = await attempt(room, { ...request, path: pathOf(room), headers });
    expect(outcome).toBe(expected === OPENED ? opened : expected);
  });

  test.each<[name: string, status: number, headers: Record<string, string | undefined>]>([
    ["version 12", 426, { "sec-websocket-version": "12" }],
    ["no version", 426, { "sec-websocket-version": undefined }],
    ["no Host", 400, { host: undefined }],
    ["headers of 20 KB", 431, { cookie: "x".repeat(20_000) }],
  ])("with %s is refused with %d", async (_, status, headers) => {
    const room = await server.createRoom([alice]);
    const authorization = `Bearer ${await server.token(alice)}`;
    const lines = handshake(server.host, pathOf(room), { authorization, ...offer, ...headers });
    expect(await statusOf(lines)).toBe(status);
  });

  test("with two Host headers is refused", async () => {
    const room = await server.createRoom([alice]);
    const authorization = `Bearer ${await server.token(alice)}`;
    const lines = handshake(server.host, pathOf(room), { authorization, ...offer });
    expect(await statusOf(lines.replace("\r\n\r\n", "\r\nHost: evil.example\r\n\r\n"))).toBe(400);
  });

  test("by HTTP/1.0 without a Host is refused", async () => {
    const room = await server.createRoom([alice]);
    const authorization = `Bearer ${await server.token(alice)}`;
    const lines = handshake(server.host, pathOf(room), { authorization, ...offer, host: undefined });
    expect(await statusOf(lines.replace("HTTP/1.1", "HTTP/1.0"))).toBe(400);
  });

  test("agrees to no compression, although it is offered", async () => {
    const room = await server.createRoom([alice]);
    const { outcome, headers } = await upgrade(server.host, pathOf(room), {
      headers: {
        ...offer,
        authorization: `Bearer ${await server.token(alice)}`,
        "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
      },
    });
    expect(outcome).toBe(opened);
    expect(headers.has("sec-websocket-extensions")).toBe(false);
  });
});

describe("the path", () => {
  test("may end with a slash or not, be percent-encoded and have a query", async () => {
    const room = await server.createRoom([alice]);
    const encoded = Array.from(room, (letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
    for (const path of [room, `${room}/`, `${encoded}/`, `${room}/?x=/../`, `x/../${room}/`])
      expect(await attempt(room, { path: `/ws/chat/${path}` })).toBe("classic");
  });

  test("names a room by up to 100 letters, digits and . _ -", async () => {
    for (const prefix of ["a".repeat(93), "A-b_c.d..e"]) {
      const id = `${prefix}-${newRoomId().slice("room-".length).padStart(6, "0")}`;
      await server.createRoom([alice], { id });
      expect(await attempt(id)).toBe("classic");
      expect(await attempt(id.replace("-", "_"))).toBe("404 room_not_found");
    }
  });

  test.each([
    ["a".repeat(101)],
    ["a".repeat(10_000)],
    [".hidden"],
    ["a%20b"],
    ["a+b"],
    ["a:b"],
    ["a;b"],
    ["a,b"],
    ["*"],
    ["$a"],
    ["a@example.com"],
    ["%zz"],
    ["%"],
    ["%ff"],
    ["%00"],
    ["room%00"],
    ["room%0a"],
    ["room%0d%0a"],
    ["a%2fb"],
    ["%2e%2e%2f%2e%2e%2fetc"],
    ["..%2fadmin"],
    ["%252e%252e"],
    ["caf%C3%A9"],
    ["%F0%9F%98%80"],
    ["%D0%B0dmin"],
    ["a'OR'1'='1"],
  ])("cannot name a room %p", async (id) => {
    expect(await attempt(id)).toBe("400 invalid_command");
    expect(await attempt(id, { headers: offerV2 })).toBe("4400 invalid_command");
  });

  test.each(["/ws", "/ws/", "/ws?x=1", "/ws/?since=x", "/%77s/", "/ws/chat/../", "/ws/chat/%2e%2e/"])(
    "%s is the URL of sessions",
    async (path) => {
      expect(await attempt("a", { path, headers: offerV2 })).toBe("session");
    },
  );

  test.each([
    "/ws/chat/",
    "/ws/chat",
    "/ws/chat//",
    "/ws/chat/../chat/",
    "/ws/chat/a/b/",
    "/ws//",
    "/ws/lobby/",
    "/wss/",
    "/WS/",
    "/WS/CHAT/a/",
    "/",
  ])("%s does not exist", async (path) => {
    expect(await attempt("a", { path })).toBe("404 invalid_command");
  });
});
