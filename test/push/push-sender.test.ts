import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import pino from "pino";

import type { Push } from "../../src/chat/push-store.ts";
import { PushSender } from "../../src/push/push-sender.ts";
import { newPrivateKey, Vapid } from "../../src/push/vapid.ts";
import { type Browser, PushService } from "../support/push-service.ts";
import { actor } from "../support/samples.ts";

const vapid = new Vapid({ privateKey: newPrivateKey(), contact: "mailto:admin@example.com", now: Date.now });

const pushTo = (
  { subscription: { endpoint } }: Browser,
  text = "Hello!",
  name: string | null = "Alice",
): Push => ({
  room: { key: 1, id: "lobby", name: "The lobby", isDirect: false },
  message: { seq: 12, sender: { ...actor(1), name }, text, mentioned: new Set() },
  user: 2,
  subscription: 3,
  endpoint,
});

/** A push service, a browser, and a sender with what it has logged and forgotten. */
async function start(options: { timeoutMs?: number; services?: string[] } = {}) {
  const service = new PushService();
  const browser = await service.subscribe();
  const logs: Record<string, unknown>[] = [];
  const forgotten: string[] = [];
  const sender = new PushSender({
    vapid,
    services: [service.origin],
    targetOf: async ({ message: { text } }) => {
      const { endpoint, keys } = browser.subscription;
      return { endpoint, ...keys, text };
    },
    store: { forget: async (push) => void forgotten.push(push.endpoint) },
    log: pino({}, { write: (line: string) => void logs.push(JSON.parse(line) as never) }),
    ...options,
  });
  return {
    service,
    browser,
    sender,
    logs,
    forgotten,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

test("a push is encrypted for its browser, identifies the server, and says how long and how urgently", async () => {
  await using started = await start();
  const { service, browser, sender } = started;
  expect(await sender.send(pushTo(browser))).toBe("sent");
  const [push] = await service.received(browser);
  expect(push?.payload).toEqual({
    room: "lobby",
    room_name: "The lobby",
    direct: false,
    seq: 12,
    sender: { id: "sub|1", name: "Alice", email: "user-1@example.com" },
    text: "Hello!",
  });
  const headers = ["content-encoding", "ttl", "urgency", "topic"].map((name) => push?.headers.get(name));
  // The push service cannot guess the room from its topic.
  const topic = expect.stringMatching(/^[\w-]{32}$/) as string;
  expect(headers).toEqual(["aes128gcm", "86400", "high", topic]);
  expect(vapid.topic("lobby")).toBe(headers[3] ?? "");
  const other = new Vapid({ privateKey: newPrivateKey(), contact: "mailto:a@example.com", now: Date.now });
  expect(other.topic("lobby")).not.toBe(headers[3] ?? "");
});

test("a long text is cut, and a text of any characters fits", async () => {
  await using started = await start();
  const { service, browser, sender } = started;
  await sender.send(pushTo(browser, "x".repeat(201)));
  await sender.send(pushTo(browser, "👩‍👩‍👧‍👦".repeat(30)));
  // JSON writes each as six bytes.
  await sender.send(pushTo(browser, "\u0001".repeat(400), "\u0001".repeat(255)));
  const texts = (await service.received(browser, 3)).map(({ payload }) => payload["text"] as string);
  expect(texts[0]).toBe(`${"x".repeat(200)}…`);
  expect(texts[1]?.isWellFormed()).toBe(true);
  expect(texts[2]?.length).toBeWithin(50, 202);
});

test("a push whose names alone are too long is not sent", async () => {
  await using started = await start();
  const { service, browser, sender } = started;
  expect(await sender.send(pushTo(browser, "x", "\u0001".repeat(700)))).toBe("refused");
  expect(service.requests).toBe(0);
});

test.each([404, 410])("after a %d the subscription is forgotten", async (status) => {
  await using started = await start();
  const { browser, sender, forgotten, logs } = started;
  browser.answer = () => new Response("gone", { status });
  expect(await sender.send(pushTo(browser))).toBe("gone");
  expect([forgotten, logs]).toEqual([[browser.subscription.endpoint], []]);
});

test.each([
  [429, { "retry-after": "120" }, 120_000],
  [503, { "retry-after": "soon" }, undefined],
  [500, {}, undefined],
] as const)("after a %d with %j a push may be sent again", async (status, headers, retryAfterMs) => {
  await using started = await start();
  const { browser, sender } = started;
  browser.answer = () => new Response("later", { status, headers });
  expect(await sender.send(pushTo(browser))).toEqual({ retryAfterMs });
});

test("a push service that says when to come back is understood", async () => {
  await using started = await start();
  const { browser, sender } = started;
  const date = new Date(Date.now() + 90_000).toUTCString();
  browser.answer = () => new Response(null, { status: 503, headers: { "retry-after": date } });
  const outcome = await sender.send(pushTo(browser));
  expect(typeof outcome === "object" && outcome.retryAfterMs).toBeWithin(85_000, 90_001);
});

test("refusals are logged once for each push service and status, without the endpoint", async () => {
  await using started = await start();
  const { service, browser, sender, logs } = started;
  const path = new URL(browser.subscription.endpoint).pathname;
  for (const status of [403, 403, 413, 400, 307, 400]) {
    browser.answer = () =>
      new Response(`the key is\nwrong: ${path}`, { status, headers: { location: "/elsewhere" } });
    expect(await sender.send(pushTo(browser))).toBe("refused");
  }
  expect(logs.map((line) => [line["service"], line["status"], line["reason"]])).toEqual([
    [service.origin, 403, "the key is\nwrong: …"],
    [service.origin, 413, "the key is\nwrong: …"],
    [service.origin, 400, "the key is\nwrong: …"],
    [service.origin, 307, ""],
  ]);
  expect(JSON.stringify(logs)).not.toContain(path);
  // No redirect was followed.
  expect(service.requests).toBe(6);
});

test("a push service that does not answer is given up in time, and logged without the endpoint", async () => {
  await using started = await start({ timeoutMs: 50 });
  const { browser, sender, logs } = started;
  const { promise, resolve } = Promise.withResolvers<Response>();
  browser.answer = () => promise;
  expect(await sender.send(pushTo(browser))).toEqual({ retryAfterMs: undefined });
  resolve(new Response());
  const { service, ...rest } = started;
  await service[Symbol.asyncDispose]();
  expect(await rest.sender.send(pushTo(browser))).toEqual({ retryAfterMs: undefined });
  expect(logs.map(({ reason }) => reason)).toEqual([expect.any(String)]);
  expect(JSON.stringify(logs)).not.toContain(new URL(browser.subscription.endpoint).pathname);
});

test.each([
  [201, "sent"],
  [400, "refused"],
  [410, "gone"],
] as const)("an answer with %d and without an end is not read", async (status, outcome) => {
  await using started = await start();
  const { browser, sender } = started;
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: () => resolve(),
  });
  browser.answer = () => new Response(endless, { status });
  expect(await sender.send(pushTo(browser))).toBe(outcome);
  await cancelled;
});

