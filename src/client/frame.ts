import type { MessageBody, ServerFrame } from "../protocol/frames.ts";

/** A frame of the server; undefined for what is none, or lacks what the rest of the client relies on. */
export function readFrame(data: unknown): ServerFrame | undefined {
  let frame: Partial<Record<string, unknown>> | null;
  try {
    frame = JSON.parse(String(data)) as typeof frame;
  } catch {
    return undefined;
  }
  const { type, message, messages } = frame ?? {};
  let parts: unknown[] = [];
  if (type === "change") parts = [message];
  if (type === "hello" || type === "changes")
    parts = [frame, ...(Array.isArray(messages) ? messages : [undefined])];
  const sound = parts.every((part) => Number.isInteger((part as MessageBody | undefined)?.rev));
  return sound ? (frame as unknown as ServerFrame) : undefined;
}
