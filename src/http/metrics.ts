import { Counter, Gauge, Registry } from "prom-client";

/** What Parley counts, in the Prometheus text format. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const connections = new Gauge({
    name: "parley_connections",
    help: "Open WebSocket connections.",
    registers,
  });
  return {
    registry,
    connections,
    messages: counter("parley_messages_total", "Messages stored."),
    changes: new Counter({
      name: "parley_changes_total",
      help: "Changes stored to messages that were there: edited, deleted, reacted.",
      labelNames: ["kind"],
      registers,
    }),
    historyFailures: counter(
      "parley_history_failures_total",
      "Connections that got an empty history, since it could not be read.",
    ),
    commitFailures: counter("parley_commit_failures_total", "Batches of messages that could not be stored."),
    closes: new Counter({
      name: "parley_closes_total",
      help: "Connections that ended, by close code; 1006 without a handshake, as of a peer that was cut.",
      labelNames: ["code"],
      registers,
    }),
    refusals: new Counter({
      name: "parley_refusals_total",
      help: "Requests, upgrades and frames that were refused, by code.",
      labelNames: ["code"],
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
