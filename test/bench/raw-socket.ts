import type { Socket } from "bun";

import { FrameReader, type OnFrame } from "./frames.ts";

export interface RawSocketOptions {
  path: string;
  token?: string;
  /** Subprotocol to offer. */
  protocol?: string | undefined;
}

const UPGRADED = "HTTP/1.1 101";

/** A WebSocket client on a bare TCP socket, which costs less than the server that it measures. */
export class RawSocket {
  /** Bytes received after the upgrade. */
  bytesRead = 0;
  /** Called with each frame that was received. */
  onFrame: OnFrame | undefined;
  /** Called after each chunk, when its frames were reported. */
  onChunk: ((chunk: Uint8Array) => void) | undefined;
  #reader: FrameReader | undefined = new FrameReader();
  #pauseAfterChunk = false;

  private constructor(private readonly socket: Socket<Connecting>) {}

  /** Connects, and resolves when the first frame has begun to arrive. */
  static connect(url: URL, { path, token, protocol }: RawSocketOptions): Promise<RawSocket> {
    const request = [
      `GET ${path} HTTP/1.1`,
      `Host: ${url.host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
      ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
      "\r\n",
    ].join("\r\n");
    return new Promise((resolve, reject) => {
      Bun.connect<Connecting>({
        hostname: url.hostname,
        port: Number(url.port),
        socket: {
          open(socket) {
            const client = new RawSocket(socket);
            client.onFrame = () => resolve(client);
            socket.data = { client, response: "", upgraded: false };
            socket.write(request);
          },
          data(socket, chunk) {
            const { data } = socket;
            if (data.upgraded) {
              data.client.#receive(chunk);
              return;
            }
            data.response += chunk.toString("latin1");
            const end = data.response.indexOf("\r\n\r\n");
            if (end < 0) return;
            if (!data.response.startsWith(UPGRADED)) reject(new Error(data.response));
            data.upgraded = true;
            const early = data.response.length - end - 4;
            data.response = "";
            if (early > 0) data.client.#receive(chunk.subarray(chunk.length - early));
          },
          close: () => reject(new Error("the connection was closed before the first frame")),
          error: (_, error) => reject(error),
        },
      }).catch(reject);
    });
  }

  #receive(chunk: Uint8Array): void {
    this.bytesRead += chunk.length;
    if (this.#pauseAfterChunk) this.socket.pause();
    this.#reader?.push(chunk, this.#report);
    this.onChunk?.(chunk);
  }

  readonly #report: OnFrame = (bytes, start, size) => this.onFrame?.(bytes, start, size);

  write(bytes: Uint8Array): void {
    const written = this.socket.write(bytes);
    if (written < bytes.length) throw new Error("the server does not read as fast as the generator writes");
  }

  /** From now on counts bytes without looking at them, and reads one chunk for each call of `readChunk`. */
  countBytes(): void {
    this.#reader = undefined;
    this.#pauseAfterChunk = true;
    this.socket.pause();
  }

  readChunk(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.terminate();
  }
}

interface Connecting {
  client: RawSocket;
  response: string;
  upgraded: boolean;
}

const READ_INTERVAL_MS = 50;

/**
 * Reads sockets that count bytes in turns, each every `READ_INTERVAL_MS`. Reading a socket as soon as it is readable
 * would cost the generator as much as the server pays for sending; read in turns, a thousand busy readers leave most of
 * its core idle. What waits meanwhile fits into the kernel's buffers.
 */
export function readInTurns(sockets: readonly RawSocket[]): Disposable {
  for (const socket of sockets) socket.countBytes();
  const perTick = Math.ceil(sockets.length / READ_INTERVAL_MS);
  let next = 0;
  const timer = setInterval(() => {
    for (let index = 0; index < perTick; index++) sockets[next++ % sockets.length]?.readChunk();
  }, 1);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
