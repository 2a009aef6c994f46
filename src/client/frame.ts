import type { ServerFrame } from "../protocol/frames.ts";

/** A frame of the server; undefined for what is none, or lacks what the rest of the client relies on. */
export function readFrame(data: unknown): ServerFrame | undefined {
  let frame: Partial<Record<string, unknown>> | null;
  try {
    frame = JSON.parse(String(data)) as typeof frame;
  } catch {
    return undefined;
  }
  const type = frame?.["type"];
  let parts: unknown = [];
  if (type === "change") parts = [frame?.["message"]];
  if (type === "hello" || type === "changes") parts = [frame, ...[frame?.["messages"] ?? 0].flat()];
  const sound = Array.isArray(parts) && parts.every((part) => Number.isInteger(part?.rev));
  return sound ? (frame as unknown as ServerFrame) : undefined;
}
