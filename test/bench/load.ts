import type { Socket } from "bun";

/** Raw TCP sockets and hand-made frames: a client that costs less than the server it measures. */

/** A masked text frame (RFC 6455, section 5.2) of a client. */
export function clientFrame(text: string): Uint8Array {
  const body = new TextEncoder().encode(text);
  if (body.length > 65_535) throw new Error("too long");
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  const head =
    body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 255];
  return Uint8Array.from([...head, ...mask, ...body.map((byte, index) => byte ^ (mask[index % 4] ?? 0))]);
}

/** Bytes of a server's text frame with a body of this length. */
export function serverFrameLength(body: number): number {
  return body + (body < 126 ? 2 : body < 65_536 ? 4 : 10);
}

interface State {
  /** Called once with the bytes after the 101, when at least one byte came. */
  opened: ((client: Client) => void) | undefined;
  head: string;
  client: Client;
}

export class Client {
  /** Called with the number of bytes of every chunk. */
  onBytes: (bytes: number, chunk: Buffer) => void = (_, chunk) => void this.#early.push(Buffer.from(chunk));
  readonly #early: Buffer[] = [];
  constructor(readonly socket: Socket<State>) {}

  write(bytes: Uint8Array): void {
    const written = this.socket.write(bytes);
    if (written < bytes.length) throw new Error("the server does not keep up with reading");
  }

  /** Takes everything that came since the upgrade's answer, and what comes from here on. */
  listen(onChunk: (chunk: Buffer) => void): void {
    for (const chunk of this.#early.splice(0)) onChunk(chunk);
    this.onBytes = (_, chunk) => onChunk(chunk);
  }

  end(): void {
    this.socket.terminate();
  }
}

const key = "dGhlIHNhbXBsZSBub25jZQ==";

/** Finds the frames in what a server sends, and says of each what its tenth byte is: enough to tell our frames apart. */
export function splitter(onFrame: (tenth: number, length: number) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let skip = 0;
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    rest = Buffer.alloc(0);
    let at = Math.min(skip, bytes.length);
    skip -= at;
    while (at < bytes.length) {
      const left = bytes.length - at;
      const short = left > 1 ? (bytes[at + 1] ?? 0) : 0;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left < head + Math.min(10, short)) {
        rest = Buffer.from(bytes.subarray(at));
        return;
      }
      let length = short;
      if (short === 126) length = bytes.readUInt16BE(at + 2);
      if (short === 127) length = Number(bytes.readBigUInt64BE(at + 2));
      onFrame(bytes[at + head + 9] ?? 0, length);
      const end = at + head + length;
      skip = Math.max(0, end - bytes.length);
      at = Math.min(end, bytes.length);
    }
  };
}

/** Connects, and resolves when the first frame has begun to come; `protocol` is one to offer. */
export function connect(
  url: URL,
  path: string,
  token: string | undefined,
  protocol?: string,
): Promise<Client> {
  const request = [
    `GET ${path} HTTP/1.1`,
    `Host: ${url.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    "\r\n",
  ].join("\r\n");
  return new Promise((resolve, reject) => {
    Bun.connect<State>({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        open(socket) {
          socket.data = { opened: resolve, head: "", client: new Client(socket) };
          socket.write(request);
        },
        data(socket, chunk) {
          const { data } = socket;
          if (!data.opened) {
            data.client.onBytes(chunk.length, chunk);
            return;
          }
          data.head += chunk.toString("latin1");
          const end = data.head.indexOf("\r\n\r\n");
          if (end < 0) return;
          if (!data.head.startsWith("HTTP/1.1 101")) {
            reject(new Error(data.head));
            return;
          }
          const early = data.head.length - end - 4;
          if (early === 0) return;
          data.client.onBytes(early, chunk.subarray(chunk.length - early));
          const { opened } = data;
          data.opened = undefined;
          data.head = "";
          opened(data.client);
        },
        close() {},
        error(_, error) {
          reject(error);
        },
      },
    }).catch(reject);
  });
}

/** Runs `work` for each item, some at a time. */
export async function each<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
