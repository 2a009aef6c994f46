import { afterAll, expect, test } from "bun:test";

import { newPrivateKey, Vapid } from "../../../src/push/vapid.ts";
import { newEmail } from "../../support/api-users.ts";
import { type ApiRequest, callApi, expectProblem } from "../../support/api.ts";
import { PushService } from "../../support/push-service.ts";
import { type TestServer, useServer } from "../../support/server.ts";

const service = new PushService();
afterAll(() => service[Symbol.asyncDispose]());

const privateKey = newPrivateKey();
const env = {
  PARLEY_PUSH_KEY: privateKey,
  PARLEY_PUSH_CONTACT: "mailto:admin@example.com",
  PARLEY_PUSH_SERVICES: service.origin,
  PARLEY_MESSAGE_RATE: "0",
};
const server = useServer({ env, pushDelayMs: 20 });

const call = async (request: string, email: string, body?: unknown, at: Pick<TestServer, "url"> = server) => {
  const sent: ApiRequest = { token: await server.token(email), ...(body !== undefined && { body }) };
  return callApi(at, request, sent);
};

/** A user with a browser that is subscribed. */
async function subscribedUser(at: Pick<TestServer, "url"> = server) {
  const email = newEmail();
  const browser = await service.subscribe();
  const { status } = await call("PUT /api/push-subscription", email, browser.subscription, at);
  expect(status).toBe(204);
  return { email, browser };
}

const send = async (room: string, email: string, text: string, at?: Pick<TestServer, "url">) => {
  const { status } = await call(`POST /api/rooms/${room}/messages`, email, { text }, at);
  expect(status).toBe(201);
};

test("a member who is mentioned, and not connected, gets a push that only their browser can read", async () => {
  const [alice, bob, carol] = [newEmail(), await subscribedUser(), await subscribedUser()];
  const room = await server.createRoom([alice, bob.email, carol.email]);
  await send(room, alice, "nobody in particular");
  await send(room, alice, `Hello @${bob.email}!`);
  const [push] = await service.received(bob.browser);
  const { body: me } = await call("GET /api/me", alice);
  expect(push?.payload).toEqual({
    room,
    room_name: room,
    direct: false,
    seq: 2,
    sender: { id: me["id"], name: me["name"], email: alice },
    text: `Hello @${bob.email}!`,
  });
  await send(room, bob.email, "@room");
  await service.received(carol.browser);
  expect([bob.browser.received.length, carol.browser.received.length]).toEqual([1, 1]);
  expect(await server.metric('parley_pushes_total{outcome="sent"}')).toBeGreaterThanOrEqual(2);
});

test("any message in a direct conversation is pushed, in all browsers of the other one", async () => {
  const [alice, bob] = [await subscribedUser(), await subscribedUser()];
  const second = await service.subscribe();
  await call("PUT /api/push-subscription", bob.email, second.subscription);
  await server.createRoom([alice.email, bob.email]);
  const { body } = await call(`PUT /api/direct/${bob.email}`, alice.email);
  await send(String(body["id"]), alice.email, "Lunch?");
  for (const browser of [bob.browser, second])
    expect((await service.received(browser))[0]?.payload).toMatchObject({ direct: true, text: "Lunch?" });
  expect(alice.browser.received).toEqual([]);
});

test("an endpoint is notified for the user who presented it last, and for nobody after they end it", async () => {
  const [alice, bob, sender, carol] = [
    await subscribedUser(),
    newEmail(),
    newEmail(),
    await subscribedUser(),
  ];
  const { browser } = alice;
  await call("PUT /api/push-subscription", bob, { ...browser.subscription, expirationTime: null });
  // Another user's request changes nothing, and does not tell whether there is one.
  const { endpoint } = browser.subscription;
  expect((await call("DELETE /api/push-subscription", alice.email, { endpoint })).status).toBe(204);
  const room = await server.createRoom([alice.email, bob, sender, carol.email]);
  await send(room, sender, `@${alice.email} @${bob}`);
  await service.received(browser);
  expect((await call("DELETE /api/push-subscription", bob, { endpoint })).status).toBe(204);
  expect((await call("DELETE /api/push-subscription", bob, { endpoint })).status).toBe(204);
  await send(room, sender, "@room");
  await service.received(carol.browser);
  expect(browser.received.map(({ payload }) => payload["seq"])).toEqual([1]);
});

