/** Frames, and bytes in them, that may wait until the server has sent its first frame. */
const MAX_QUEUED_FRAMES = 64;
const MAX_QUEUED_BYTES = 262_144;

/** Frames of a client that cannot be handled yet. */
export class FrameQueue {
  #frames: (string | Buffer)[] = [];
  #bytes = 0;

  /** Returns false when the queue is full. */
  push(frame: string | Buffer): boolean {
    this.#bytes += frame.length;
    if (this.#frames.length >= MAX_QUEUED_FRAMES || this.#bytes > MAX_QUEUED_BYTES) return false;
    this.#frames.push(frame);
    return true;
  }

  /** Removes and returns all frames. */
  take(): readonly (string | Buffer)[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }
}
