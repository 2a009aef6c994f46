import { describe, expect, test } from "bun:test";

import { newRoomId, type TestServer, unlimited, useServer } from "../support/server.ts";
import { upgrade } from "../support/upgrade.ts";

// Which pages may connect. A page cannot set the Authorization header, so the Origin counts for the other two carriers only.

const server = useServer({ env: unlimited });

const alice = "alice@example.com";

interface Request {
  headers?: Record<string, string | undefined>;
  carrier?: "header" | "offer" | "cookie" | "none";
  protocol?: "classic" | "chat.v2";
}

/** How a session is answered where a connection to a room's URL is answered otherwise: it always speaks `chat.v2`. */
const sessionOutcomes: Record<string, string> = {
  classic: "session",
  "chat.v2": "session",
  "401 unauthorized": "4401 unauthorized",
};

/** Connects to a new room from a page of this origin. Checks that a session is accepted or refused as the connection is. */
async function connectFrom(
  origin: string | undefined,
  { headers = {}, carrier = "offer", protocol = "classic" }: Request = {},
  at: Pick<TestServer, "host" | "createRoom"> = server,
): Promise<string> {
  const room = await at.createRoom([alice], { id: newRoomId() });
  const token = await server.token(alice);
  const connect = async (path: string, dialect: string) => {
    const carried: Record<string, string> = {
      ...(carrier === "header" && { authorization: `Bearer ${token}` }),
      ...(carrier === "cookie" && { cookie: `parley_session=${token}` }),
      "sec-websocket-protocol": carrier === "offer" ? `${dialect}, bearer.${token}` : dialect,
    };
    return (await upgrade(at.host, path, { headers: { ...carried, origin, ...headers } })).outcome;
  };
  const outcome = await connect(`/ws/chat/${room}/`, protocol);
  expect(await connect("/ws/", "chat.v2")).toBe(sessionOutcomes[outcome] ?? outcome);
  return outcome;
}

const REFUSED = "403 forbidden";

describe("without a list, a page", () => {
  test("of the server's own origin may connect", async () => {
    for (const origin of [`http://${server.host}`, `https://${server.host}`])
      for (const carrier of ["offer", "cookie"] as const)
        expect(await connectFrom(origin, { carrier })).toBe("classic");
  });

  test.each([
    ["another origin", "https://evil.example"],
    ["no origin of its own", "null"],
    ["an empty origin", ""],
    ["any origin", "*"],
    ["the host without a scheme", "HOST"],
    ["an origin with a path", "http://HOST/"],
    ["the host without its port", "http://NAME"],
    ["another port", "http://NAME:1"],
    ["a port that begins alike", "http://HOST0"],
    ["another name of the host", "http://localhost:PORT"],
    ["a subdomain", "http://sub.HOST"],
    ["a domain that begins alike", "http://HOST.evil.example"],
    ["a path like the host", "http://evil.example/HOST"],
    ["a fragment like the host", "http://evil.example#HOST"],
    ["a user like the host", "http://HOST@evil.example"],
    ["a user before the host", "http://me@HOST"],
    ["two origins", "http://HOST http://evil.example"],
    ["a list of origins", "http://HOST, http://evil.example"],
    ["another scheme", "ftp://HOST"],
    ["a file", "file://"],
  ])("of %s may not", async (_, pattern) => {
    const [name = "", port = ""] = server.host.split(":");
    const origin = pattern.replace("HOST", server.host).replace("NAME", name).replace("PORT", port);
    expect(await connectFrom(origin)).toBe(REFUSED);
    expect(await connectFrom(origin, { carrier: "cookie" })).toBe(REFUSED);
  });
});

/** Connects to the server as chat.example.com. */
const connectToName = (origin: string, headers: Record<string, string>) =>
  connectFrom(origin, { headers: { host: "chat.example.com", ...headers } });

