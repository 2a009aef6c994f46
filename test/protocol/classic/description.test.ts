import { expect, test } from "bun:test";

import { compileClassic, defaultClassic } from "../../../src/protocol/classic/classic.ts";

const deep = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown;

test("templates may be nested, but not until the stack overflows", () => {
  compileClassic({ message: deep(100) });
  const wrong: Record<string, unknown> = {
    message: { message: deep(101) },
    "history.frame": { history: { frame: deep(100_000) } },
    "accept.0.frame": { accept: [{ command: "ignore", frame: deep(100_000) }] },
    "token.0.frame": { token: { frame: deep(100_000) } },
  };
  for (const [place, description] of Object.entries(wrong))
    expect(() => compileClassic(description)).toThrow(`${place}: is nested too deeply`);
});

test.each<[description: unknown, message: string]>([
  [[], "classic.json: must be a JSON object"],
  [null, "classic.json: must be a JSON object"],
  [{ mesage: {} }, "mesage: is not a known key"],
  [{ history: { size: 5 } }, "history.size: is not a known key"],
  [{ history: { order: "latest" } }, 'history.order: must be "oldest" or "newest"'],
  [{ history: { limit: -1 } }, "history.limit: must be at least 0"],
  [{ history: { limit: 201 } }, "history.limit: must be at most 200"],
  [{ history: { limit: 1.5 } }, "history.limit: must be a whole number"],
  [{ history: { limit: "5" } }, "history.limit: must be a number"],
  [
    { history: { frame: { a: "$text" } } },
    'history.frame.a: unknown variable "$text"; known here: $items $room $room_name',
  ],
  [{ item: { a: "$items" } }, 'item.a: unknown variable "$items"'],
  [{ message: '{"message": $text}' }, "message: must be a JSON object, array or variable; it is"],
  [{ message: null }, "message: must be a JSON object, array or variable; it is null"],
  [{ message: 5 }, "message: must be a JSON object, array or variable; it is 5"],
  [{ deleted: true }, "deleted: must be a JSON object, array or variable; it is true"],
  [{ item: "$5" }, 'item: must be a JSON object, array or variable; it is "$5"'],
  [{ item: "$text!" }, 'item: must be a JSON object, array or variable; it is "$text!"'],
  [{ edited: "edited" }, 'edited: must be a JSON object, array or variable; it is "edited"'],
  [{ message: ["$text", "$text", { a: "$text" }] }, 'message: "$text" may occur 2 times at most'],
  [{ error: { detail: "$text" } }, 'error.detail: unknown variable "$text"; known here: $code $reason'],
  [{ text: [] }, "text: must have at least one key"],
  [{ text: "message" }, "text: must be a list"],
  [{ text: [1] }, "text.0: must be a key, or keys joined by dots"],
  [{ token: { cookie: "x" } }, "token.0.cookie: is not a known key"],
  [{ token: {} }, "token.0: must have one of the keys query, pair, scheme, frame"],
  [{ token: { query: "a", scheme: "b" } }, "token.0: must have one of the keys query, pair, scheme, frame"],
  [{ token: { pair: "a b" } }, "token.0.pair: must be a subprotocol"],
  [{ token: { pair: "classic" } }, "token.0.pair: must not be one of Parley's own subprotocols"],
  [{ token: { pair: "chat.v2" } }, "token.0.pair: must not be one of Parley's own subprotocols"],
  [{ token: { query: "" } }, "token.0.query: must be the name of a query parameter"],
  [{ text: [""] }, "text.0: must be a key, or keys joined by dots"],
  [{ token: { pair: "bearer.x" } }, "token.0.pair: must not be one of Parley's own subprotocols"],
  [{ token: [{ query: "t" }, { scheme: "" }] }, "token.1.scheme: must be an authentication scheme"],
  [{ token: { frame: { type: "auth" } } }, 'token.0.frame: needs the variable "$token"'],
  [{ token: { frame: "$token" } }, "token.0.frame: must be a JSON object or array"],
  [{ accept: [{ command: "edit" }] }, "accept.0.frame: is missing"],
  [{ accept: [{ command: "kick", frame: {} }] }, "accept.0.command: must be"],
  [{ accept: [{ command: "send", frame: { a: 1 } }] }, 'accept.0.frame: "send" needs the variable "$text"'],
  [
    { accept: [{ command: "edit", frame: { a: "$text" } }] },
    'accept.0.frame: "edit" needs one of the variables "$seq" and "$id"',
  ],
  [
    { accept: [{ command: "delete", frame: { a: "$seq", b: "$id" } }] },
    'accept.0.frame: "delete" needs one of the variables "$seq" and "$id"',
  ],
  [
    { accept: [{ command: "delete", frame: { a: "$seq", b: "$text" } }] },
    'accept.0.frame: "delete" does not use the variable "$text"',
  ],
  [
    { accept: [{ command: "read", frame: { a: "$seq", b: "$seq" } }] },
    'accept.0.frame.b: "$seq" occurs twice',
  ],
  [
    { accept: [{ command: "ignore", frame: { a: "$sent_at" } }] },
    'accept.0.frame.a: unknown variable "$sent_at"',
  ],
  [{ close: { unauthorised: 4001 } }, "close.unauthorised: is not one of Parley's error codes"],
  [{ close: { unauthorized: 1006 } }, "close.unauthorized: must be 1000 or from 3000 to 4999"],
  [{ close: { unauthorized: 5000 } }, "close.unauthorized: must be 1000 or from 3000 to 4999"],
  [{ paths: [] }, "paths: must have at least one path"],
  [{ paths: ["ws/:room"] }, 'paths.0: "ws/:room" must begin with a slash'],
  [{ paths: ["/ws/"] }, 'paths.0: "/ws/" must have :room once'],
  [{ paths: ["/:room/:room"] }, 'paths.0: "/:room/:room" must have :room once'],
  [{ paths: ["/ws/:room/?room=:room"] }, 'paths.0: "/ws/:room/?room=:room" must have :room once'],
  [{ paths: ["/ws/?a=:room&b=1"] }, 'paths.0: "/ws/?a=:room&b=1" may have one query parameter'],
  [{ paths: ["/ws/?a=:room?"] }, 'paths.0: "/ws/?a=:room?" has two question marks'],
  [{ paths: ["/ws/:id/"] }, 'paths.0: "/ws/:id/" must consist of'],
  [{ paths: ["/ws/*/:room"] }, 'paths.0: "/ws/*/:room" must consist of'],
  [{ paths: ["/a%20b/:room"] }, 'paths.0: "/a%20b/:room" must consist of'],
  [{ paths: ["/a/../:room"] }, 'paths.0: "/a/../:room" must consist of'],
  [{ paths: ["/./:room"] }, 'paths.0: "/./:room" must consist of'],
  [{ paths: ["/api/:room/"] }, 'paths.0: "/api/:room/" collides with Parley\'s own route /api'],
  [{ paths: ["/healthz?room=:room"] }, "collides with Parley's own route /healthz"],
  [{ paths: ["/a/:room", "/a/:room/"] }, 'paths: "/a/:room" and "/a/:room/" match the same requests'],
  [{ paths: ["/a/:room", "/:room/b"] }, 'paths: "/a/:room" and "/:room/b" match the same requests'],
  [{ paths: ["/a?x=:room", "/a/?x=:room"] }, 'paths: "/a?x=:room" and "/a/?x=:room" match the same requests'],
])("%j is refused in one line that names the place", (description, message) => {
  const compile = () => compileClassic(description);
  expect(compile).toThrow(message);
  expect(compile).not.toThrow(/\n/);
});

