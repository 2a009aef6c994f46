import type { Database, Statement } from "bun:sqlite";

export type Value = string | number | null;

/**
 * Statements that are written out, prepared when they are first used. Rows are arrays in the order of their columns. Some have
 * `? + 0` in place of a parameter, for the reason that `compile.ts` gives: SQLite would prepare them again each time.
 */
export class Statements implements Disposable {
  readonly #statements = new Map<string, Statement<unknown, Value[]>>();

  constructor(private readonly client: Database) {}

  /** Returns the number of rows that were changed. */
  run(sql: string, ...values: Value[]): number {
    return this.#prepare(sql).run(...values).changes;
  }

  all<Row extends Value[]>(sql: string, ...values: Value[]): Row[] {
    return this.#prepare(sql).values(...values) as Row[];
  }

  /** Rows one by one. They need a statement of their own: it may be iterated twice at a time. */
  *iterate<Row extends Value[]>(sql: string, ...values: Value[]): Iterable<Row> {
    const statement = this.client.prepare<Record<string, Value>, Value[]>(sql);
    try {
      for (const row of statement.iterate(...values)) yield Object.values(row) as Row;
    } finally {
      statement.finalize();
    }
  }

  [Symbol.dispose](): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  #prepare(sql: string): Statement<unknown, Value[]> {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.client.prepare<unknown, Value[]>(sql)));
    return statement;
  }
}
