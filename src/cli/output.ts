import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import type { Writable } from "node:stream";

import { escapeInvisible, maskInvisible } from "./escape.ts";

type Cell = string | number | null;

/** Prints one or more lines on standard output. Rejects when they cannot be written, for example with EPIPE. */
export function print(text: string): Promise<void> {
  return write(process.stdout, `${maskInvisible(text)}\n`);
}

/** Prints on standard error. Never rejects: there is nowhere left to report a failure. */
export function printError(text: string): Promise<void> {
  return write(process.stderr, `${maskInvisible(text)}\n`).catch(() => undefined);
}

/** Prints rows of the same shape: as JSON, or as a table whose head is their keys. */
export async function printRows(rows: Record<string, Cell>[], { json }: { json?: boolean }): Promise<void> {
  if (json) return write(process.stdout, `${escapeInvisible(JSON.stringify(rows, null, 2))}\n`);
  if (rows.length > 0) await print(table(rows));
}

function table(rows: Record<string, Cell>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => cell(row[column])))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const pad = (line: string[]) => line.map((text, index) => text.padEnd(widths[index] ?? 0)).join("  ");
  return lines.map((line) => pad(line).trimEnd()).join("\n");
}

/** A newline in a name must not start another row. */
function cell(value: Cell | undefined): string {
  return maskInvisible(String(value ?? "-")).replaceAll("\n", "?");
}

/** Whether there is a person at a terminal to ask. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks on the terminal. Anything but y or yes means no, Ctrl-C and Ctrl-D included. */
export async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D closes the interface and leaves the question open; Ctrl-C rejects it.
  const closed = once(terminal, "close").then(() => "");
  const asked = terminal.question(`${maskInvisible(question)} [y/N] `).catch(() => "");
  const answer = await Promise.race([asked, closed]);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Writes a text as it is. Rejects when it cannot be written, for example with EPIPE. */
export function write(stream: Writable, text: string): Promise<void> {
  // The callback has the error too; without a listener the event would end the process.
  if (stream.listenerCount("error") === 0) stream.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
