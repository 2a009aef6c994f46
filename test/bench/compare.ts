/** What one run has measured. */
export interface Result {
  /** What runs are compared by. */
  value: number;
  /** The figures, for the reader. */
  text: string;
}

export interface Contender {
  name: string;
  run: () => Promise<Result>;
}

/**
 * Runs a baseline and a candidate in turn, since a machine that others share is faster at one moment than at another.
 * Returns the median ratio of the rounds, and the figures of the round that has it.
 */
export async function compare(
  title: string,
  rounds: number,
  baseline: Contender,
  candidate: Contender,
): Promise<string[]> {
  const results: { ratio: number; base: Result; result: Result }[] = [];
  for (let round = 0; round < rounds; round++) {
    const base = await baseline.run();
    const result = await candidate.run();
    results.push({ ratio: result.value / base.value, base, result });
  }
  results.sort((a, b) => a.ratio - b.ratio);
  const median = results[Math.floor(rounds / 2)];
  if (!median) throw new Error("at least one round is needed");
  const ratios = results.map(({ ratio }) => ratio.toFixed(2)).join(", ");
  return [
    `${title}: ${candidate.name} ${median.ratio.toFixed(2)} × ${baseline.name} (rounds: ${ratios})`,
    `  ${baseline.name}: ${median.base.text}`,
    `  ${candidate.name}: ${median.result.text}`,
  ];
}
