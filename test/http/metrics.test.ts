import { expect, test } from "bun:test";

import { createMetrics } from "../../src/http/metrics.ts";
import { errorCodes } from "../../src/protocol/error-codes.ts";

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
