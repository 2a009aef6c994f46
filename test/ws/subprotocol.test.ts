import { beforeAll, expect, test } from "bun:test";

import { useServer } from "../support/server.ts";
import { requestUpgrade } from "../support/upgrade.ts";

// Which subprotocol the answer names, with the token in a header, in the offer or in a cookie.

const alice = "alice@example.com";
const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0" } });
beforeAll(() => server.createRoom([alice], { id: "lobby" }));

/** The status of the answer, and the subprotocol that it names. */
async function answerTo(headers: Record<string, string>): Promise<string> {
  const answer = await requestUpgrade(server.host, "/ws/chat/lobby/", { headers });
  for (const value of answer.headers.values()) expect(value).not.toContain("bearer");
  return `${answer.status} ${answer.headers.get("sec-websocket-protocol") ?? ""}`.trim();
}

test("beside a token in the Authorization header unknown subprotocols are ignored, and the answer names none", async () => {
  const authorization = `Bearer ${await server.token(alice)}`;
  const offers = { "": "101", "chat.v9": "101", Classic: "101", "graphql-ws, mqtt": "101", " , ": "101" };
  for (const [offer, answer] of Object.entries({ ...offers, "chat.v9, classic": "101 classic" }))
    expect([offer, await answerTo({ authorization, "sec-websocket-protocol": offer })]).toEqual([
      offer,
      answer,
    ]);
});

test("without an Authorization header one of the known ones must be offered, or none", async () => {
  const cookie = `parley_session=${await server.token(alice)}`;
  const page = { cookie, origin: server.url };
  expect(await answerTo(page)).toBe("101");
  for (const [offer, answer] of [
    ["", "101"],
    ["classic", "101 classic"],
    ["chat.v9, classic", "101 classic"],
    ["chat.v9", "400"],
    ["Classic", "400"],
  ] as const)
    expect([offer, await answerTo({ ...page, "sec-websocket-protocol": offer })]).toEqual([offer, answer]);
});

test("a token as a subprotocol needs a known one beside it: a browser fails when none is chosen", async () => {
  const bearer = `bearer.${await server.token(alice)}`;
  for (const [offer, answer] of [
    [bearer, "400"],
    [`${bearer}, chat.v9`, "400"],
    [`${bearer}, classic`, "101 classic"],
    [`classic,${bearer}`, "101 classic"],
  ] as const)
    expect(await answerTo({ "sec-websocket-protocol": offer })).toBe(answer);
});

test("an empty offer without any token is refused for the token, not for the offer", async () => {
  expect(await answerTo({ "sec-websocket-protocol": "" })).toBe("401");
});
