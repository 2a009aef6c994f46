import { readFileSync } from "node:fs";

import type { V2Client, V2Frame } from "./client.ts";
import type { RawConnection } from "./raw.ts";
import { waitUntil } from "./wait.ts";

/** Whether the kernel shows what its socket buffers hold. */
export const isLinux = process.platform === "linux";

/** A port as it is written in /proc/net/tcp. */
const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, "0");

/** Bytes from the server that are in the kernel's two buffers of a loopback connection. */
export function kernelBytes(raw: RawConnection): number {
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

/** Waits until the kernel's buffers for a paused reader have stopped growing. Returns the bytes in them. */
export async function settledKernelBytes(raw: RawConnection): Promise<number> {
  const seen: number[] = [];
  await waitUntil("the kernel's buffers stop growing", async () => {
    await Bun.sleep(20);
    seen.push(kernelBytes(raw));
    return seen.length > 10 && seen.slice(-10).every((bytes) => bytes === seen.at(-1));
  });
  return seen.at(-1) ?? 0;
}

/** Long, so that the kernel's buffers are soon full. */
export const LONG_TEXT = "x".repeat(60_000);

/** Sends long messages until so many bytes wait in the server for a paused reader. */
export async function fillSendBuffer(reader: RawConnection, writer: V2Client, bytes: number): Promise<void> {
  let sent = 0;
  const isFull = async () => {
    await Promise.all([1, 2, 3, 4].map(() => writer.say(LONG_TEXT)));
    sent += 4 * LONG_TEXT.length;
    return sent - kernelBytes(reader) > bytes;
  };
  await waitUntil("enough bytes wait", isFull, 20_000);
}

/** Frames up to the first that matches, which is included. */
export async function readUntil(
  raw: RawConnection,
  matches: (frame: V2Frame) => boolean,
): Promise<V2Frame[]> {
  const frames: V2Frame[] = [];
  for (;;) {
    const frame = (await raw.next()) as V2Frame;
    frames.push(frame);
    if (matches(frame)) return frames;
  }
}

/** Matches the notice that a user came or went. */
export const isPresence = (email: string, online: boolean) => (frame: V2Frame) =>
  frame.type === "presence" && frame.user.email === email && frame.online === online;

/** Applies a frame to a set of the emails that are online. */
export function trackOnline(online: Set<string | null>, frame: V2Frame): void {
  if (frame.type === "hello") for (const { email } of frame.online) online.add(email);
  if (frame.type === "presence" && frame.online) online.add(frame.user.email);
  if (frame.type === "presence" && !frame.online) online.delete(frame.user.email);
}
