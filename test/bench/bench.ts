import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

import { operator } from "../../src/chat/model.ts";
import { readConfig } from "../../src/config.ts";
import { openChat } from "../../src/server.ts";
import { open } from "../../src/store/sqlite/open.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { audience, makeKey, sign } from "../support/tokens.ts";
import { classic, fanOut, type Load, resume, sendToAnswer, type Speech, v2 } from "./dialects.ts";
import { history } from "./history.ts";
import { type Client, clientFrame, connect, each, serverFrameLength } from "./load.ts";
import { cpu, memory, percentile, pinSelf, serve, type Served } from "./process.ts";

/**
 * What Parley costs beside its limit, a bare Bun server that is loaded in the same way in the same run. Figures belong
 * to the machine; the ratios are what counts.
 */

const text = "Hello, how are you? This is a message of some length.";
const body = JSON.stringify({ message: text });
const frame = clientFrame(body);
const frameLength = serverFrameLength(body.length);

const loneRooms = 64;
const crowd = 1000;
const idle = 15_000;
/** Messages of the room that is resumed. */
const long = 100_000;
const roundCount = Number(process.env["ROUNDS"] ?? 5);

pinSelf();
const folder = mkdtempSync(join(tmpdir(), "parley-bench-"));
const key = await makeKey();
const issuer = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () => Response.json({ keys: [key.publicJwk] }),
});
const environment = {
  PARLEY_PORT: "0",
  PARLEY_DATABASE: join(folder, "parley.db"),
  PARLEY_ISSUER: issuer.url.href,
  PARLEY_JWKS_URL: issuer.url.href,
  PARLEY_AUDIENCE: audience,
  PARLEY_MESSAGE_RATE: "0",
  PARLEY_CONNECTIONS_PER_USER: "0",
  PARLEY_MAX_CONNECTIONS: "0",
};
const emailOf = (index: number) => `user${index}@example.com`;
let tokens = 0;
const token = (index: number) =>
  sign(issuer.url.href, emailOf(index), { key, claims: { jti: String(++tokens) } });

/** Rooms `room0` … with one member each, and `crowd` with a thousand. */
async function seed(): Promise<void> {
  const { chat, close } = openChat(readConfig(environment), { create: true });
  for (let index = 0; index < loneRooms; index++) {
    await chat.rooms.create(operator, `room${index}`, "a room");
    await chat.rooms.setMember(operator, `room${index}`, { email: emailOf(index) }, "member");
  }
  await chat.rooms.create(operator, "crowd", "a crowd");
  for (let index = 0; index < crowd; index++) {
    await chat.rooms.setMember(operator, "crowd", { email: emailOf(index) }, "member");
  }
  await chat.rooms.create(operator, "long", "a room of long standing");
  await chat.rooms.setMember(operator, "long", { email: emailOf(0) }, "member");
  const { room } = await chat.rooms.enter(operator, "long");
  const sender = (await chat.rooms.members(operator, "long"))[0]?.user;
  await close();
  if (!sender) throw new Error("nobody is in the room");
  const store = new SqliteStore(open(environment.PARLEY_DATABASE));
  const actor = { ...sender, admin: false };
  const page = 1000;
  for (let from = 1; from <= long; from += page) {
    const seqs = Array.from({ length: page }, (_, index) => from + index);
    await store.append(
      seqs.map((seq) => {
        const action = { type: "send", text: `${text} ${seq}`, clientId: null, replyTo: null } as const;
        return { room: room.key, actor, at: Date.now(), action };
      }),
    );
  }
  // One in ten was changed since.
  for (let from = 10; from <= long; from += page * 10) {
    const seqs = Array.from({ length: page }, (_, index) => from + index * 10).filter((seq) => seq <= long);
    await store.append(
      seqs.map((seq) => ({ room: room.key, actor, at: Date.now(), action: { type: "edit", seq, text } })),
    );
  }
  await store.close();
}

const parley = () => serve([join(import.meta.dir, "../../dist/parley"), "serve"], environment);
const bare = () => serve([process.execPath, join(import.meta.dir, "bare.ts")]);

