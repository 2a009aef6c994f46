import type { LeftOut } from "../../chat/archive.ts";
import type { Value } from "./statements.ts";

/** Why a record is left out whose place is taken by another one: it says the same, or something else. */
export function same(row: readonly Value[], before: readonly Value[] | undefined, conflict: string): LeftOut {
  const repeated = row.every((value, index) => value === before?.[index]);
  return repeated ? { skipped: "repeated records" } : { invalid: conflict };
}
