import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Closed, connectV2, Refused, textOf, type V2Client } from "../support/client.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { root } from "../support/process.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { connectSession } from "../support/session-client.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { subjectOf } from "../support/tokens.ts";
import { waitUntil } from "../support/wait.ts";
import { connectOld, type OldClient, type Target } from "./old-client.ts";
import { type Said, samplesIn, TIME } from "./samples.ts";

/** Texts that a template must pass on as they are. */
const hostileTexts = [
  'He said "hello" and left \\ forever',
  "$sender_email",
  "$$text",
  "<b>bold</b> {{ text }} ${text} %s",
  "two\nlines and a separator\u2028",
  '{"message":"$text"}',
  "👩‍🚀 ünïcödé",
];

const people = {
  alice: { id: subjectOf("alice@example.com"), email: "alice@example.com", name: "Alice" },
  bob: { id: subjectOf("bob@example.com"), email: "bob@example.com", name: "Bob" },
};
type Person = keyof typeof people;

let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const tokenOf = (person: Person) =>
  issuer.sign(people[person].email, { claims: { name: people[person].name } });

const said = (seq: number, text: string, person: Person = "alice"): Said => ({
  seq,
  text,
  sender: people[person],
});

/** A frame without its times. */
function timeless(frame: unknown): unknown {
  const text = JSON.stringify(frame);
  return JSON.parse(text.replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, `"${TIME}"`));
}

const nextOf = async (client: OldClient) => timeless(await client.next());

/** The status of the upgrade, or the close code after it. */
async function refusalOf(host: string, target: Target): Promise<number> {
  try {
    const client = await connectOld(host, target);
    return (await client.closed).code;
  } catch (error) {
    if (error instanceof Refused) return error.status;
    if (error instanceof Closed) return error.code;
    throw error;
  }
}

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const samples = samplesIn(folder.path);

test("every sample of docs/migration is tested, and is on its page", () => {
  const files = readdirSync(join(root, "docs/migration")).map((name) => join(root, "docs/migration", name));
  const tested = samples.map(({ config }) => config).filter((config) => !config.startsWith(folder.path));
  expect(tested.toSorted()).toEqual(files.toSorted());
  const page = readFileSync(join(root, "docs/migration.md"), "utf8");
  const linked = [...page.matchAll(/\]\((migration\/[^)]+)\)/g)].map(([, link = ""]) =>
    join(root, "docs", link),
  );
  expect(linked.toSorted()).toEqual(files.toSorted());
});