interface Result {
  /** What the ratio is made of. */
  figure: number;
  lines: string;
}

/**
 * The same load on both, in turn: a machine that others share is faster at one moment than at another. The ratio is the
 * median of the rounds, and the lines are of the round that has it.
 */
async function compare(name: string, work: (served: Served) => Promise<Result>): Promise<string[]> {
  const rounds: { ratio: number; limit: Result; ours: Result }[] = [];
  for (let round = 0; round < roundCount; round++) {
    const limit = await on(bare, work);
    const ours = await on(parley, work);
    rounds.push({ ratio: ours.figure / limit.figure, limit, ours });
  }
  rounds.sort((a, b) => a.ratio - b.ratio);
  const { ratio, limit, ours } = rounds[Math.floor(roundCount / 2)] as (typeof rounds)[number];
  const all = rounds.map((round) => round.ratio.toFixed(2)).join(", ");
  return [
    `${name}: ${ratio.toFixed(2)} × bare (rounds: ${all})`,
    `  bare:   ${limit.lines}`,
    `  parley: ${ours.lines}`,
  ];
}

async function on(start: () => Promise<Served>, work: (served: Served) => Promise<Result>): Promise<Result> {
  await using served = await start();
  return await work(served);
}

const path = (room: string) => `/ws/chat/${room}/`;

/** 64 rooms, one sender each, 16 messages in flight. */
async function busyRooms(served: Served): Promise<Result> {
  const inFlight = 16;
  const rooms = Array.from({ length: loneRooms }, (_, index) => index);
  const clients = await each(rooms, 16, async (index) =>
    connect(served.url, path(`room${index}`), await token(index)),
  );
  await Bun.sleep(100);
  let messages = 0;
  let latencies: number[] = [];
  for (const client of clients) {
    const sentAt = Array.from({ length: inFlight }, () => performance.now());
    let next = 0;
    let rest = 0;
    client.onBytes = (bytes) => {
      rest += bytes;
      const came = Math.floor(rest / frameLength);
      rest -= came * frameLength;
      messages += came;
      const now = performance.now();
      for (let index = 0; index < came; index++) {
        if ((messages + index) % 16 === 0) latencies.push(now - (sentAt[next] ?? now));
        sentAt[next] = now;
        next = (next + 1) % inFlight;
        // Each message by itself, as from people, not as one large write.
        client.write(frame);
      }
    };
    for (let index = 0; index < inFlight; index++) client.write(frame);
  }
  await Bun.sleep(1500);
  messages = 0;
  latencies = [];
  const { seconds, used } = await during(served, 3000);
  const [count, sample] = [messages, latencies];
  end(clients);
  return {
    figure: count / seconds,
    lines: `${rate(count / seconds)} messages/s, ${(used / count).toFixed(2)} µs of CPU a message, ${latency(sample)}`,
  };
}

/** One room of 1,000, 4 senders, 4 messages in flight each. */
async function busyCrowd(served: Served): Promise<Result> {
  const senders = 4;
  const clients = await connectCrowd(served);
  let deliveries = 0;
  let latencies: number[] = [];
  for (const [index, client] of clients.entries()) {
    let rest = 0;
    let credit = 0;
    let sentAt = performance.now();
    client.onBytes = (bytes) => {
      rest += bytes;
      const came = Math.floor(rest / frameLength);
      rest -= came * frameLength;
      deliveries += came;
      if (index >= senders) return;
      credit += came;
      // Each sender sees the messages of all: one in four stands for his own.
      for (; credit >= senders; credit -= senders) {
        latencies.push((performance.now() - sentAt) / 4);
        sentAt = performance.now();
        client.write(frame);
      }
    };
  }
  for (const client of clients.slice(0, senders)) for (let index = 0; index < 4; index++) client.write(frame);
  await Bun.sleep(1500);
  deliveries = 0;
  latencies = [];
  const { seconds, used } = await during(served, 3000);
  const count = deliveries;
  end(clients);
  return {
    figure: count / seconds,
    lines: `${rate(count / seconds)} deliveries/s, ${(used / count).toFixed(2)} µs of CPU a delivery`,
  };
}

