import type * as fc from "fast-check";

/** An alternative for `fc.oneof` that is chosen in proportion to its weight. */
export function weighted<T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> {
  return { weight, arbitrary };
}