describe("the server's own origin", () => {
  test.each(["https", "HTTPS", "https, http", " https ,http"])(
    "behind a proxy with X-Forwarded-Proto: %s is https only",
    async (proto) => {
      const headers = { "x-forwarded-proto": proto };
      expect(await connectToName("https://chat.example.com", headers)).toBe("classic");
      expect(await connectToName("http://chat.example.com", headers)).toBe(REFUSED);
    },
  );

  test.each(["", "http", "http, https", "httpsx"])(
    "with X-Forwarded-Proto: %p is https or http",
    async (proto) => {
      const headers = { "x-forwarded-proto": proto };
      expect(await connectToName("https://chat.example.com", headers)).toBe("classic");
      expect(await connectToName("http://chat.example.com", headers)).toBe("classic");
    },
  );

  test.each([
    ["chat.example.com:443", "https://chat.example.com", "classic"],
    ["chat.example.com:80", "http://chat.example.com", "classic"],
    ["chat.example.com:8443", "https://chat.example.com:8443", "classic"],
    ["CHAT.example.com", "https://chat.example.com", "classic"],
    ["chat.example.com:443", "http://chat.example.com", REFUSED],
    ["chat.example.com:80", "https://chat.example.com", REFUSED],
    ["chat.example.com:8443", "https://chat.example.com", REFUSED],
    ["chat.example.com", "https://chat.example.com:8443", REFUSED],
  ])("with Host: %s, %s is %s", async (host, origin, expected) => {
    expect(await connectToName(origin, { host })).toBe(expected);
  });
});

describe("with a list", () => {
  const list = [
    "https://app.example.com",
    "http://localhost:3000",
    "capacitor://localhost",
    "null",
    "https://*.example.net",
  ];
  const allowed = [
    ...list.filter((entry) => !entry.includes("*")),
    "https://a.example.net",
    "https://a.b-c.example.net",
  ];
  const refused = [
    "*",
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
    "capacitor://localhost:3000",
    "capacitor://evil",
    "ionic://localhost",
    "https://example.net",
    "https://evil-example.net",
    "https://.example.net",
    "https://*.example.net",
    "https://a..example.net",
    "https://a.example.net.evil",
    "https://a.example.net:8443",
    "https://a.b@x.example.net",
    "https://evil/x.example.net",
    "https://evil#x.example.net",
    "https://evil?x.example.net",
    "https://evil:1.example.net",
    "http://a.example.net",
  ];

  test("its origins and the server's own may connect, and no look-alikes", async () => {
    await using parley = await server.startAnother({
      env: { ...unlimited, PARLEY_ALLOWED_ORIGINS: list.join(", ") },
    });
    for (const origin of [...allowed, parley.url])
      for (const carrier of ["offer", "cookie"] as const)
        expect([origin, await connectFrom(origin, { carrier }, parley)]).toEqual([origin, "classic"]);
    for (const origin of refused)
      expect([origin, await connectFrom(origin, {}, parley)]).toEqual([origin, REFUSED]);
  });
});

test("with an Authorization header the Origin does not count", async () => {
  for (const origin of ["https://evil.example", "null", "", "android-app://com.example", server.url])
    expect(await connectFrom(origin, { carrier: "header" })).toBe("classic");
});

test("a foreign page that sends an Authorization header too many gets no further than the token", async () => {
  const headers = { authorization: "Bearer x" };
  expect(await connectFrom("https://evil.example", { carrier: "none", headers })).toBe("401 unauthorized");
});

test("without an Origin a token in the offer opens a connection, and the cookie does not", async () => {
  expect(await connectFrom(undefined)).toBe("classic");
  expect(await connectFrom(undefined, { carrier: "cookie" })).toBe("401 unauthorized");
});

test("a foreign page is refused before the 101 in either dialect, whatever else is wrong", async () => {
  const origin = "https://evil.example";
  for (const protocol of ["classic", "chat.v2"] as const)
    for (const carrier of ["offer", "cookie", "none"] as const)
      expect(await connectFrom(origin, { carrier, protocol })).toBe(REFUSED);
  // A page of the server's own origin is told by a close code.
  expect(await connectFrom(server.url, { carrier: "none", protocol: "chat.v2" })).toBe("4401 unauthorized");
});

test("two session cookies are refused: one may have been planted by another host of the domain", async () => {
  const [first, second] = [await server.token(alice), await server.token("eve@example.com")];
  const cookies = (cookie: string) => connectFrom(server.url, { carrier: "none", headers: { cookie } });
  expect(await cookies(`parley_session=${first}; parley_session=${second}`)).toBe("401 unauthorized");
  expect(await cookies(`parley_session=${first}; theme=dark; parley_session=${first}`)).toBe(
    "401 unauthorized",
  );
  expect(await cookies(`theme=dark; parley_session=${first}`)).toBe("classic");
});
