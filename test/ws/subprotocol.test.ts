import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { handshake, RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

// One URL, two dialects: which one a connection speaks, and what the 101 says of it.

const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0" } });
const { createRoom, token } = server;

const alice = "alice@example.com";

interface ApiRequest {
  offer?: string;
  path?: (room: string) => string;
  headers?: Record<string, string | undefined>;
}

/** The 101 of a handshake with this offer, and what its first frame is. */
async function open({ offer, path = (room) => `/ws/chat/${room}/`, headers }: ApiRequest) {
  const room = await createRoom([alice]);
  const raw = await RawConnection.open(server.host);
  const authorization = `Bearer ${await token(alice)}`;
  const all = { authorization, "sec-websocket-protocol": offer, ...headers };
  raw.write(handshake(server.host, path(room), all));
  const answer = await raw.answer();
  expect(answer.status).toBe(101);
  const first = await raw.next();
  raw.destroy();
  const dialect = Array.isArray(first) ? "classic" : (first as { type: string }).type;
  return { headers: answer.headers, dialect, named: answer.headers.get("sec-websocket-protocol") };
}

const offers: [offer: string | undefined, named: string | undefined, dialect: string][] = [
  [undefined, undefined, "classic"],
  ["classic", "classic", "classic"],
  ["chat.v2", "chat.v2", "hello"],
  ["chat.v2, classic", "chat.v2", "hello"],
  ["classic, chat.v2", "chat.v2", "hello"],
  ["chat.v9, chat.v2", "chat.v2", "hello"],
  ["chat.v9,classic", "classic", "classic"],
  ["  chat.v2  ,classic", "chat.v2", "hello"],
  ["CHAT.V2, classic", "classic", "classic"],
];

test.each(offers)(
  "who offers %p is answered with the protocol %p, and the first frame is %s",
  async (offer, named, dialect) => {
    const opened = await open(offer === undefined ? {} : { offer });
    expect({ named: opened.named, dialect: opened.dialect }).toEqual({ named, dialect });
  },
);

test("with a token beside it, wherever it stands, the 101 names the protocol and never the token", async () => {
  const bearer = `bearer.${await token(alice)}`;
  for (const [offer, named] of [
    [`chat.v2, ${bearer}`, "chat.v2"],
    [`${bearer}, chat.v2`, "chat.v2"],
    [`${bearer},classic,chat.v2`, "chat.v2"],
    [`classic, ${bearer}`, "classic"],
  ] as const) {
    const opened = await open({ offer, headers: { authorization: undefined } });
    expect(opened.named).toBe(named);
    for (const value of opened.headers.values()) expect(value).not.toContain("bearer.");
  }
});

test("whoever offers nothing that is known, or a token alone, gets no 101", async () => {
  const room = await createRoom([alice]);
  const bearer = `bearer.${await token(alice)}`;
  for (const offer of ["chat.v9", "chat.v2x", "CHAT.V2", "", bearer]) {
    const raw = await RawConnection.open(server.host);
    raw.write(handshake(server.host, `/ws/chat/${room}/`, { "sec-websocket-protocol": offer }));
    const { status, headers } = await raw.answer();
    expect({ offer, status, named: headers.get("sec-websocket-protocol") }).toEqual({
      offer,
      status: 400,
      named: undefined,
    });
    raw.destroy();
  }
});

test("both headers of an offer count as one", async () => {
  const room = await createRoom([alice]);
  const raw = await RawConnection.open(server.host);
  const lines = handshake(server.host, `/ws/chat/${room}/`, { "sec-websocket-protocol": "chat.v2" });
  const second = `sec-websocket-protocol: bearer.${await token(alice)}\r\n\r\n`;
  raw.write(lines.slice(0, -2), second);
  const { status, headers } = await raw.answer();
  expect({ status, named: headers.get("sec-websocket-protocol") }).toEqual({ status: 101, named: "chat.v2" });
  expect(await raw.next()).toMatchObject({ type: "hello" });
  raw.destroy();
});

test("both dialects are at the same URL, with and without the last slash", async () => {
  for (const path of [(room: string) => `/ws/chat/${room}`, (room: string) => `/ws/chat/${room}/`]) {
    expect((await open({ path, offer: "chat.v2" })).dialect).toBe("hello");
    expect((await open({ path })).dialect).toBe("classic");
  }
});

test("a page's cookie opens a connection of either dialect", async () => {
  const { url } = server;
  const answer = await callApi(server, "POST /api/session", { token: await token(alice) });
  const [cookie = ""] = answer.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
  const headers = { authorization: undefined, cookie, origin: url };
  expect((await open({ offer: "chat.v2", headers })).dialect).toBe("hello");
  expect((await open({ headers })).dialect).toBe("classic");
});

test("compression is not agreed on, though it is offered", async () => {
  const headers = { "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" };
  const opened = await open({ offer: "chat.v2", headers });
  expect(opened.headers.has("sec-websocket-extensions")).toBe(false);
});
