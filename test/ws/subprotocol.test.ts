import { describe, expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { dialects } from "../support/client.ts";
import { handshake, RawConnection } from "../support/raw.ts";
import { unlimited, useServer } from "../support/server.ts";
import { upgrade } from "../support/upgrade.ts";

// A room's URL serves two dialects. Which one a connection speaks is decided by the subprotocols that the client offers. Sessions
// speak chat.v2 only.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";

type Headers = Record<string, string | undefined>;

/** Offers these protocols at a room's URL. Returns how it ended, and the protocol that the answer names. */
async function offer(protocols: string | undefined, headers: Headers) {
  return offerAt(`/ws/chat/${await server.createRoom([alice])}/`, protocols, headers);
}

async function offerAt(path: string, protocols: string | undefined, headers: Headers) {
  const result = await upgrade(server.host, path, {
    headers: { "sec-websocket-protocol": protocols, ...headers },
  });
  return { ...result, named: result.headers.get("sec-websocket-protocol") };
}

describe("with the token in the Authorization header", () => {
  test.each<[protocols: string | undefined, outcome: string, named: string | undefined]>([
    [undefined, "classic", undefined],
    ["", "classic", undefined],
    [" , ", "classic", undefined],
    ["classic", "classic", "classic"],
    ["chat.v2", "chat.v2", "chat.v2"],
    ["chat.v2, classic", "chat.v2", "chat.v2"],
    ["classic, chat.v2", "chat.v2", "chat.v2"],
    ["  chat.v2  ,classic", "chat.v2", "chat.v2"],
    ["chat.v9, chat.v2", "chat.v2", "chat.v2"],
    ["chat.v9,classic", "classic", "classic"],
    // Native clients offer protocols of their own.
    ["chat.v9", "classic", undefined],
    ["chat.v2x", "classic", undefined],
    ["CHAT.V2", "classic", undefined],
    ["CHAT.V2, classic", "classic", "classic"],
    ["graphql-ws, mqtt", "classic", undefined],
  ])("an offer of %p opens %p, and the answer names %p", async (protocols, outcome, named) => {
    const authorization = `Bearer ${await server.token(alice)}`;
    expect(await offer(protocols, { authorization })).toMatchObject({ outcome, named });
  });
});

describe("with the token in the offer", () => {
  test.each<[protocols: string, outcome: string, named: string | undefined]>([
    ["classic, TOKEN", "classic", "classic"],
    ["chat.v2, TOKEN", "chat.v2", "chat.v2"],
    ["TOKEN, chat.v2", "chat.v2", "chat.v2"],
    ["TOKEN,classic,chat.v2", "chat.v2", "chat.v2"],
    ["mqtt, TOKEN, classic", "classic", "classic"],
    // A browser fails the connection when the answer names none of its protocols.
    ["TOKEN", "400 invalid_command", undefined],
    ["TOKEN, chat.v9", "400 invalid_command", undefined],
    ["CHAT.V2, TOKEN", "400 invalid_command", undefined],
  ])("an offer of %p ends as %p, and the answer names %p and never the token", async (protocols, ...rest) => {
    const [outcome, named] = rest;
    const token = `bearer.${await server.token(alice)}`;
    const result = await offer(protocols.replace("TOKEN", token), {});
    expect(result).toMatchObject({ outcome, named });
    for (const value of result.headers.values()) expect(value).not.toContain("bearer.");
  });
});

test("without a token, an offer of unknown protocols is refused for that", async () => {
  for (const protocols of ["chat.v9", "chat.v2x", "CHAT.V2"])
    expect(await offer(protocols, {})).toMatchObject({ outcome: "400 invalid_command", named: undefined });
  expect(await offer("", {})).toMatchObject({ outcome: "401 unauthorized" });
});

describe("a session", () => {
  test.each<[protocols: string | undefined, outcome: string, named: string | undefined]>([
    ["chat.v2", "session", "chat.v2"],
    ["chat.v2, classic", "session", "chat.v2"],
    ["classic, chat.v2", "session", "chat.v2"],
    ["chat.v9, chat.v2", "session", "chat.v2"],
    [undefined, "400 invalid_command", undefined],
    ["", "400 invalid_command", undefined],
    ["classic", "400 invalid_command", undefined],
    ["chat.v9", "400 invalid_command", undefined],
    ["CHAT.V2", "400 invalid_command", undefined],
  ])(
    "whose token is in the Authorization header, and which offers %p, ends as %p",
    async (protocols, ...rest) => {
      const [outcome, named] = rest;
      const authorization = `Bearer ${await server.token(alice)}`;
      expect(await offerAt("/ws/", protocols, { authorization })).toMatchObject({ outcome, named });
    },
  );

  test.each<[protocols: string, outcome: string, named: string | undefined]>([
    ["chat.v2, TOKEN", "session", "chat.v2"],
    ["TOKEN, classic, chat.v2", "session", "chat.v2"],
    ["classic, TOKEN", "400 invalid_command", undefined],
    ["TOKEN", "400 invalid_command", undefined],
    ["chat.v9, TOKEN", "400 invalid_command", undefined],
  ])("that offers %p ends as %p, and the answer names %p and never the token", async (protocols, ...rest) => {
    const [outcome, named] = rest;
    const token = `bearer.${await server.token(alice)}`;
    const result = await offerAt("/ws/", protocols.replace("TOKEN", token), {});
    expect(result).toMatchObject({ outcome, named });
    for (const value of result.headers.values()) expect(value).not.toContain("bearer.");
  });

  test("is opened with the session cookie", async () => {
    const headers = { cookie: await sessionCookie(), origin: server.url };
    expect(await offerAt("/ws/", "chat.v2", headers)).toMatchObject({ outcome: "session" });
    expect(await offerAt("/ws/", "classic", headers)).toMatchObject({ outcome: "400 invalid_command" });
  });
});

async function sessionCookie(): Promise<string> {
  const answer = await callApi(server, "POST /api/session", { token: await server.token(alice) });
  const [cookie = ""] = answer.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
  return cookie;
}

test.each([...dialects])("the session cookie opens a connection of %s", async (dialect) => {
  const cookie = await sessionCookie();
  const { outcome } = await offer(dialect, { cookie, origin: server.url });
  expect(outcome).toBe(dialect);
});

test("two Sec-WebSocket-Protocol headers count as one", async () => {
  const room = await server.createRoom([alice]);
  const raw = await RawConnection.open(server.host);
  const lines = handshake(server.host, `/ws/chat/${room}/`, { "sec-websocket-protocol": "chat.v2" });
  raw.write(lines.slice(0, -2), `sec-websocket-protocol: bearer.${await server.token(alice)}\r\n\r\n`);
  const { status, headers } = await raw.answer();
  expect([status, headers.get("sec-websocket-protocol")]).toEqual([101, "chat.v2"]);
  expect(await raw.next()).toMatchObject({ type: "hello" });
  raw.destroy();
});
