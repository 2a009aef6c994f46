import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * A style sheet with those that it imports, without comments and spaces. Bun's own bundler would rewrite `light-dark()` and
 * `:dir()` for browsers that the page does not support, so that they no longer depend on where an element is.
 */
export async function bundleStyles(path: string): Promise<string> {
  const text = (await readFile(path, "utf8")).replace(/\/\*.*?\*\//gs, "");
  const parts = text.split(/@import "([^"]+)";/);
  const bundled = await Promise.all(
    parts.map(async (part, index) =>
      index % 2 === 1 ? bundleStyles(join(dirname(path), part)) : compact(part),
    ),
  );
  return bundled.join("");
}

function compact(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,]) ?/g, "$1")
    .replace(/([{;][\w-]+): /g, "$1:")
    .replaceAll(";}", "}");
}
