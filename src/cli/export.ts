import { once } from "node:events";
import { createWriteStream, renameSync, rmSync } from "node:fs";

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
  for await (const block of blocks(archive, room)) await write(process.stdout, encode(block));
}

/** The file is complete or not there: it gets its name at the end. */
async function exportToFile(archive: Archive, room: string | undefined, path: string): Promise<void> {
  const part = `${path}.part`;
  const stream = createWriteStream(part);
  // Without a listener the event would end the process. `write` rejects with the error.
  stream.on("error", () => undefined);
  try {
    for await (const block of blocks(archive, room)) await write(stream, block);
    stream.end();
    await once(stream, "close");
    renameSync(part, path);
  } catch (error) {
    stream.destroy();
    rmSync(part, { force: true });
    throw error instanceof Error && "syscall" in error ? new Failure(`${path}: ${error.message}`) : error;
  }
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
