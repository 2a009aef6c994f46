import type { ServerFrame } from "../protocol/frames.ts";

/**
 * Parses a frame from the server. Returns undefined if it is not JSON, or if a message that `History` would store has no
 * `rev`. Nothing else is checked.
 */
export function parseFrame(data: unknown): ServerFrame | undefined {
  try {
    const frame = JSON.parse(String(data)) as ServerFrame;
    let versioned: { rev: number }[] = [];
    if (frame.type === "change") versioned = [frame.message];
    if (frame.type === "hello" || frame.type === "changes") versioned = [frame, ...frame.messages];
    return versioned.every(({ rev }) => Number.isInteger(rev)) ? frame : undefined;
  } catch {
    return undefined;
  }
}
