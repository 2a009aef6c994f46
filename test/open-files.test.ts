import { expect, test } from "bun:test";
import { join } from "node:path";

import { openFileLimit, OpenFiles } from "../src/open-files.ts";
import { connectClassic } from "./support/client.ts";
import { startIssuer } from "./support/issuer.ts";
import { RawConnection } from "./support/raw.ts";
import { seedDatabase, startServerProcess } from "./support/server-process.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { waitUntil } from "./support/wait.ts";

const MAX_OPEN_FILES = 400;
/** Files that plain HTTP must leave free. */
const RESERVED_FILES = 100;

const alice = "alice@example.com";

test("the limit of open files is found", () => {
  expect(openFileLimit()).toBeGreaterThan(100);
});

test("HTTP connections are closed while open files run short, so that WebSockets still get in", async () => {
  await using issuer = await startIssuer();
  using folder = temporaryFolder();
  const database = join(folder.path, "parley.db");
  await seedDatabase(database, { lobby: [alice] });
  const wrapper = ["/bin/sh", "-c", `ulimit -n ${MAX_OPEN_FILES}; exec "$@"`, "sh"];
  await using server = await startServerProcess({ issuer: issuer.issuer, database, wrapper });
  const { host } = server.url;
  const token = await issuer.sign(alice);

  const connections: RawConnection[] = [];
  let closed = 0;
  while (closed < 50 && connections.length < 2 * MAX_OPEN_FILES) {
    const raw = await RawConnection.open(host);
    connections.push(raw);
    raw.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    const { status, headers } = await raw.answer();
    expect(status).toBe(200);
    if (headers.get("connection") !== "close") {
      // The count of open files may be some milliseconds old.
      await Bun.sleep(1);
      continue;
    }
    closed++;
    await raw.ended;
  }
  expect(closed).toBe(50);
  const kept = connections.length - closed;
  expect(kept).toBeGreaterThan(100);
  expect(kept).toBeLessThanOrEqual(MAX_OPEN_FILES - RESERVED_FILES);
  const clients = await Promise.all(
    Array.from({ length: 50 }, () => connectClassic(host, "lobby", { token })),
  );
  for (const client of clients) await client.close();

  // With files to spare, connections are kept again.
  for (const raw of connections) raw.destroy();
  await waitUntil("a connection is kept", async () => {
    const { headers } = await fetch(new URL("/healthz", server.url));
    return headers.get("connection") !== "close";
  });
}, 20_000);

test("counting open files takes a small part of the time, however slow it is", () => {
  let counts = 0;
  const openFiles = new OpenFiles(1000, () => {
    counts++;
    Bun.sleepSync(10);
    return 950;
  });
  const end = performance.now() + 150;
  while (performance.now() < end) expect(openFiles.runShort()).toBe(true);
  expect(counts).toBe(1);
});
