import { afterAll, beforeAll, expect, test } from "bun:test";

import { connect } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import { type Parley, startParley } from "./support/parley.ts";

let issuer: Issuer;
let parley: Parley;
let rooms = 0;

beforeAll(async () => {
  issuer = await startIssuer();
  parley = await startParley({ issuer: issuer.issuer });
});
afterAll(async () => {
  await parley[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

async function roomOf(...members: string[]): Promise<string> {
  const id = `room-${++rooms}`;
  await parley.room(id, members);
  return id;
}

test("a message goes to everyone in the room, the sender included", async () => {
  const room = await roomOf("alice@example.com", "bob@example.com");
  const alice = await connect(parley.host, room, { token: await issuer.sign("alice@example.com") });
  const bob = await connect(parley.host, room, { token: await issuer.sign("bob@example.com") });
  expect(await alice.next()).toEqual([]);
  expect(await bob.next()).toEqual([]);
  alice.send({ message: "Hello, how are you?" });
  expect(await bob.next()).toEqual({ message: "Hello, how are you?" });
  expect(await alice.next()).toEqual({ message: "Hello, how are you?" });
});

test("a token that the provider itself issued opens a connection", async () => {
  const token = await issuer.grant();
  const room = await roomOf();
  const back = await connect(parley.host, room, { token });
  expect(await back.next()).toEqual([]);
});
