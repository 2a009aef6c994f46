import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { callApi } from "./support/api.ts";
import { connectClassic, refusal } from "./support/client.ts";
import { type Issuer, startIssuer } from "./support/issuer.ts";
import { encodeFrame, handshake, opcodes, openRaw, RawConnection } from "./support/raw.ts";
import { seedDatabase, startServerProcess } from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const alice = "alice@example.com";
/** A C1 control sequence, a bidirectional override, an escape sequence and a line separator. */
const hostile = "\u009b31m\u202e\u001b[2J\u2028";

test("what clients send reaches the log of the process escaped, and no line is long", async () => {
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice] });
  await using server = await startServerProcess({ issuer: issuer.issuer, database });
  const { host, origin: url } = server.url;
  const token = await issuer.sign(alice, { claims: { sub: `alice${hostile}`, name: `Alice${hostile}` } });

  const longPath = `/${"a".repeat(14_000)}`;
  expect((await callApi({ url }, `GET ${longPath}`)).status).toBe(404);
  expect((await callApi({ url }, `GET /${encodeURIComponent(hostile)}`)).status).toBe(404);
  const protocols = ["classic", `bearer.${token}`];
  // Headers are read as Latin-1, so that a byte can be a C1 control character.
  const origin = "https://evil.example\u009b31m\u0085";
  const raw = await RawConnection.open(host);
  const headers = { origin, "sec-websocket-protocol": protocols.join(", ") };
  raw.write(Buffer.from(handshake(host, "/ws/chat/lobby/", headers), "latin1"));
  expect((await raw.answer()).status).toBe(403);
  raw.destroy();
  const { status } = await refusal(connectClassic(host, "lobby", { token: `${token}x` }));
  expect(status).toBe(401);

  const client = await openRaw("classic", host, "lobby", token);
  await client.next();
  const reason = Buffer.concat([Buffer.from([0x0f, 0xa1]), Buffer.from(`bye${hostile}`)]);
  client.write(encodeFrame(reason, { opcode: opcodes.close }));
  await client.close();
  client.destroy();
  await server.waitForOutput(/"reason":"bye/);
  server.kill("SIGTERM");
  const { stdout } = await server.ended;

  const lines = stdout.trimEnd().split("\n");
  for (const line of lines) {
    expect(line).toMatch(/^[\x20-\x7e…]+$/);
    expect(line.length).toBeLessThan(1000);
  }
  // It is all there, for those who read the log as JSON.
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries).toContainEqual(
    expect.objectContaining({ status: 404, path: `${longPath.slice(0, 299)}…` }),
  );
  expect(entries).toContainEqual(expect.objectContaining({ code: "forbidden", origin }));
  expect(entries).toContainEqual(
    expect.objectContaining({ user: `alice${hostile}`, reason: `bye${hostile}`, code: 4001 }),
  );
});
