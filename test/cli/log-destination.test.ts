import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { LogDestination } from "../../src/cli/log-destination.ts";
import { openPipe } from "../support/pipe.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait.ts";

const line = (n: number) => `{"msg":"line ${n}"}\n`;
const lines = (count: number) => Array.from({ length: count }, (_, n) => line(n));

test("lines arrive in order, without being asked for", async () => {
  using pipe = openPipe();
  const destination = new LogDestination(pipe.writer);
  for (const text of lines(100)) destination.write(text);
  let read = "";
  await waitUntil("all lines have arrived", () => (read += pipe.read()) === lines(100).join(""));
});

test("a flush that found nothing to do does not keep later lines from being written", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "log");
  const fd = openSync(path, "a");
  const destination = new LogDestination(fd);
  await destination.flush();
  destination.write(line(1));
  await destination.flush();
  destination.write(line(2));
  await destination.flush();
  expect(readFileSync(path, "utf8")).toBe(line(1) + line(2));
  closeSync(fd);
});

test("a reader who stops reading holds up nobody; at most 1 MiB waits for them, and what is dropped is counted", async () => {
  using pipe = openPipe();
  pipe.fill();
  const destination = new LogDestination(pipe.writer);
  const long = `${"x".repeat(1023)}\n`;
  for (let n = 0; n < 3000; n++) destination.write(long);
  const begin = performance.now();
  await destination.end(50);
  expect(performance.now() - begin).toBeLessThan(2000);

  let read = "";
  await waitUntil("the reader has caught up", () => (read += pipe.read()).includes("dropped"));
  const received = read.split("\n").filter((text) => text.startsWith("x"));
  expect(received).toHaveLength(1024);
  const notice = read.split("\n").find((text) => text.includes("dropped"));
  expect(JSON.parse(notice ?? "")).toEqual({
    level: 40,
    time: expect.any(String),
    dropped: 3000 - 1024,
    msg: "log lines dropped",
  });

  destination.write(line(1));
  await destination.flush();
  expect(pipe.read()).toBe(line(1));
});

test("lines are whole and in order on a pipe that does not block its writers", async () => {
  using pipe = openPipe();
  const destination = new LogDestination(pipe.nonBlockingWriter);
  for (const text of lines(20_000)) destination.write(text);
  let read = "";
  await waitUntil(
    "all lines have arrived",
    () => (read += pipe.read()).length >= lines(20_000).join("").length,
  );
  expect(read).toBe(lines(20_000).join(""));
});

test("a reader who is gone holds up nobody", async () => {
  using pipe = openPipe();
  pipe.closeReader();
  const destination = new LogDestination(pipe.writer);
  for (const text of lines(10_000)) destination.write(text);
  const begin = performance.now();
  await destination.end(60_000);
  for (const text of lines(10_000)) destination.write(text);
  await destination.end(60_000);
  expect(performance.now() - begin).toBeLessThan(4000);
});
