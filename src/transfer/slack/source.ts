import { DiskQueue, MessageKeys } from "../message-keys.ts";
import { type Source, SourceError, type SourceFile, type SourceItem } from "../source.ts";
import { EntryError, zipEntries, type ZipEntry } from "../zip.ts";
import { Directory, LIST_FILES } from "./directory.ts";
import { type ConvertedMessage, convertMessage } from "./message.ts";

/**
 * The largest file of an export that is read: a day of one channel, or a list. Each is held in memory as a whole. A busy
 * channel has some megabytes a day.
 */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** `<folder>/2024-05-01.json`. */
const DAY_FILE = /^(.+)\/(\d{4}-\d\d-\d\d)\.json$/;

export interface SlackOptions {
  /** Addresses by user id, for an export without them. */
  emails?: ReadonlyMap<string, string>;
  maxFileBytes?: number;
}

/** Reads the zip file of a Slack export. https://slack.com/help/articles/220556107 */
export function slackSource({ emails, maxFileBytes = MAX_FILE_BYTES }: SlackOptions = {}): Source {
  return (file) => readExport(file, emails, maxFileBytes);
}

async function* readExport(
  { path, progress }: SourceFile,
  emails: ReadonlyMap<string, string> | undefined,
  maxBytes: number,
): AsyncGenerator<SourceItem> {
  const { directory, earliest, prefix } = await readLists(path, emails, maxBytes);
  yield* directory.items((folder) => earliest.get(prefix + folder));
  using keys = new MessageKeys();
  // A reply names its root, which may be in a later file or in none. Most roots come first; the other replies wait.
  using waiting = new DiskQueue<{ at: string; converted: ConvertedMessage }>();
  for await (const entry of zipEntries(path)) {
    const [, folder] = DAY_FILE.exec(entry.name) ?? [];
    if (folder?.startsWith(prefix) !== true) continue;
    const room = directory.room(folder.slice(prefix.length));
    if (room === undefined) {
      yield { at: entry.name, skipped: "files of channels that the export does not list" };
      continue;
    }
    const list = await readList(entry, maxBytes);
    if ("invalid" in list) {
      yield { at: entry.name, invalid: list.invalid };
      continue;
    }
    for (const [index, message] of list.items.entries()) {
      const at = `${entry.name}, message ${index + 1}${timeOf(message)}`;
      const converted = convertMessage(message, room, directory);
      if (!("message" in converted)) {
        yield { at, ...converted };
      } else if (keys.add(room, converted.message.clientId) > 1) {
        yield { at, skipped: "copies of messages that are in the export already" };
      } else if (converted.thread === null || keys.has(room, converted.thread)) {
        yield* itemsOf(at, converted, converted.thread);
      } else {
        waiting.add({ at, converted });
      }
    }
    progress(entry.end);
  }
  for (const { at, converted } of waiting.values()) {
    const { message, thread } = converted;
    yield* itemsOf(at, converted, thread !== null && keys.has(message.room, thread) ? thread : null);
  }
}

/** `root` is the key of the message to which this one replies. */
function* itemsOf(
  at: string,
  { message, reactions, unusable, sender }: ConvertedMessage,
  root: string | null,
): Generator<SourceItem> {
  if (sender !== undefined) yield { at, record: sender };
  yield { at, record: { ...message, replyTo: root === null ? null : { key: root } } };
  for (const record of reactions) yield { at, record };
  for (let left = unusable; left > 0; left--) yield { at, skipped: "reactions that are not emoji" };
}

interface Lists {
  directory: Directory;
  /** The first day of each folder with messages, in milliseconds since the epoch. */
  earliest: ReadonlyMap<string, number>;
  /** The folder in which the export stands, with a slash, if it was packed again by hand. */
  prefix: string;
}

async function readLists(
  path: string,
  emails: ReadonlyMap<string, string> | undefined,
  maxBytes: number,
): Promise<Lists> {
  const directory = new Directory(emails ?? new Map());
  const earliest = new Map<string, number>();
  let prefix: string | undefined;
  let users = false;
  for await (const entry of zipEntries(path)) {
    const [, start = "", file = ""] = /^([^/]+\/)?([^/]+)$/.exec(entry.name) ?? [];
    if (LIST_FILES.includes(file) && start !== "__MACOSX/" && (prefix ?? start) === start) {
      prefix = start;
      const list = await readList(entry, maxBytes);
      if ("invalid" in list)
        throw new SourceError(`${path}: ${entry.name} cannot be imported. ${list.invalid}`);
      directory.add(file, list.items);
      users ||= file.endsWith("users.json");
    }
    const [, folder, day = ""] = DAY_FILE.exec(entry.name) ?? [];
    if (folder !== undefined) {
      const time = Date.parse(day);
      earliest.set(folder, Math.min(earliest.get(folder) ?? time, time));
    }
  }
  if (!users || directory.empty)
    throw new SourceError(
      `${path} is not a Slack export in JSON: it has no ${users ? "channels.json" : "users.json"} with content.`,
    );
  if (!emails && !directory.hasAddresses)
    throw new SourceError(
      `${path} has no email addresses, so nobody could sign in as its users. Give Slack's member list too (--members).`,
    );
  return { directory, earliest, prefix: prefix ?? "" };
}

/** The items of a JSON array in a file, or what is wrong with it. */
async function readList(
  entry: ZipEntry,
  maxBytes: number,
): Promise<{ items: readonly unknown[] } | { invalid: string }> {
  try {
    const value: unknown = JSON.parse(await entry.text(maxBytes));
    return Array.isArray(value) ? { items: value } : { invalid: "It does not hold a JSON array." };
  } catch (error) {
    if (error instanceof EntryError) return { invalid: error.message };
    if (error instanceof SyntaxError || error instanceof RangeError)
      return { invalid: `It does not hold valid JSON: ${error.message}` };
    throw error;
  }
}

function timeOf(message: unknown): string {
  const ts = typeof message === "object" && message !== null && "ts" in message ? message.ts : undefined;
  return typeof ts === "string" ? ` (ts ${ts.slice(0, 30)})` : "";
}
