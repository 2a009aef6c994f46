import type { ServerFrame } from "../protocol/frames.ts";

/** A frame of the server; undefined for what is none, or lacks what the rest of the client relies on. */
export function readFrame(data: unknown): ServerFrame | undefined {
  let frame: Partial<Record<string, unknown>> | null;
  try {
    frame = JSON.parse(String(data)) as typeof frame;
  } catch {
    return undefined;
  }
  const messages =
    frame?.["type"] === "change"
      ? [frame["message"]]
      : frame?.["type"] === "changes" || frame?.["type"] === "hello"
        ? frame["messages"]
        : [];
  const sound = Array.isArray(messages) && messages.every((message) => Number.isInteger(message?.rev));
  return sound ? (frame as unknown as ServerFrame) : undefined;
}
