import type { Socket } from "bun";

/** A direction of a connection: bytes arrive later, and one after the other. */
class Lane {
  #freeAt = 0;

  constructor(
    private readonly latencyMs: number,
    private readonly bytesPerMs: number,
  ) {}

  send(bytes: Uint8Array, write: (bytes: Uint8Array) => void): void {
    const sentAt = Math.max(performance.now(), this.#freeAt) + bytes.length / this.bytesPerMs;
    this.#freeAt = sentAt;
    setTimeout(write, sentAt + this.latencyMs - performance.now(), Uint8Array.from(bytes));
  }
}

interface Link {
  server?: Socket;
  step: "greeting" | "address" | "open";
}

/** "Fast 3G", as Chromium's developer tools have it. */
const ROUND_TRIP_MS = 562.5;
const DOWN_BYTES_PER_MS = 180;
const UP_BYTES_PER_MS = 84;

/**
 * A SOCKS proxy (RFC 1928) with the latency and the bandwidth of Chromium's "Fast 3G". Unlike the emulation of the developer
 * tools, it also slows down service workers and WebSockets. Connections are made without delay, as in theirs.
 */
export function startSlowNetwork(): { url: string; stop: () => void } {
  const down = new Lane(ROUND_TRIP_MS / 2, DOWN_BYTES_PER_MS);
  const up = new Lane(ROUND_TRIP_MS / 2, UP_BYTES_PER_MS);
  const listener = Bun.listen<Link>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(client) {
        client.data = { step: "greeting" };
      },
      async data(client, bytes) {
        const link = client.data;
        if (link.step === "greeting") {
          link.step = "address";
          client.write(Uint8Array.of(5, 0));
        } else if (link.step === "address") {
          const port = bytes.readUInt16BE(bytes.length - 2);
          link.server = await Bun.connect({
            hostname: "127.0.0.1",
            port,
            socket: {
              data(_, answer) {
                down.send(answer, (late) => client.write(late));
              },
              close() {
                setTimeout(() => client.end(), ROUND_TRIP_MS);
              },
            },
          });
          link.step = "open";
          client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
        } else {
          up.send(bytes, (late) => link.server?.write(late));
        }
      },
      close({ data }) {
        data.server?.end();
      },
    },
  });
  return { url: `socks5://127.0.0.1:${listener.port}`, stop: () => listener.stop(true) };
}
