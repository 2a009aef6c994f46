import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Command } from "commander";

import { type Archive, type Import, type ImportResult, kinds } from "../chat/archive.ts";
import { StoreError } from "../chat/errors.ts";
import { type Config, type Environment, readConfig } from "../config.ts";
import { openArchive } from "../open-archive.ts";
import type { Source } from "../transfer/source.ts";
import { Failure } from "./failure.ts";
import { print, printError, printRows } from "./output.ts";
import { Progress } from "./progress.ts";

/** Errors that are printed; the others are counted. */
const MAX_PRINTED_ERRORS = 20;
/** Reasons for leaving something out that are counted one by one. */
const MAX_REASONS = 100;

export interface ImportOptions {
  /** Say what would be imported, and change nothing. Default: false. */
  dryRun?: boolean;
  /** Leave invalid records out, instead of importing nothing. Default: false. */
  skipInvalid?: boolean;
}

/** Adds the options that all imports have. */
export function addImportOptions(command: Command): Command {
  return command
    .option("--dry-run", "say what would be imported, and change nothing")
    .option("--skip-invalid", "leave out what is invalid, instead of importing nothing");
}

/**
 * Imports a file into the chat, and prints what was imported. Rejects with `Failure` when nothing was. SIGINT and SIGTERM end it,
 * and leave the chat as it was.
 */
export async function runImport(
  environment: Environment,
  file: string,
  source: Source,
  { dryRun = false, skipInvalid = false }: ImportOptions,
): Promise<void> {
  const size = sizeOf(file);
  using database = databaseFor(readConfig(environment), dryRun);
  using interruption = watchSignals();
  const archive = openArchive(database.config, { create: true });
  const report = new Report();
  try {
    const result = await importFile(archive, report, {
      file,
      size,
      source,
      dryRun,
      skipInvalid,
      interruption,
    });
    report.progress.clear();
    await report.print(result, { dryRun, skipInvalid });
  } catch (error) {
    throw error instanceof StoreError
      ? new Failure(`Nothing was imported: ${error.message}`, { cause: error })
      : error;
  } finally {
    report.progress.clear();
    await archive.close().catch(reportUnclosed);
  }
}

/** That the log cannot be written back, for example to a full disk, changes nothing about the import: it is read from the log. */
function reportUnclosed(error: unknown): Promise<void> {
  if (!(error instanceof StoreError)) throw error;
  return printError(`The database's log (-wal) could not be written back, and is kept: ${error.message}`);
}

interface Work extends Required<ImportOptions> {
  file: string;
  size: number;
  source: Source;
  interruption: Interruption;
}

/** Resolves with undefined when the file has errors, so that nothing was applied. */
async function importFile(archive: Archive, report: Report, work: Work): Promise<ImportResult | undefined> {
  const { dryRun, skipInvalid, interruption } = work;
  using records = archive.beginImport();
  // Not only between two records: a pipe may have no more of them.
  await Promise.race([readFile(records, report, work), interruption.interrupted]);
  if (report.errors > 0 && !skipInvalid) return undefined;
  return await records.apply({
    dryRun,
    skipInvalid,
    invalid: (at, reason) => report.invalid(at, reason),
    skipped: (reason) => report.skipped(reason),
    progress: (messages, total) => report.progress.show("Applying", messages, total),
    signal: interruption.signal,
  });
}

async function readFile(
  records: Import,
  report: Report,
  { file, size, source, interruption }: Work,
): Promise<void> {
  const progress = (bytes: number) => report.progress.show("Reading ", bytes, size);
  let empty = true;
  for await (const item of source({ path: file, progress })) {
    interruption.signal.throwIfAborted();
    empty = false;
    const leftOut = "record" in item ? records.add(item.at, item.record) : item;
    if (leftOut && "invalid" in leftOut) report.invalid(item.at, leftOut.invalid);
    else if (leftOut) report.skipped(leftOut.skipped);
  }
  if (empty) throw new Failure(`${file}: there is nothing to import in this file`);
}

/** The database to import into. A dry run that finds none uses an empty one, which is deleted afterwards. */
function databaseFor(config: Config, dryRun: boolean): { config: Config } & Disposable {
  if (!dryRun || existsSync(config.database)) return { config, [Symbol.dispose]: () => undefined };
  const folder = mkdtempSync(join(tmpdir(), "parley-dry-run-"));
  return {
    config: { ...config, database: join(folder, "parley.db") },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

interface Interruption extends Disposable {
  signal: AbortSignal;
  /** Rejects with the signal's reason. */
  interrupted: Promise<never>;
}

/** Watches for SIGINT and SIGTERM. A second one ends the process at once. */
function watchSignals(): Interruption {
  const controller = new AbortController();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  // Nobody waits for it while the records are applied.
  interrupted.catch(() => undefined);
  const stop = () => {
    const reason = new Failure("Interrupted: nothing was imported.");
    controller.abort(reason);
    reject(reason);
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const each of signals) process.once(each, stop);
  return {
    signal: controller.signal,
    interrupted,
    [Symbol.dispose]: () => {
      for (const each of signals) process.off(each, stop);
    },
  };
}

/** What the operator is told about an import. */
class Report {
  readonly progress = new Progress();
  errors = 0;
  readonly #reasons = new Map<string, number>();
  readonly #output: Promise<void>[] = [];

  invalid(at: string, reason: string): void {
    this.errors++;
    if (this.errors > MAX_PRINTED_ERRORS) return;
    this.progress.clear();
    this.#output.push(printError(`${at}: ${reason}`.replaceAll("\n", " ")));
  }

  skipped(reason: string): void {
    const known = this.#reasons.has(reason) || this.#reasons.size < MAX_REASONS;
    const counted = known ? reason : "others";
    this.#reasons.set(counted, (this.#reasons.get(counted) ?? 0) + 1);
  }

  /** Throws `Failure` when nothing was imported because of errors. */
  async print(
    result: ImportResult | undefined,
    { dryRun, skipInvalid }: Required<ImportOptions>,
  ): Promise<void> {
    await Promise.all(this.#output);
    const more = this.errors - MAX_PRINTED_ERRORS;
    if (more > 0) await printError(`… and ${more} more`);
    const errors = this.errors === 1 ? "1 error" : `${this.errors} errors`;
    if (!result || (this.errors > 0 && !skipInvalid)) throw new Failure(`Nothing was imported: ${errors}.`);
    await printRows(
      kinds.map((kind) => {
        const { added, known } = result[kind];
        return { "": kind, [dryRun ? "would be new" : "new"]: added, "already there": known };
      }),
      {},
    );
    for (const [reason, count] of this.#reasons) await print(`Left out: ${reason} (${count})`);
    if (this.errors > 0) await print(`Left out: ${errors}`);
    await print(dryRun ? "Dry run: nothing was changed" : "Imported");
  }
}

function sizeOf(file: string): number {
  if (!existsSync(file)) throw new Failure(`${file}: there is no such file`);
  const stats = statSync(file);
  if (stats.isDirectory()) throw new Failure(`${file}: this is a folder, not a file`);
  return stats.size;
}
