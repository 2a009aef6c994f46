import { createConnection, type Socket } from "node:net";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  opcode: number;
  payload: Buffer;
}

export interface FrameOptions {
  fin?: boolean;
  /** The three reserved bits. */
  reserved?: number;
  opcode?: number;
  masked?: boolean;
  /** The length that the header claims, always in its 64-bit form. */
  claim?: bigint;
}

/** A frame as it goes over the wire (RFC 6455, section 5.2), right or wrong. */
export function encodeFrame(payload: string | Uint8Array, options: FrameOptions = {}): Buffer {
  const { fin = true, reserved = 0, opcode = opcodes.text, masked = true, claim } = options;
  const bytes = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let head: Buffer;
  if (claim !== undefined || bytes.length > 0xffff) {
    head = Buffer.from([first, mask | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeBigUInt64BE(claim ?? BigInt(bytes.length), 2);
  } else if (bytes.length > 125) {
    head = Buffer.from([first, mask | 126, bytes.length >> 8, bytes.length & 0xff]);
  } else {
    head = Buffer.from([first, mask | bytes.length]);
  }
  if (!masked) return Buffer.concat([head, bytes]);
  const key = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  return Buffer.concat([head, key, bytes.map((byte, index) => byte ^ (key[index % 4] ?? 0))]);
}

/** A message in `classic`, as a client sends it. */
export const classicMessage = (text: string) => encodeFrame(JSON.stringify({ message: text }));

export interface Answer {
  status: number;
  headers: Map<string, string>;
}

/** A client made of nothing but a TCP connection: it sends what it is given, and answers nothing by itself. */
export class RawConnection {
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    // A connection that was reset is as good as ended.
    socket.on("error", () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const end = () => {
      this.#ended = true;
      this.#wake();
      resolve();
    };
    socket.on("end", end);
    socket.on("close", end);
  }

  static open(host: string): Promise<RawConnection> {
    const url = new URL(`http://${host}`);
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: url.hostname, port: Number(url.port) }, () =>
        resolve(new RawConnection(socket)),
      );
      socket.once("error", reject);
    });
  }

  write(...parts: (string | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** The head of an HTTP answer. */
  async answer(): Promise<Answer> {
    let end = this.#bytes.indexOf("\r\n\r\n");
    while (end === -1) {
      await this.#more();
      end = this.#bytes.indexOf("\r\n\r\n");
    }
    const [first = "", ...lines] = this.#take(end + 4)
      .toString("latin1")
      .trimEnd()
      .split("\r\n");
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    return { status: Number(first.split(" ")[1]), headers: new Map(headers) };
  }

  /** The body of an HTTP answer. */
  async body({ headers }: Answer): Promise<string> {
    return String(await this.#read(Number(headers.get("content-length") ?? 0)));
  }

  /** The next frame. Rejects when the connection ends first. */
  async frame(): Promise<Frame> {
    const head = await this.#read(2);
    const opcode = head.readUInt8(0) & 15;
    const short = head.readUInt8(1);
    let length = short;
    if (short === 126) length = (await this.#read(2)).readUInt16BE();
    if (short === 127) length = Number((await this.#read(8)).readBigUInt64BE());
    return { opcode, payload: await this.#read(length) };
  }

  /** The next frame, which must be text. */
  async next(): Promise<unknown> {
    const { opcode, payload } = await this.frame();
    if (opcode !== opcodes.text) throw new Error(`opcode ${opcode}: ${payload.toString("hex")}`);
    return JSON.parse(payload.toString()) as unknown;
  }

  /** How the server closes: the code and reason of its close frame, or undefined when it ends without one. */
  async close(): Promise<{ code: number; reason: string } | undefined> {
    for (;;) {
      const next = await this.frame().catch(() => undefined);
      if (!next) return undefined;
      const { opcode, payload } = next;
      if (opcode === opcodes.close)
        return { code: payload.readUInt16BE(), reason: String(payload.subarray(2)) };
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) await this.#more();
    return this.#take(length);
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error("the connection has ended");
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

/** The lines of a WebSocket handshake; a header that is undefined is left out. */
export function handshake(
  host: string,
  path: string,
  headers: Record<string, string | undefined> = {},
  method = "GET",
): string {
  const all: Record<string, string | undefined> = {
    host,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}`,
  );
  return [`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

async function openRaw(host: string, path: string, headers: Record<string, string>): Promise<RawConnection> {
  const raw = await RawConnection.open(host);
  raw.write(handshake(host, path, headers));
  const { status } = await raw.answer();
  if (status !== 101) throw new Error(`refused with ${status}`);
  return raw;
}

/** Connects to a room with `classic` and reads the history. */
export async function connectRawClassic(host: string, room: string, token: string): Promise<RawConnection> {
  const raw = await openRaw(host, `/ws/chat/${room}/`, { authorization: `Bearer ${token}` });
  await raw.next();
  return raw;
}

/** Connects to a room with `chat.v2`. The `hello` is still to be read. */
export async function connectRawV2(
  host: string,
  room: string,
  token: string,
  since?: number,
): Promise<RawConnection> {
  const query = since === undefined ? "" : `?since=${since}`;
  const headers = { authorization: `Bearer ${token}`, "sec-websocket-protocol": "chat.v2" };
  return openRaw(host, `/ws/chat/${room}/${query}`, headers);
}
