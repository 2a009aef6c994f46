import { readdirSync, readFileSync, statSync } from "node:fs";

/** The limit where it is unknown, as outside Linux. */
const DEFAULT_FILE_LIMIT = 1024;
const FILES_FOLDER = "/proc/self/fd";
/** How long a count is cached: at least this long, and this many times as long as it took. */
const MIN_COUNT_LIFETIME_MS = 20;
const COUNT_LIFETIME_FACTOR = 20;
/** Files to keep free for WebSocket connections and the database: this fraction of the limit, or at least 100. */
const RESERVED_FRACTION = 0.1;
const MIN_RESERVED_FILES = 100;

/** The hard limit of open files, to which Bun raises the soft one. */
export function openFileLimit(): number {
  try {
    const line = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return Number(line?.[1] ?? DEFAULT_FILE_LIMIT);
  } catch {
    return DEFAULT_FILE_LIMIT;
  }
}

/** Watches how many files, sockets included, this process has open. */
export class OpenFiles {
  readonly #maxOpen: number;
  #short = false;
  #validUntil = Number.NEGATIVE_INFINITY;

  /** `limit` is the process's limit of open files. */
  constructor(
    limit: number,
    private readonly count: () => number = countOpenFiles,
  ) {
    this.#maxOpen = limit - Math.max(MIN_RESERVED_FILES, limit * RESERVED_FRACTION);
  }

  /** Whether so few files are free that idle HTTP connections should be closed. */
  runShort(): boolean {
    const start = performance.now();
    if (start >= this.#validUntil) {
      this.#short = this.count() > this.#maxOpen;
      const end = performance.now();
      this.#validUntil = end + Math.max(MIN_COUNT_LIFETIME_MS, (end - start) * COUNT_LIFETIME_FACTOR);
    }
    return this.#short;
  }
}

/** 0 on systems that do not report it. */
function countOpenFiles(): number {
  try {
    // Linux 6.2 and later report the count as the folder's size; earlier ones report 0, and 10,000 files take 25 ms.
    return statSync(FILES_FOLDER).size || readdirSync(FILES_FOLDER).length;
  } catch {
    return 0;
  }
}
