import type { SessionFrame } from "../protocol/frames.ts";

/**
 * Parses a frame from the server. Returns undefined if it is not JSON, or if something that has a `rev` lacks it. Nothing
 * else is checked.
 */
export function parseFrame(data: unknown): SessionFrame | undefined {
  try {
    const frame = JSON.parse(String(data)) as SessionFrame;
    let versioned: readonly { rev: number }[] = [];
    if (frame.type === "hello" || frame.type === "rooms") versioned = frame.rooms;
    if (frame.type === "change") versioned = [frame.message];
    if (frame.type === "opened" || frame.type === "changes") versioned = [frame, ...frame.messages];
    return versioned.every(({ rev }) => Number.isInteger(rev)) ? frame : undefined;
  } catch {
    return undefined;
  }
}
