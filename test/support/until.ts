/** Resolves as soon as the condition holds. Rejects when it does not for too long. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, milliseconds = 10_000) {
  const end = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`in ${milliseconds} ms it did not happen that ${what}`);
    await Bun.sleep(10);
  }
}
