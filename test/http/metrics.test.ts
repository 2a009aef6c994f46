import { expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { connectRaw, encodeFrame, opcodes } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const alice = "alice@example.com";
const server = useServer();

test("counters and gauges in the format of Prometheus", async () => {
  await using parley = await server.startAnother();
  const room = await parley.createRoom([alice]);
  const raw = await connectRaw("classic", parley.host, room, await server.token(alice));
  for (const frame of ['{"message":"one"}', "{}"]) {
    raw.write(encodeFrame(frame));
    await raw.next();
  }
  const { text, headers } = await callApi(parley, "GET /metrics");
  expect(headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  for (const line of [
    "parley_connections 1",
    "parley_messages_total 1",
    'parley_refusals_total{code="invalid_message"} 1',
    "parley_history_failures_total 0",
    "parley_commit_failures_total 0",
  ])
    expect(text.split("\n")).toContain(line);
  raw.destroy();
});

test("close codes that a client makes up are counted as other, known ones by their number", async () => {
  const room = await server.createRoom([alice]);
  const token = await server.token(alice);
  const before = await server.metric('parley_closes_total{code="1000"}');
  for (const code of [1000, 3000, 3333, 4001, 4999]) {
    const raw = await connectRaw("classic", server.host, room, token);
    raw.write(encodeFrame(Buffer.from([code >> 8, code & 0xff]), { opcode: opcodes.close }));
    await raw.close();
    raw.destroy();
  }
  const metric = (code: string) => server.metric(`parley_closes_total{code="${code}"}`);
  await waitUntil("all are counted", async () => (await metric("other")) === 4);
  expect(await metric("1000")).toBe(before + 1);
  for (const code of ["3000", "3333", "4001", "4999"]) expect(await metric(code)).toBe(0);
});