/** One room of 1,000, 80 messages a second. */
async function calmCrowd(served: Served): Promise<Result> {
  await warmUp(served);
  const clients = await connectCrowd(served);
  let deliveries = 0;
  const latencies: number[] = [];
  let sentAt = 0;
  let rest = 0;
  for (const client of clients) {
    client.onBytes = (bytes) => {
      deliveries += bytes / frameLength;
    };
  }
  const [sender, ...others] = clients;
  const last = others.at(-1);
  if (!sender || !last) throw new Error("nobody came");
  last.onBytes = (bytes) => {
    rest += bytes;
    deliveries += bytes / frameLength;
    if (rest >= frameLength) latencies.push(performance.now() - sentAt);
    rest %= frameLength;
  };
  const timer = setInterval(() => {
    sentAt = performance.now();
    sender.write(frame);
  }, 1000 / 80);
  await Bun.sleep(1000);
  deliveries = 0;
  const { used } = await during(served, 5000);
  const count = deliveries;
  clearInterval(timer);
  end(clients);
  return {
    figure: used / count,
    lines: `${(used / count).toFixed(2)} µs of CPU a delivery, ${latency(latencies)} to the last of ${crowd}`,
  };
}

/** Verify a token, check the membership, send the last 50 messages. */
async function connecting(): Promise<string[]> {
  const lines = ["connecting, with 50 messages of history, three rounds after a warm-up"];
  const run = async (served: Served, name: string, room: string, list: string[]) => {
    const before = cpu(served.pid);
    await each(list, 8, async (one) => (await connect(served.url, path(room), one)).end());
    await Bun.sleep(300);
    lines.push(`  ${name}: ${((cpu(served.pid) - before) / list.length).toFixed(0)} µs of CPU`);
  };
  const fresh = () => Promise.all(Array.from({ length: 3000 }, (_, index) => token(index % crowd)));
  const warm = await fresh();
  {
    await using served = await bare();
    await each([...warm, ...warm], 8, async (one) => (await connect(served.url, path("crowd"), one)).end());
    await run(served, "bare", "crowd", [...warm, ...warm]);
  }
  await using served = await parley();
  const writer = await connect(served.url, path("crowd"), await token(0));
  for (let index = 0; index < 60; index++) writer.write(frame);
  // To warm up, and to make the users known.
  for (let round = 0; round < 3; round++) {
    const list = await fresh();
    await each([...list, ...list], 8, async (one) => (await connect(served.url, path("crowd"), one)).end());
  }
  for (let round = 0; round < 3; round++) {
    const list = await fresh();
    await run(served, "fresh RS256 token", "crowd", list);
    await run(served, "token seen before", "crowd", [...list, ...list]);
  }
  return lines;
}

/** 15,000 connections that do nothing. */
async function idling(served: Served): Promise<Result> {
  const same = await token(0);
  const before = memory(served.pid);
  const clients = await each(Array.from({ length: idle }), 64, () =>
    connect(served.url, path("room0"), same),
  );
  await Bun.sleep(2000);
  const each1 = (memory(served.pid) - before) / clients.length;
  end(clients);
  return { figure: each1, lines: `${(each1 / 1024).toFixed(2)} KiB a connection at ${idle}` };
}

