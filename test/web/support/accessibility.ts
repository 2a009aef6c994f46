import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";

/**
 * Serious and critical violations that axe-core finds, each as a line: in the dialog that is open, or else below
 * `root`. In the dark theme only the colors can differ.
 */
export async function violationsIn(page: Page, state: string, root = "html"): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const lines: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const rules = colorScheme === "dark" ? `runOnly: ["color-contrast"],` : "";
    const { violations }: AxeResults = await page.evaluate(
      `axe.run(document.querySelector("dialog[open]") ?? document.querySelector("${root}"), { ${rules} resultTypes: ["violations"] })`,
    );
    for (const { id, impact, nodes } of violations)
      if (impact === "serious" || impact === "critical")
        lines.push(...nodes.map(({ html }) => `${state}, ${colorScheme}: ${id} (${impact}) in ${html}`));
  }
  return lines;
}