test("a subscription that the push service has ended is not tried again", async () => {
  const [alice, bob, carol] = [newEmail(), await subscribedUser(), await subscribedUser()];
  const room = await server.createRoom([alice, bob.email, carol.email]);
  bob.browser.answer = () => new Response(null, { status: 410 });
  for (const count of [1, 2]) {
    await send(room, alice, "@room");
    await service.received(carol.browser, count);
  }
  await service.received(bob.browser);
  expect(bob.browser.received).toHaveLength(1);
});

test("a push that is sent again tells the message as it is by then", async () => {
  const [alice, bob] = [newEmail(), await subscribedUser()];
  const room = await server.createRoom([alice, bob.email]);
  const text = `The password is …, @${bob.email}`;
  bob.browser.answer = async () => {
    bob.browser.answer = () => new Response(null, { status: 201 });
    await call(`PATCH /api/rooms/${room}/messages/1`, alice, { text });
    return new Response(null, { status: 503 });
  };
  await send(room, alice, `The password is swordfish, @${bob.email}`);
  const pushes = await service.received(bob.browser, 2);
  expect(pushes[1]?.payload).toMatchObject({ seq: 1, text });
});

test("a user whose connection ends before they have read the message gets it as a push", async () => {
  const [alice, bob] = [newEmail(), await subscribedUser()];
  const room = await server.createRoom([alice, bob.email]);
  const client = await server.connectSession(bob.email);
  await send(room, alice, `@${bob.email} one`);
  await client.next("activity");
  await client.close();
  expect((await service.received(bob.browser))[0]?.payload).toMatchObject({ room, seq: 1 });
});

test("a push service that hangs delays no message", async () => {
  const [alice, bob] = [newEmail(), await subscribedUser()];
  const room = await server.createRoom([alice, bob.email]);
  const { promise, resolve } = Promise.withResolvers<Response>();
  bob.browser.answer = () => promise;
  await send(room, alice, `@${bob.email}`);
  await service.received(bob.browser);
  await send(room, alice, "next");
  resolve(new Response());
});

test("a server that stops sends what waits, but not to those who have read it or were connected", async () => {
  const another = await server.startAnother({ env, pushDelayMs: 60_000 });
  try {
    const alice = newEmail();
    const [read, connected, away] = [
      await subscribedUser(another),
      await subscribedUser(another),
      await subscribedUser(another),
    ];
    const room = await another.createRoom([alice, read.email, connected.email, away.email]);
    const client = await another.connectSession(connected.email);
    await send(room, alice, "@room", another);
    await call(`PUT /api/rooms/${room}/read`, read.email, { seq: 1 }, another);
    await Promise.all([another.stop(), client.closed]);
    expect([read, connected, away].map(({ browser }) => browser.received.length)).toEqual([0, 0, 1]);
  } finally {
    await another[Symbol.asyncDispose]();
  }
});

test("a server stops in time although a push service hangs", async () => {
  const another = await server.startAnother({ env, pushDelayMs: 1 });
  try {
    const [alice, bob] = [newEmail(), await subscribedUser(another)];
    const room = await another.createRoom([alice, bob.email]);
    const { promise, resolve } = Promise.withResolvers<Response>();
    bob.browser.answer = () => promise;
    await send(room, alice, `@${bob.email}`, another);
    await service.received(bob.browser);
    const start = performance.now();
    await another.stop();
    expect(performance.now() - start).toBeLessThan(5000);
    resolve(new Response());
  } finally {
    await another[Symbol.asyncDispose]();
  }
});

