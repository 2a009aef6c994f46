import { beforeAll, describe, expect, test } from "bun:test";

import { connectClassic, type ConnectOptions, Refused } from "../support/client.ts";
import { type Answer, handshake, RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

const email = "alice@example.com";
const room = "lobby";
const server = useServer({ env: { PARLEY_CONNECTIONS_PER_USER: "0", PARLEY_LOG_LEVEL: "trace" } });
beforeAll(() => server.createRoom([email], { id: room }));

const make = () => server.issuer.sign(email);

/** Connects, and resolves with the subprotocol that the server chose. */
async function accepted(options: ConnectOptions): Promise<string> {
  const client = await connectClassic(server.host, room, options);
  expect(client.history).toEqual([]);
  await client.close();
  return client.protocol;
}

/** The answer to exactly these headers. Two names that differ only in case are sent as two headers. */
async function answerTo(headers: Record<string, string>, query = ""): Promise<Answer> {
  const raw = await RawConnection.open(server.host);
  raw.write(handshake(server.host, `/ws/chat/${room}/${query}`, headers));
  const answer = await raw.answer();
  raw.destroy();
  return answer;
}

describe("refused", () => {
  const cases: [name: string, options: (token: string) => ConnectOptions][] = [
    ["no token", () => ({})],
    ["Basic", () => ({ headers: { authorization: `Basic ${btoa("alice:secret")}` } })],
    ["the token as Basic", (token) => ({ headers: { authorization: `Basic ${token}` } })],
    ["the token without a scheme", (token) => ({ headers: { authorization: token } })],
    ["Bearer without a token", () => ({ headers: { authorization: "Bearer" } })],
    ["Bearer and a space", () => ({ headers: { authorization: "Bearer " } })],
    ["an empty header", () => ({ headers: { authorization: "" } })],
    ["two tokens in one header", (token) => ({ headers: { authorization: `Bearer ${token}, ${token}` } })],
    ["a header and a bearer entry", (token) => ({ token, protocols: ["classic", `bearer.${token}`] })],
    [
      "a Basic header and a bearer entry",
      (token) => ({
        headers: { authorization: "Basic eDp5" },
        protocols: ["classic", `bearer.${token}`],
      }),
    ],
    ["two bearer entries", (token) => ({ protocols: ["classic", `bearer.${token}`, `bearer.${token}x`] })],
    ["an empty bearer entry", () => ({ protocols: ["classic", "bearer."] })],
  ];
  test.each(cases)("%s", async (_, options) => {
    const token = await make();
    const refusal = await connectClassic(server.host, room, options(token)).catch((error: unknown) => error);
    if (!(refusal instanceof Refused)) throw new Error("it was accepted");
    expect(refusal.problem).toMatchObject({ status: 401, code: "unauthorized" });
    expect(refusal.status).toBe(401);
    expect(refusal.headers).toMatchObject({
      "www-authenticate": "Bearer",
      "content-type": "application/problem+json",
    });
    await accepted({ token });
    await accepted({ protocols: ["classic", `bearer.${token}`] });
  });

  test("two Authorization headers", async () => {
    const authorization = `Bearer ${await make()}`;
    const { status, headers } = await answerTo({ authorization, Authorization: authorization });
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe("Bearer");
    expect((await answerTo({ authorization })).status).toBe(101);
  });

  test("a token in the query string", async () => {
    const token = await make();
    for (const key of ["token", "access_token", "authorization"]) {
      expect((await answerTo({}, `?${key}=${token}`)).status).toBe(401);
    }
    expect(JSON.stringify(server.logs)).not.toContain(token);
    await accepted({ token });
  });
});

describe("accepted", () => {
  test("the Authorization header with a scheme in any case, and no subprotocol is chosen", async () => {
    const token = await make();
    expect(await accepted({ token })).toBe("");
    expect(await accepted({ headers: { authorization: `bearer ${token}` } })).toBe("");
    const { status, headers } = await answerTo({ authorization: `Bearer ${token}` });
    expect(status).toBe(101);
    expect(headers.has("sec-websocket-protocol")).toBe(false);
  });

  test.each([
    ["after the protocol", (token: string) => `classic, bearer.${token}`],
    ["before the protocol", (token: string) => `bearer.${token}, classic`],
    ["without a space", (token: string) => `bearer.${token},classic`],
    ["beside an unknown protocol", (token: string) => `unheard-of, classic, bearer.${token}`],
  ])("a bearer entry %s, and the 101 names the protocol, never the token", async (_, offer) => {
    const token = await make();
    const { status, headers } = await answerTo({ "sec-websocket-protocol": offer(token) });
    expect(status).toBe(101);
    expect(headers.get("sec-websocket-protocol")).toBe("classic");
    expect([...headers.values()].join()).not.toContain(token);
    expect(await accepted({ protocols: ["classic", `bearer.${token}`] })).toBe("classic");
  });

  test("the Authorization header beside an offer of the protocol", async () => {
    expect(await accepted({ token: await make(), protocols: ["classic"] })).toBe("classic");
  });

  test("a bearer entry without a protocol is 400, because a browser fails when none is chosen", async () => {
    const token = await make();
    expect((await answerTo({ "sec-websocket-protocol": `bearer.${token}` })).status).toBe(400);
    expect((await answerTo({ "sec-websocket-protocol": `bearer.${token}, graphql-ws` })).status).toBe(400);
    expect((await answerTo({ "sec-websocket-protocol": `bearer.${token}, classic` })).status).toBe(101);
  });
});
