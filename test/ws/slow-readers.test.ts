import { expect, test } from "bun:test";

import { connectClassic } from "../support/client.ts";
import { connectRaw, encodeFrame, opcodes } from "../support/raw.ts";
import { useServer } from "../support/server.ts";
import { waitUntil } from "../support/wait.ts";

const server = useServer();
const { token } = server;

const [slow, sender, reader] = ["slow@example.com", "sender@example.com", "reader@example.com"] as const;

/** A room on a server of its own, so that its connections can be counted. */
async function start() {
  const parley = await server.startAnother({ env: { PARLEY_MESSAGE_RATE: "0", PARLEY_MAX_TEXT: "0" } });
  const room = await parley.createRoom([slow, sender, reader]);
  return {
    connect: async (email: string) => connectClassic(parley.host, room, { token: await token(email) }),
    connectRaw: async (email: string) => connectRaw("classic", parley.host, room, await token(email)),
    connections: () => parley.metric("parley_connections"),
    [Symbol.asyncDispose]: () => parley[Symbol.asyncDispose](),
  };
}

test("a reader for whom more than 1 MiB waits is cut, and the others receive everything", async () => {
  await using at = await start();
  const stalled = await at.connectRaw(slow);
  const [from, to] = [await at.connect(sender), await at.connect(reader)];
  stalled.socket.pause();
  const filler = "x".repeat(60_000);
  expect(await at.connections()).toBe(3);
  let sent = 0;
  // The kernel's buffers take some megabytes first.
  await waitUntil("the reader is cut", async () => {
    const message = `${sent++} ${filler}`;
    from.send({ message });
    expect(await to.next()).toEqual({ message });
    await from.next();
    return sent % 10 === 0 && (await at.connections()) === 2;
  });
  expect(sent * filler.length).toBeGreaterThan(1 << 20);
  from.send({ message: "last" });
  expect(await to.next()).toEqual({ message: "last" });
  stalled.socket.resume();
  expect(await stalled.close()).toBeUndefined();
}, 20_000);

test.each([
  ["pings", encodeFrame("x".repeat(125), { opcode: opcodes.ping })],
  ["bad frames", encodeFrame("{}")],
])(
  "a client that sends %s and never reads the answers is cut",
  async (_, frame) => {
    await using at = await start();
    const raw = await at.connectRaw(slow);
    raw.socket.pause();
    const block = Buffer.concat(Array.from({ length: 500 }, () => frame));
    await waitUntil("the client is cut", async () => {
      if (raw.socket.writableLength < 1 << 22) raw.write(block);
      return (await at.connections()) === 0;
    });
    raw.destroy();
  },
  20_000,
);
