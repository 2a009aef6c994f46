import { expect, test } from "bun:test";

import { createMetrics } from "../../src/http/metrics.ts";
import { errorCodes } from "../../src/protocol/error-codes.ts";
import { callApi } from "../support/api.ts";
import { connectRaw, encodeFrame } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

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

test("close codes of the protocol are labels; all others share one, however many clients send", async () => {
  const metrics = createMetrics();
  const known = [1000, 1001, 1006, ...Object.values(errorCodes).map(({ close }) => close)];
  for (const code of known) metrics.countClose(code);
  for (let code = 3000; code < 4000; code++) metrics.countClose(code);
  metrics.countClose(4999);
  const text = await metrics.registry.metrics();
  const labels = [...text.matchAll(/parley_closes_total\{code="(\w+)"\}/g)].map(([, label]) => label);
  expect(new Set(labels)).toEqual(new Set([...known.map(String), "other"]));
  expect(text).toContain('parley_closes_total{code="other"} 1001');
});
