import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { connectClassic } from "../support/client.ts";
import { newRoomId, useServer } from "../support/server.ts";

const server = useServer({ env: { PARLEY_LOG_LEVEL: "debug" } });

const linesFor = (path: string) => server.logs.filter((line) => line["path"] === path);

test("each request is one line, without token, cookie and query string", async () => {
  const token = await server.token("alice@example.com");
  const path = `/api/rooms/${newRoomId()}`;
  const headers = { cookie: `parley_session=${token}` };
  await callApi(server, `GET ${path}?token=${token}`, { token, headers });
  expect(linesFor(path)).toEqual([
    expect.objectContaining({ msg: "Request", method: "GET", path, status: 404, ms: expect.any(Number) }),
  ]);
  const room = await server.createRoom([]);
  const protocols = ["classic", `bearer.${token}`];
  await connectClassic(server.host, room, { protocols }).catch(() => undefined);
  expect(linesFor(`/ws/chat/${room}/`)).toEqual([expect.objectContaining({ method: "GET", status: 404 })]);
  const log = JSON.stringify(server.logs);
  const [, , signature = "none"] = token.split(".");
  expect(log).not.toContain(signature);
});

test("a refusal for its Origin is logged with it", async () => {
  const room = await server.createRoom([]);
  const origin = "https://evil.example";
  const protocols = ["classic", `bearer.${await server.token("alice@example.com")}`];
  await connectClassic(server.host, room, { protocols, headers: { origin } }).catch(() => undefined);
  expect(linesFor(`/ws/chat/${room}/`)).toMatchObject([{ status: 403, code: "forbidden", origin }]);
});
