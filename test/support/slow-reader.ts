import { readFileSync } from "node:fs";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import type { V2Client } from "./client.ts";
import type { RawConnection } from "./raw.ts";
import { waitUntil } from "./wait.ts";

/** Whether the kernel's queues can be looked at. */
export const linux = process.platform === "linux";

/** A port, as it stands in /proc/net/tcp. */
const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, "0");

/** Bytes on their way that have left both programs: those in the kernel's two buffers of a loopback connection. */
export function inKernel(raw: RawConnection): number {
  const { localPort, remotePort } = raw.socket;
  const [client, server] = [hex(localPort), hex(remotePort)];
  let bytes = 0;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", , queues = ""] = line.trim().split(/\s+/);
    const [sending = "0", receiving = "0"] = queues.split(":");
    if (local.endsWith(`:${server}`) && remote.endsWith(`:${client}`)) bytes += Number.parseInt(sending, 16);
    if (local.endsWith(`:${client}`) && remote.endsWith(`:${server}`))
      bytes += Number.parseInt(receiving, 16);
  }
  return bytes;
}

/** Resolves when a paused reader's queues have stopped growing, with what is in them. */
export async function still(raw: RawConnection): Promise<number> {
  const seen: number[] = [];
  await waitUntil("the server stands still", async () => {
    await Bun.sleep(20);
    seen.push(inKernel(raw));
    return seen.length > 10 && seen.slice(-10).every((bytes) => bytes === seen.at(-1));
  });
  return seen.at(-1) ?? 0;
}

/** Long, so that what the kernel's buffers take is soon said. */
export const filler = "x".repeat(60_000);

/** Says long things until so many bytes wait in the server for a reader who stands still. */
export async function crowd(reader: RawConnection, writer: V2Client, bytes: number): Promise<void> {
  let said = 0;
  const enough = async () => {
    await Promise.all([1, 2, 3, 4].map(() => writer.say(filler)));
    said += 4 * filler.length;
    return said - inKernel(reader) > bytes;
  };
  await waitUntil("enough waits", enough, 20_000);
}

/** Frames until one matches, that one included. */
export async function upTo(
  raw: RawConnection,
  matches: (frame: ServerFrame) => boolean,
): Promise<ServerFrame[]> {
  const frames: ServerFrame[] = [];
  for (;;) {
    const frame = (await raw.next()) as ServerFrame;
    frames.push(frame);
    if (matches(frame)) return frames;
  }
}

/** Matches the notice that somebody came or went. */
export const presence = (email: string, online: boolean) => (frame: ServerFrame) =>
  frame.type === "presence" && frame.user.email === email && frame.online === online;

/** Takes note of who is online. */
export function noteOnline(known: Set<string | null>, frame: ServerFrame): void {
  if (frame.type === "hello") for (const { email } of frame.online) known.add(email);
  if (frame.type === "presence" && frame.online) known.add(frame.user.email);
  if (frame.type === "presence" && !frame.online) known.delete(frame.user.email);
}
