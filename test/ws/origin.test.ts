import { beforeAll, describe, expect, test } from "bun:test";

import { useServer } from "../support/server.ts";
import { upgradeOutcome } from "../support/upgrade.ts";

// Which pages may open a connection, with each way to send a token.

const alice = "alice@example.com";
const path = "/ws/chat/lobby/";
const app = "https://app.example.com";

const env = { PARLEY_CONNECTIONS_PER_USER: "0" };
const withoutList = useServer({ env });
const withList = useServer({
  env: {
    ...env,
    PARLEY_ALLOWED_ORIGINS:
      "https://app.example.com, http://localhost:3000, https://*.example.org, capacitor://localhost, null",
  },
});
beforeAll(async () => {
  for (const server of [withoutList, withList]) await server.createRoom([alice], { id: "lobby" });
});

type Headers = Record<string, string | undefined>;

/** Answers to connections with the token as a subprotocol, each with other headers. */
async function outcomes(server: typeof withList, requests: Headers[]): Promise<string[]> {
  const offer = `classic, bearer.${await server.token(alice)}`;
  return Promise.all(
    requests.map((headers) =>
      upgradeOutcome(server.host, path, { headers: { "sec-websocket-protocol": offer, ...headers } }),
    ),
  );
}

/** Which of these origins are allowed. */
async function allowedOf(server: typeof withList, origins: string[], more: Headers = {}): Promise<string[]> {
  const answers = await outcomes(
    server,
    origins.map((origin) => ({ ...more, origin })),
  );
  for (const answer of answers) expect(["101", "403 forbidden"]).toContain(answer);
  return origins.filter((_, index) => answers[index] === "101");
}

describe("when the Origin is checked", () => {
  const foreign = ["https://evil.example", "http://app.example.com", "", "file://", "*"];

  test("never with an Authorization header, which no page can set", async () => {
    const authorization = `Bearer ${await withList.token(alice)}`;
    for (const origin of [undefined, app, ...foreign])
      expect(await upgradeOutcome(withList.host, path, { headers: { authorization, origin } })).toBe("101");
  });

  test("with a token as a subprotocol an Origin, if there is one, must be allowed", async () => {
    expect(await outcomes(withList, [{}, { origin: app }])).toEqual(["101", "101"]);
    for (const origin of foreign)
      expect([origin, ...(await outcomes(withList, [{ origin }]))]).toEqual([origin, "403 forbidden"]);
  });

  test("with the cookie there must be an Origin, and it must be allowed", async () => {
    const cookie = `parley_session=${await withList.token(alice)}`;
    const connect = (origin?: string) => upgradeOutcome(withList.host, path, { headers: { cookie, origin } });
    expect(await connect(app)).toBe("101");
    expect(await connect()).toBe("401 unauthorized");
    for (const origin of foreign) expect([origin, await connect(origin)]).toEqual([origin, "403 forbidden"]);
  });
});

test.each([
  ["without a list of origins", withoutList],
  ["beside a list of origins", withList],
])("%s the server's own origin is allowed, and none that looks like it", async (_, server) => {
  const { host } = server;
  const [name = "", port = ""] = host.split(":");
  const own = [`http://${host}`, `https://${host}`];
  const similar = [
    host,
    `http://${host}/`,
    `http://${name}`,
    `http://${name}:${Number(port) + 1}`,
    `http://${host}0`,
    `http://localhost:${port}`,
    `http://sub.${host}`,
    `http://${host}.evil.example`,
    `http://evil.example/${host}`,
    `http://evil.example#${host}`,
    `http://${host}@evil.example`,
    `http://me@${host}`,
    `http://${host} http://evil.example`,
    `http://${host}, http://evil.example`,
    `ftp://${host}`,
  ];
  expect(await allowedOf(server, [...own, ...similar])).toEqual(own);
});

test("without a list no other origin is allowed, null neither", async () => {
  expect(
    await allowedOf(withoutList, [app, "http://localhost:3000", "capacitor://localhost", "null"]),
  ).toEqual([]);
});

test("a Host with the default port is the same origin as one without", async () => {
  const origins = ["https://chat.example.com", "http://chat.example.com"];
  const allowed = (host: string) => allowedOf(withoutList, origins, { host });
  expect(await allowed("chat.example.com")).toEqual(origins);
  expect(await allowed("chat.example.com:443")).toEqual(["https://chat.example.com"]);
  expect(await allowed("chat.example.com:80")).toEqual(["http://chat.example.com"]);
  expect(await allowed("chat.example.com:8443")).toEqual([]);
  expect(await allowed("CHAT.example.com:443")).toEqual(["https://chat.example.com"]);
});

test("behind a proxy that speaks https, pages over http are not of the server's own origin", async () => {
  const origins = ["https://chat.example.com", "http://chat.example.com"];
  const allowed = (proto: string) =>
    allowedOf(withoutList, origins, { host: "chat.example.com", "x-forwarded-proto": proto });
  for (const proto of ["https", "HTTPS", "https, http", "Https ,http"])
    expect([proto, ...(await allowed(proto))]).toEqual([proto, "https://chat.example.com"]);
  for (const proto of ["http", "http, https", "", "httpsx"])
    expect([proto, ...(await allowed(proto))]).toEqual([proto, ...origins]);
});

test("an origin of the list is compared exactly", async () => {
  const listed = [app, "http://localhost:3000", "capacitor://localhost", "null"];
  const similar = [
    "https://app.example.com/",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "http://app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "https://sub.app.example.com",
    "https://evilapp.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.co",
    "https://app.example.com, http://localhost:3000",
    "http://localhost",
    "http://localhost:30000",
    "http://127.0.0.1:3000",
    "capacitor://localhost:80",
    "capacitor://evil.example",
    "ionic://localhost",
    "nullx",
    "Null",
  ];
  expect(await allowedOf(withList, [...listed, ...similar])).toEqual(listed);
});

test("https://*.example.org is every subdomain, and nothing that looks like one", async () => {
  const subdomains = [
    "https://chat.example.org",
    "https://a.b.example.org",
    "https://xn--bcher-kva.example.org",
    "https://a-1.example.org",
  ];
  const similar = [
    "https://example.org",
    "https://.example.org",
    "https://a..example.org",
    "https://evil-example.org",
    "https://evilexample.org",
    "https://chat.example.org.evil",
    "https://a.b@example.org",
    "https://a@b.example.org",
    "https://evil.com/.example.org",
    "https://evil.com#.example.org",
    "https://evil.com?.example.org",
    "https://evil.com:1.example.org",
    "https://chat.example.org:8443",
    "http://chat.example.org",
    "https://*.example.org",
  ];
  expect(await allowedOf(withList, [...subdomains, ...similar])).toEqual(subdomains);
});