test("subscriptions that nothing may be sent to are refused with the reason", async () => {
  const email = newEmail();
  const { subscription } = await service.subscribe();
  const { endpoint, keys } = subscription;
  const bodies: [unknown, string][] = [
    [{}, "endpoint"],
    [{ endpoint }, "keys"],
    [{ endpoint: 1, keys }, "endpoint"],
    [{ endpoint, keys: { auth: keys.auth } }, "p256dh"],
    [{ endpoint: "http://127.0.0.1:1/", keys }, "endpoint"],
    [{ endpoint: endpoint.replace("127.0.0.1", "localhost"), keys }, "endpoint"],
    [{ endpoint: "https://fcm.googleapis.com/fcm/send/x", keys }, "endpoint"],
    [{ endpoint: `${endpoint}${"x".repeat(2048)}`, keys }, "endpoint"],
    [{ endpoint, keys: { ...keys, p256dh: "A".repeat(87) } }, "keys.p256dh"],
    [{ endpoint, keys: { ...keys, auth: "short" } }, "keys.auth"],
    [{ endpoint, keys: { ...keys, auth: `${"A".repeat(21)}B` } }, "keys.auth"],
  ];
  for (const [body, field] of bodies) {
    const answer = await call("PUT /api/push-subscription", email, body);
    expectProblem(answer, 400, "invalid_command");
    expect([field, answer.body["detail"]]).toEqual([field, expect.stringContaining(field)]);
  }
  expectProblem(await call("DELETE /api/push-subscription", email, {}), 400, "invalid_command");
  expectProblem(
    await callApi(server, "PUT /api/push-subscription", { body: subscription }),
    401,
    "unauthorized",
  );
});

test("of more than ten browsers of a user, the newest ten are notified", async () => {
  const [alice, bob] = [newEmail(), newEmail()];
  const browsers = await Promise.all(Array.from({ length: 12 }, () => service.subscribe()));
  for (const { subscription } of browsers) await call("PUT /api/push-subscription", bob, subscription);
  const room = await server.createRoom([alice, bob]);
  await send(room, alice, `@${bob}`);
  await Promise.all(browsers.slice(2).map((browser) => service.received(browser)));
  expect(browsers.slice(0, 2).flatMap(({ received }) => received)).toEqual([]);
});

test("the page learns the public key, or that web push is off", async () => {
  const { publicKey } = new Vapid({ privateKey, contact: "", now: Date.now });
  expect(await (await fetch(`${server.url}/config.json`)).json()).toMatchObject({ push_key: publicKey });
  await using another = await server.startAnother();
  expect(await (await fetch(`${another.url}/config.json`)).json()).toMatchObject({ push_key: null });
});

test("without a key, subscribing is refused, and ending a subscription is not", async () => {
  await using another = await server.startAnother();
  const { subscription } = await service.subscribe();
  const refused = await call("PUT /api/push-subscription", newEmail(), subscription, another);
  expectProblem(refused, 403, "forbidden");
  const { endpoint } = subscription;
  const ended = await call("DELETE /api/push-subscription", newEmail(), { endpoint }, another);
  expect(ended.status).toBe(204);
});

test("a key without a contact, and one that is no key, keep the server from starting", async () => {
  const wrong: [Record<string, string>, string][] = [
    [{ PARLEY_PUSH_KEY: privateKey }, "PARLEY_PUSH_CONTACT: must be set"],
    [
      { PARLEY_PUSH_CONTACT: "https://example.com", PARLEY_PUSH_KEY: "A".repeat(43) },
      "PARLEY_PUSH_KEY: must be a key",
    ],
  ];
  for (const [settings, reason] of wrong) {
    const error = await server.startAnother({ env: settings }).catch(String);
    expect(error).toContain(reason as never);
  }
});