test("a compressed answer is not unpacked", async () => {
  await using started = await start();
  const { browser, sender, logs } = started;
  browser.answer = () =>
    new Response(gzipSync("x".repeat(10_000_000)), { status: 400, headers: { "content-encoding": "gzip" } });
  expect(await sender.send(pushTo(browser))).toBe("refused");
  expect(logs.map(({ reason }) => reason)).toEqual([""]);
});

test("an answer whose body never comes is known by its status", async () => {
  using silent = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data: (socket) => void socket.write("HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\n"),
    },
  });
  const origin = `http://127.0.0.1:${silent.port}`;
  await using started = await start({ timeoutMs: 100, services: [origin] });
  const { browser, sender } = started;
  browser.subscription.endpoint = `${origin}/`;
  expect(await sender.send(pushTo(browser))).toBe("gone");
});

test("nothing is sent to a push service that is no longer allowed", async () => {
  await using started = await start({ services: ["https://push.example.com"] });
  const { service, browser, sender } = started;
  expect(await sender.send(pushTo(browser))).toBe("refused");
  expect(service.requests).toBe(0);
});

test("a sender that stops ends its requests", async () => {
  await using started = await start();
  const { browser, sender, logs } = started;
  const { promise, resolve } = Promise.withResolvers<Response>();
  const asked = new Promise<void>((come) => {
    browser.answer = () => {
      come();
      return promise;
    };
  });
  const sending = sender.send(pushTo(browser));
  await asked;
  sender.stop();
  expect(await sending).toEqual({ retryAfterMs: undefined });
  expect(logs).toEqual([]);
  resolve(new Response());
});
