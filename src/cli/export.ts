import { once } from "node:events";
import { createWriteStream, realpathSync, renameSync, rmSync, statSync } from "node:fs";

import type { Command } from "commander";

import type { Archive } from "../chat/archive.ts";
import { type Environment, readConfig } from "../config.ts";
import { openArchive } from "../open-archive.ts";
import { encodeLine } from "../transfer/encode-jsonl.ts";
import { escapeInvisible } from "./escape.ts";
import { Failure } from "./failure.ts";
import { write } from "./output.ts";
import { parseRoomId } from "./room.ts";

/** UTF-16 units that are written at a time. */
const BLOCK_LENGTH = 65_536;

interface ExportOptions {
  room?: string;
  output?: string;
}

export function addExportCommand(program: Command, environment: Environment): void {
  program
    .command("export")
    .description("write all rooms, members and messages as JSON lines, to be imported elsewhere")
    .option("--room <room>", "this room only", parseRoomId)
    .option("--output <file>", "write to a file instead of the standard output")
    .action(async ({ room, output }: ExportOptions) => {
      const archive = openArchive(readConfig(environment), { create: false });
      try {
        await (output === undefined ? exportToTerminal(archive, room) : exportToFile(archive, room, output));
      } finally {
        await archive.close();
      }
    });
}

async function exportToTerminal(archive: Archive, room: string | undefined): Promise<void> {
  const encode = process.stdout.isTTY ? escapeInvisible : (text: string) => text;
  try {
    for await (const block of blocks(archive, room)) await write(process.stdout, encode(block));
  } catch (error) {
    // A reader who goes away is no failure; a full disk is.
    if (isWriteError(error) && error.code !== "EPIPE")
      throw new Failure(`The standard output cannot be written: ${error.message}`, { cause: error });
    throw error;
  }
}

async function exportToFile(archive: Archive, room: string | undefined, output: string): Promise<void> {
  try {
    const stats = statSync(output, { throwIfNoEntry: false });
    if (stats?.isDirectory()) throw new Failure(`${output}: this is a folder, not a file`);
    // A pipe or a device is written to, and a link followed, instead of being replaced.
    if (stats && !stats.isFile()) await writeFile(archive, room, output);
    else await replaceFile(archive, room, stats ? realpathSync(output) : output);
  } catch (error) {
    throw isWriteError(error) ? new Failure(`${output}: ${error.message}`, { cause: error }) : error;
  }
}

/** The file is complete or not there: it gets its name at the end. */
async function replaceFile(archive: Archive, room: string | undefined, path: string): Promise<void> {
  const part = `${path}.${process.pid}.part`;
  try {
    await writeFile(archive, room, part);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

async function writeFile(archive: Archive, room: string | undefined, path: string): Promise<void> {
  const stream = createWriteStream(path);
  // Without a listener the event would end the process. `write` rejects with the error.
  stream.on("error", () => undefined);
  try {
    for await (const block of blocks(archive, room)) await write(stream, block);
    stream.end();
    await once(stream, "close");
  } finally {
    stream.destroy();
  }
}

function isWriteError(error: unknown): error is Error & { code: unknown } {
  return error instanceof Error && "syscall" in error && "code" in error;
}

/** The lines, many at a time. */
async function* blocks(archive: Archive, room: string | undefined): AsyncIterable<string> {
  let block = "";
  let found = room === undefined;
  for await (const record of archive.records(room)) {
    found = true;
    block += `${encodeLine(record)}\n`;
    if (block.length < BLOCK_LENGTH) continue;
    yield block;
    block = "";
  }
  if (!found) throw new Failure(`There is no room "${room}".`);
  if (block !== "") yield block;
}
