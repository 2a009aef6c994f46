/** A client's text frame (RFC 6455, section 5.2), masked. */
export function clientFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  if (payload.length > 65_535) throw new Error("the text is too long");
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  const length = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 255];
  const header = [0x81, 0x80 | (length[0] ?? 0), ...length.slice(1), ...mask];
  return Uint8Array.from([...header, ...payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))]);
}

/**
 * Called with each frame: its payload starts at `start` in `bytes`, of which at least the first `HEAD_BYTES` are there.
 * `size` is the whole frame's, header included.
 */
export type OnFrame = (bytes: Uint8Array, start: number, size: number) => void;

/** Enough of a payload to tell frames apart. */
export const HEAD_BYTES = 256;

/** Splits what a server sends into frames (RFC 6455, section 5.2), without copying payloads. */
export class FrameReader {
  /** The beginning of a frame whose head was not complete. */
  #rest: Uint8Array = new Uint8Array();
  /** Bytes that are still to come of a frame that was reported. */
  #skip = 0;

  push(chunk: Uint8Array, onFrame: OnFrame): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = new Uint8Array();
    let at = this.#skip;
    while (at < bytes.length) {
      const short = bytes[at + 1] ?? 127;
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      let length = short;
      if (short >= 126) {
        length = 0;
        for (let index = at + 2; index < at + header; index++) length = length * 256 + (bytes[index] ?? 0);
      }
      if (bytes.length - at < header + (length < HEAD_BYTES ? length : HEAD_BYTES)) {
        this.#rest = bytes.slice(at);
        this.#skip = 0;
        return;
      }
      onFrame(bytes, at + header, header + length);
      at += header + length;
    }
    this.#skip = at - bytes.length;
  }
}

/** The payloads of complete frames, as text. */
export function readFrames(bytes: Uint8Array): string[] {
  const frames: string[] = [];
  const decoder = new TextDecoder();
  new FrameReader().push(bytes, (all, start, size) => {
    const header = size < 128 ? 2 : size < 65_540 ? 4 : 10;
    frames.push(decoder.decode(all.subarray(start, start + size - header)));
  });
  return frames;
}