describe.each(samples.map((sample) => [sample.name, sample] as const))("%s", (_, sample) => {
  let parley: TestServer;

  beforeAll(async () => {
    const env = {
      PARLEY_CLASSIC: sample.config,
      PARLEY_MESSAGE_RATE: "0",
      PARLEY_CONNECTIONS_PER_USER: "0",
      PARLEY_CLOCK_TOLERANCE: "0",
    };
    parley = await startTestServer({ issuer: issuer.issuer, env });
  });
  afterAll(() => parley[Symbol.asyncDispose]());

  const createRoom = () => parley.createRoom(["alice@example.com", "bob@example.com"]);
  const connectV2As = async (person: Person, room: string): Promise<V2Client> =>
    connectV2(parley.host, room, { token: await tokenOf(person) });

  /** Connects a user, and resolves after the history. */
  async function connectAs(person: Person, room: string): Promise<OldClient> {
    const client = await connectOld(parley.host, sample.target(room, await tokenOf(person)));
    if (sample.history) await client.next();
    return client;
  }

  /** A room with Alice as an old client and Bob as a new one. */
  async function aliceAndBob() {
    const room = await createRoom();
    return { room, alice: await connectAs("alice", room), bob: await connectV2As("bob", room) };
  }

  /** Sends a text and resolves when the client was sent it. */
  async function say(client: OldClient, text: string): Promise<void> {
    client.send(sample.send(text));
    await client.next();
  }

  test("connect: as the old client does, with the last slash or without", async () => {
    const room = await createRoom();
    const target = sample.target(room, await tokenOf("alice"));
    const client = await connectOld(parley.host, target);
    expect(client.protocol).toBe(target.protocols?.[0] ?? "");
    await client.close();
    const path = target.path.replace(/\/(?=\?|$)/, "");
    await (await connectOld(parley.host, { ...target, path })).close();
  });

  test("refuse: no token, a token that is not valid, another's room and a room that does not exist", async () => {
    const { unauthorized, roomNotFound } = sample.refusals;
    const room = await createRoom();
    const token = await tokenOf("alice");
    const { path } = sample.target(room, "");
    expect(await refusalOf(parley.host, { path: path.replace(/\?token=$/, "") })).toBe(unauthorized);
    expect(await refusalOf(parley.host, sample.target(room, `${token.slice(0, -8)}AAAAAAAA`))).toBe(
      unauthorized,
    );
    const bobs = await parley.createRoom(["bob@example.com"]);
    expect(await refusalOf(parley.host, sample.target(bobs, token))).toBe(roomNotFound);
    expect(await refusalOf(parley.host, sample.target("no-such-room", token))).toBe(roomNotFound);
  });

  test("connect, refuse: the token is in no log line and no metric", async () => {
    const room = await createRoom();
    const token = await tokenOf("alice");
    const requests = () => parley.logs.filter(({ msg }) => msg === "Request").length;
    const before = requests();
    await (await connectOld(parley.host, sample.target(room, token))).close();
    await refusalOf(parley.host, sample.target("no-such-room", token));
    await waitUntil("both are logged", () => requests() >= before + 2);
    const metrics = await (await fetch(`${parley.url}/metrics`)).text();
    expect(JSON.stringify(parley.logs) + metrics).not.toContain(token.slice(-40));
  });

  test("history: the newest state of the last messages, in the old order", async () => {
    const room = await createRoom();
    const [alice, bob] = [await connectV2As("alice", room), await connectV2As("bob", room)];
    await alice.say("One");
    await bob.say("Two");
    await alice.say("Three");
    await alice.ack({ type: "edit", seq: 1, text: 'One "edited" $text' });
    await bob.ack({ type: "delete", seq: 2 });
    await bob.say("Four");
    const client = await connectOld(parley.host, sample.target(room, await tokenOf("alice")));
    if (sample.history) {
      const messages = [said(1, 'One "edited" $text'), said(3, "Three"), said(4, "Four", "bob")];
      expect(await nextOf(client)).toEqual(sample.history(messages));
    }
    await bob.say("Five");
    expect(await nextOf(client)).toEqual(sample.message(said(5, "Five", "bob")));
  });

  test("history: of an empty room", async () => {
    const room = await createRoom();
    const client = await connectOld(parley.host, sample.target(room, await tokenOf("alice")));
    if (sample.history) expect(await nextOf(client)).toEqual(sample.history([]));
    await say(client, "First");
    await client.close();
  });

  test("send: a message is stored and comes back to its sender", async () => {
    const { alice, bob } = await aliceAndBob();
    for (const [index, text] of hostileTexts.entries()) {
      alice.send(sample.send(text));
      expect(await nextOf(alice)).toEqual(sample.message(said(index + 1, text)));
      expect((await bob.next("change")).message).toMatchObject(said(index + 1, text));
    }
  });

  test("receive: everyone in the room gets the messages of old and new clients in one order", async () => {
    const { room, alice, bob } = await aliceAndBob();
    const oldBob = await connectAs("bob", room);
    await bob.say("From a new client");
    for (const client of [alice, oldBob])
      expect(await nextOf(client)).toEqual(sample.message(said(1, "From a new client", "bob")));
    alice.send(sample.send("From an old client"));
    for (const client of [alice, oldBob])
      expect(await nextOf(client)).toEqual(sample.message(said(2, "From an old client")));
    expect((await bob.next((frame) => textOf(frame) === "From an old client")).type).toBe("change");
  });

  test("edit: an edit in a new client is told where the old one knew edits", async () => {
    const { alice, bob } = await aliceAndBob();
    await bob.say("Helo");
    await alice.next();
    await bob.ack({ type: "edit", seq: 1, text: "Hello" });
    if (sample.edited) expect(await nextOf(alice)).toEqual(sample.edited(said(1, "Hello", "bob")));
    await bob.say("Next");
    expect(await nextOf(alice)).toEqual(sample.message(said(2, "Next", "bob")));
  });

  test("delete: a deletion in a new client is told where the old one knew deletions", async () => {
    const { alice, bob } = await aliceAndBob();
    await bob.say("Oops");
    await alice.next();
    await bob.ack({ type: "delete", seq: 1 });
    if (sample.deleted) expect(await nextOf(alice)).toEqual(sample.deleted(said(1, "", "bob")));
    await bob.say("Next");
    expect(await nextOf(alice)).toEqual(sample.message(said(2, "Next", "bob")));
  });

  test("malformed: only the sender learns of it, if the old server told errors", async () => {
    const { room, alice } = await aliceAndBob();
    const bob = await connectAs("bob", room);
    const malformed = [
      "nonsense",
      "[]",
      "null",
      "{}",
      { other: "key" },
      sample.send(""),
      sample.send(" \u200b "),
    ];
    for (const frame of malformed) {
      alice.send(frame);
      if (sample.error) expect(await nextOf(alice)).toEqual(sample.error("invalid_message"));
    }
    alice.send(sample.send("x".repeat(parley.config.maxText + 1)));
    if (sample.error) expect(await nextOf(alice)).toEqual(sample.error("message_too_long"));
    alice.send(sample.send("Fine"));
    for (const client of [alice, bob]) expect(await nextOf(client)).toEqual(sample.message(said(1, "Fine")));
  });

  test("disconnect: the others go on, and the next connection has what was missed", async () => {
    const { room, alice, bob } = await aliceAndBob();
    await say(alice, "One");
    const before = await parley.metric("parley_connections");
    await alice.close();
    await waitUntil(
      "the connection is gone",
      async () => (await parley.metric("parley_connections")) < before,
    );
    await bob.say("Two");
    const again = await connectOld(parley.host, sample.target(room, await tokenOf("alice")));
    if (sample.history)
      expect(await nextOf(again)).toEqual(sample.history([said(1, "One"), said(2, "Two", "bob")]));
    await say(again, "Three");
    expect((await bob.next((frame) => textOf(frame) === "Three")).type).toBe("change");
  });

  test("disconnect: when the token expires", async () => {
    const room = await createRoom();
    const claims = { exp: Math.floor(Date.now() / 1000) + 2 };
    const token = await issuer.sign("alice@example.com", { claims });
    const client = await connectOld(parley.host, sample.target(room, token));
    const { unauthorized } = sample.refusals;
    expect((await client.closed).code).toBe(unauthorized < 1000 ? 4401 : unauthorized);
  });

  test("disconnect: a member who is removed", async () => {
    const { room, alice } = await aliceAndBob();
    await parley.asOperator((chat, operator) =>
      chat.rooms.removeMember(operator, room, { email: "alice@example.com" }),
    );
    expect((await alice.closed).code).toBe(4403);
  });

  const { edit, edited, deleted, error, read, ignored } = sample;

  if (edit && edited)
    test("edit: a client edits its messages, but not those of others", async () => {
      const { alice, bob } = await aliceAndBob();
      await say(alice, "Helo");
      alice.send(edit(1, "Hello"));
      expect(await nextOf(alice)).toEqual(edited(said(1, "Hello")));
      expect((await bob.next((frame) => frame.type === "change" && frame.kind === "edited")).type).toBe(
        "change",
      );
      await bob.say("Mine");
      await alice.next();
      alice.send(edit(2, "Not yours"));
      expect(await nextOf(alice)).toEqual(error?.("forbidden"));
    });

  if (sample.delete && deleted) {
    const { delete: remove } = sample;
    test("delete: a client deletes its messages, but not those of others", async () => {
      const { alice, bob } = await aliceAndBob();
      await say(alice, "Oops");
      alice.send(remove(1));
      expect(await nextOf(alice)).toEqual(deleted(said(1, "")));
      await bob.say("Mine");
      await alice.next();
      alice.send(remove(2));
      expect(await nextOf(alice)).toEqual(error?.("forbidden"));
    });
  }

  if (read)
    test("read: a client marks what it has read", async () => {
      const { room, alice, bob } = await aliceAndBob();
      const session = await connectSession(parley.host, { token: await tokenOf("alice") });
      await bob.say("Read this");
      await alice.next();
      await waitUntil("it is unread", () => session.room(room).unread === 1);
      alice.send(read(1));
      await waitUntil("nothing is unread", () => session.room(room).unread === 0);
    });

  if (ignored)
    test("send: frames that Parley does not know are dropped without an error", async () => {
      const { alice } = await aliceAndBob();
      for (const frame of ignored) alice.send(frame);
      alice.send(sample.send("Hello"));
      expect(await nextOf(alice)).toEqual(sample.message(said(1, "Hello")));
    });
});