/** Both dialects under the same load, in turn. */
async function dialects(): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, work, size, inFlight, unit] of [
    ["send → ack, 64 rooms, one in flight", sendToAnswer, loneRooms, 1, "messages/s"],
    ["send → ack, 64 rooms, 16 in flight", sendToAnswer, loneRooms, 16, "messages/s"],
    ["fan-out, a room of 1,000, 4 senders", fanOut, crowd, 4, "deliveries/s"],
  ] as const) {
    const run = (speech: Speech) =>
      on(parley, async (served) => {
        const { clients, take } = await work(loadOf(served), speech, size, inFlight);
        await Bun.sleep(1500);
        take();
        const { seconds, used } = await during(served, 3000);
        const count = take();
        end(clients);
        const figure = count / seconds;
        return { figure, lines: `${rate(figure)} ${unit}, ${(used / count).toFixed(2)} µs of CPU each` };
      });
    const rounds: { ratio: number; was: Result; is: Result }[] = [];
    for (let round = 0; round < roundCount; round++) {
      const was = await run(classic);
      const is = await run(v2);
      rounds.push({ ratio: is.figure / was.figure, was, is });
    }
    rounds.sort((a, b) => a.ratio - b.ratio);
    const { ratio, was, is } = rounds[Math.floor(roundCount / 2)] as (typeof rounds)[number];
    const all = rounds.map((round) => round.ratio.toFixed(2)).join(", ");
    lines.push(`${name}: chat.v2 ${ratio.toFixed(2)} × classic (rounds: ${all})`);
    lines.push(`  classic: ${was.lines}`, `  chat.v2: ${is.lines}`);
  }
  return lines;
}

/** Everything of a room of 100,000 messages, one in ten of which was edited. */
async function resuming(): Promise<string[]> {
  await using served = await parley();
  await warmUp(served);
  const lines = [`resume of ${rate(long)} changes`];
  const last = long + long / 10;
  for (let round = 0; round < roundCount + 1; round++) {
    const { seconds, used, grown, bytes } = await resume(served, loadOf(served), "long", last);
    const [wall, core] = [rate(long / seconds), rate(long / (used / 1e6))];
    lines.push(
      `  ${wall} changes/s, ${core} a second of CPU, ${(bytes / 1e6).toFixed(0)} MB, RSS grew by ${(grown / 2 ** 20).toFixed(1)} MiB`,
    );
    await Bun.sleep(300);
  }
  return lines;
}

const loadOf = ({ url }: Served): Load => ({ url, path, token });

/** A server that has run for a while: what it does for a message is compiled by now. */
async function warmUp(served: Served): Promise<void> {
  const client = await connect(served.url, path("room0"), await token(0));
  let rest = 0;
  client.onBytes = (bytes) => {
    rest += bytes;
    for (; rest >= frameLength; rest -= frameLength) client.write(frame);
  };
  for (let index = 0; index < 16; index++) client.write(frame);
  await Bun.sleep(2000);
  client.end();
}

async function connectCrowd(served: Served): Promise<Client[]> {
  const members = Array.from({ length: crowd }, (_, index) => index);
  const clients = await each(members, 16, async (index) =>
    connect(served.url, path("crowd"), await token(index)),
  );
  await Bun.sleep(300);
  return clients;
}

/** How long it really was, in seconds, and the server's CPU in it, in microseconds. */
async function during(served: Served, milliseconds: number): Promise<{ seconds: number; used: number }> {
  const [start, before] = [performance.now(), cpu(served.pid)];
  await Bun.sleep(milliseconds);
  return { seconds: (performance.now() - start) / 1000, used: cpu(served.pid) - before };
}

function end(clients: readonly Client[]): void {
  for (const client of clients) client.end();
}

const rate = (value: number) => Math.round(value).toLocaleString("en");
const latency = (list: number[]) =>
  `p50 ${percentile(list, 0.5).toFixed(2)} ms, p99 ${percentile(list, 0.99).toFixed(2)} ms`;

const wanted = new Set(process.argv.slice(2));
const measured = async (name: string, work: () => Promise<string[]>) => {
  if (wanted.size > 0 && !wanted.has(name)) return;
  for (const line of await work()) console.log(line);
  console.log();
};

console.log(`${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Bun ${Bun.version}\n`);
await seed();
await measured("rooms", () => compare("64 rooms, 16 in flight", busyRooms));
await measured("crowd", () => compare("a room of 1,000, 4 senders", busyCrowd));
await measured("calm", () => compare("a room of 1,000, 80 messages a second", calmCrowd));
await measured("connect", connecting);
await measured("idle", () => compare("memory", idling));
await measured("dialects", dialects);
await measured("resume", resuming);
await measured("history", () => history(folder));
rmSync(folder, { recursive: true, force: true });
await issuer.stop(true);
process.exit(0);
