import { Counter, Gauge, Registry } from "prom-client";

import { errorCodes } from "../protocol/error-codes.ts";

/** Close codes with a label of their own. A client may send any code, and the number of labels must stay small. */
const KNOWN_CLOSE_CODES = new Set<number>([
  1000,
  1001,
  1002,
  1005,
  1006,
  1007,
  ...Object.values(errorCodes).map(({ close }) => close),
]);

/** Metrics for Prometheus. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const labelled = (name: string, help: string, label: string) =>
    new Counter({ name, help, labelNames: [label], registers });
  const connections = new Gauge({
    name: "parley_connections",
    help: "Open WebSocket connections.",
    registers,
  });
  const closes = labelled(
    "parley_closes_total",
    "Closed connections by close code. 1006: without a close frame. other: a code that only clients use.",
    "code",
  );
  return {
    registry,
    connections,
    messages: counter("parley_messages_total", "Messages stored."),
    changes: labelled(
      "parley_changes_total",
      "Stored changes of existing messages: edited, deleted, reacted.",
      "kind",
    ),
    historyFailures: counter(
      "parley_history_failures_total",
      "Connections that started with an empty history because it could not be read.",
    ),
    commitFailures: counter("parley_commit_failures_total", "Batches of messages that could not be stored."),
    refusals: labelled("parley_refusals_total", "Refused requests, upgrades and frames by code.", "code"),
    pushes: labelled(
      "parley_pushes_total",
      "Web pushes by outcome: sent, gone (the subscription has ended), refused, unwanted (read meanwhile), failed, dropped (too many).",
      "outcome",
    ),
    countClose: (code: number) => closes.inc({ code: KNOWN_CLOSE_CODES.has(code) ? code : "other" }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