test.each(["api", "dev", "docs", "healthz", "readyz", "metrics", "openapi.json", "asyncapi.json"])(
  "no path takes Parley's own route /%s",
  (route) => {
    for (const path of [`/${route}/:room`, `/${route}?room=:room`])
      expect(() => compileClassic({ paths: [path] })).toThrow(`collides with Parley's own route /${route}`);
  },
);

test("a close code may be 1000, or any that applications may use", () => {
  const close = { removed: 1000, unauthorized: 3000, room_not_found: 4999 };
  expect(compileClassic({ close }).closeCodes).toEqual(close);
});

test("every key may be left out; without any it is the server as it is", () => {
  expect(compileClassic({}).paths).toEqual(defaultClassic.paths);
  expect(defaultClassic.paths.map(({ pattern }) => pattern)).toEqual(["/ws/chat/:room/"]);
  expect(defaultClassic.carriers).toEqual({ queries: [], pairs: [], schemes: [], fromFrame: undefined });
  expect([defaultClassic.historyLength, defaultClassic.closeCodes, defaultClassic.cookiePath]).toEqual([
    50,
    {},
    "/ws",
  ]);
});

const patterns = (paths: string[]) => compileClassic({ paths }).paths.map(({ pattern }) => pattern);

test("fixed paths are tried first, and the default one is always there", () => {
  const all = ["/ws/chat/:room/", "/ws/:room/", "/ws/chat/?room_id=:room", "/ws/chat?r=:room"];
  expect(patterns(all)).toEqual([...all.slice(2), ...all.slice(0, 2)]);
  expect(patterns(["/chat/:room"])).toEqual(["/chat/:room", "/ws/chat/:room/"]);
  expect(patterns(["/ws/:room/chat/"])).toEqual(["/ws/:room/chat/", "/ws/chat/:room/"]);
});

const cookiePath = (...paths: string[]) => compileClassic({ paths }).cookiePath;

test("the session cookie is for all paths: below /ws, or else for the whole server", () => {
  expect([
    cookiePath("/ws/:room/"),
    cookiePath("/ws?room=:room"),
    cookiePath("/chat/:room/"),
    cookiePath("/wss/:room"),
  ]).toEqual(["/ws", "/ws", "/", "/"]);
});

test("a token in a frame is found by its pattern, in text alone", () => {
  const { fromFrame } = compileClassic({
    token: [{ frame: { type: "auth", data: { jwt: "$token" } } }],
  }).carriers;
  expect(fromFrame?.('{"type":"auth","data":{"jwt":"a.b.c","x":1}}')).toBe("a.b.c");
  for (const frame of [
    "{",
    "null",
    '{"type":"auth"}',
    '{"type":"auth","data":{"jwt":1}}',
    '{"type":"x","data":{"jwt":"a"}}',
  ])
    expect([frame, fromFrame?.(frame)]).toEqual([frame, undefined]);
});
