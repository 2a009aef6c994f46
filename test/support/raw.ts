import { createConnection, type Socket } from "node:net";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { type Dialect, errorCodeOf, textOf } from "./client.ts";

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

/** A frame as it goes over the wire (RFC 6455, section 5.2), valid or not. */
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

/** A frame that sends a message, as its JSON. */
export function messageJson(dialect: Dialect, text: string, id = "1"): string {
  return JSON.stringify(dialect === "classic" ? { message: text } : { type: "send", id, text });
}

export function encodeText(dialect: Dialect, text: string, id?: string): Buffer {
  return encodeFrame(messageJson(dialect, text, id));
}

export interface Answer {
  status: number;
  headers: Map<string, string>;
}

/** A TCP connection that sends what it is given and answers nothing by itself. */
export class RawConnection {
  /** What was received and not read. */
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #ended = false;
  #wake: () => void = () => undefined;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;

  private constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
    // A reset ends the connection, too.
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

  /** The status and headers of the next HTTP answer. */
  async answer(): Promise<Answer> {
    let end = this.#merge().indexOf("\r\n\r\n");
    while (end === -1) {
      await this.#more();
      end = this.#merge().indexOf("\r\n\r\n");
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

  /** The body of an HTTP answer with a Content-Length. */
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

  /** The text of the next frame. Pings are skipped. Rejects for any other frame. */
  async nextPayload(): Promise<string> {
    let { opcode, payload } = await this.frame();
    while (opcode === opcodes.ping) ({ opcode, payload } = await this.frame());
    if (opcode !== opcodes.text) throw new Error(`opcode ${opcode}: ${payload.toString("hex")}`);
    return payload.toString();
  }

  /** The next frame, as JSON. */
  async next(): Promise<unknown> {
    return JSON.parse(await this.nextPayload()) as unknown;
  }

  /** The next frame of these types in `chat.v2`. Others are dropped. */
  async nextOf<T extends ServerFrame["type"]>(...types: T[]): Promise<Extract<ServerFrame, { type: T }>> {
    for (;;) {
      const frame = (await this.next()) as ServerFrame;
      if (isOneOf(frame, types)) return frame;
    }
  }

  /** The text of the next new message, or the code of the next error, in either dialect. Other frames are dropped. */
  async nextTextOrCode(): Promise<string> {
    for (;;) {
      const frame = (await this.next()) as ServerFrame;
      const found = textOf(frame) ?? errorCodeOf(frame);
      if (found !== undefined) return found;
    }
  }

  /** The code and reason of the server's close frame; undefined when the connection ends without one. */
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
    while (this.#length < length) await this.#more();
    return this.#take(length);
  }

  #take(length: number): Buffer {
    let [first = Buffer.alloc(0)] = this.#chunks;
    if (first.length < length) first = this.#merge();
    const rest = first.subarray(length);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.#length -= length;
    return first.subarray(0, length);
  }

  /** Everything that was received, as one chunk. */
  #merge(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks.splice(0, this.#chunks.length, all);
    return all;
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error("the connection has ended");
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

function isOneOf<T extends ServerFrame["type"]>(
  frame: ServerFrame,
  types: readonly T[],
): frame is Extract<ServerFrame, { type: T }> {
  return types.some((type) => type === frame.type);
}

/** The lines of a WebSocket handshake. A header that is undefined is left out. */
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

/** Connects to a room and resolves after the 101. The first frame is still to be read. */
export async function openRaw(
  dialect: Dialect,
  host: string,
  room: string,
  token: string,
  since?: number,
): Promise<RawConnection> {
  const raw = await RawConnection.open(host);
  const query = since === undefined ? "" : `?since=${since}`;
  const headers = { authorization: `Bearer ${token}`, "sec-websocket-protocol": dialect };
  raw.write(handshake(host, `/ws/chat/${room}/${query}`, headers));
  const { status } = await raw.answer();
  if (status !== 101) throw new Error(`refused with ${status}`);
  return raw;
}

/** As `openRaw`, and reads the first frame. */
export async function connectRaw(
  dialect: Dialect,
  host: string,
  room: string,
  token: string,
): Promise<RawConnection> {
  const raw = await openRaw(dialect, host, room, token);
  await raw.next();
  return raw;
}
