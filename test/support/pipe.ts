import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";

import { temporaryFolder } from "./temporary-folder.ts";

/** A pipe whose reader is the test. */
export interface Pipe extends Disposable {
  /** For a child process to write to. */
  writer: number;
  /** As `writer`, for writes that fail with EAGAIN where they would have to wait. */
  nonBlockingWriter: number;
  /** What is in the pipe now, 64 KiB at most. */
  read(): string;
  /** Leaves no room in the pipe, as a reader does who has stopped reading. */
  fill(): void;
  /** Writers get EPIPE from now on. */
  closeReader(): void;
}

export function openPipe(): Pipe {
  const folder = temporaryFolder();
  const path = join(folder.path, "pipe");
  const { exitCode, stderr } = Bun.spawnSync(["mkfifo", path]);
  if (exitCode !== 0) throw new Error(String(stderr));
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  const nonBlockingWriter = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(1 << 16);
  const decoder = new TextDecoder();
  const open = new Set([reader, writer, nonBlockingWriter]);
  const close = (fd: number) => open.delete(fd) && closeSync(fd);
  return {
    writer,
    nonBlockingWriter,
    read() {
      const size = untilBlocked(() => readSync(reader, buffer)) ?? 0;
      return decoder.decode(buffer.subarray(0, size), { stream: true });
    },
    fill() {
      // Pages first, then single bytes: a pipe counts both.
      for (const size of [4096, 1])
        while (untilBlocked(() => writeSync(nonBlockingWriter, Buffer.alloc(size, 10))) !== undefined);
    },
    closeReader: () => void close(reader),
    [Symbol.dispose]() {
      for (const fd of open) close(fd);
      folder[Symbol.dispose]();
    },
  };
}

/** Undefined when the call would have to wait. */
function untilBlocked(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
