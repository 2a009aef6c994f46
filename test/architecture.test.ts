import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

import { settings } from "../src/config.ts";
import { root } from "./support/process.ts";

interface Source {
  text: string;
  /** Files of `src` by their path in it; anything else by its name. Types included: they are dependencies too. */
  imports: string[];
}

const sources = new Map<string, Source>();
for (const path of new Bun.Glob("**/*.ts").scanSync(join(root, "src"))) {
  const text = readFileSync(join(root, "src", path), "utf8");
  sources.set(path, { text, imports: importsOf(path, text) });
}

/** Bun drops what is only a type, which the word `type` says everywhere here (`verbatimModuleSyntax`). */
function importsOf(path: string, text: string): string[] {
  const withTypes = text
    .replace(/\b(import|export) type(?= [^;=]* from ")/g, "$1")
    .replace(/\b(import|export) \{[^}]*\} from "/g, (clause) => clause.replace(/\btype /g, ""));
  const { imports } = new Bun.Transpiler({ loader: "ts", trimUnusedImports: false }).scan(withTypes);
  return imports.map(({ path: name }) =>
    name.startsWith(".") ? normalize(join(dirname(path), name)) : name,
  );
}

/** Packages, and what comes with Bun. */
const outside = "[a-z@][^.]*";

/** Whom each room of the house may know. What is not named here may know nobody. */
const arrows: Record<string, RegExp> = {
  "chat/": /^chat\//,
  "protocol/": /^(chat\/(model|errors)\.ts|protocol\/.*|valibot)$/,
  // It runs in pages, and in other people's programs: nothing from outside.
  "client/": /^(protocol|client)\//,
  "auth/": new RegExp(`^(chat/.*|auth/.*|url\\.ts|${outside})$`),
  "store/": new RegExp(`^(chat/.*|store/.*|${outside})$`),
  "bus/": new RegExp(`^(chat/.*|bus/.*|${outside})$`),
  "http/": new RegExp(`^((auth|chat|protocol|http)/.*|url\\.ts|${outside})$`),
  "url.ts": /^$/,
  "config.ts": /^(url\.ts|valibot|node:fs)$/,
  "server.ts": new RegExp(`^((auth|bus|chat|http|store)/.*|config\\.ts|${outside})$`),
  "cli/": new RegExp(
    `^((auth|chat|cli)/.*|store/sqlite/open\\.ts|(config|server)\\.ts|../package.json|${outside})$`,
  ),
  "main.ts": /^cli\/program\.ts$/,
};

test("arrows run one way: no room of the house knows one above it", () => {
  expect(sources.size).toBeGreaterThan(20);
  const wrong = [...sources].flatMap(([path, { imports }]) => {
    const [, allowed] = Object.entries(arrows).find(([place]) => path.startsWith(place)) ?? [];
    return imports.filter((name) => !allowed?.test(name)).map((name) => `${path} imports ${name}`);
  });
  expect(wrong).toEqual([]);
});

test("what is only a type counts as an import too", () => {
  const found = importsOf(
    "http/app.ts",
    `import type { A } from "../a.ts";
     import { type B, c } from "./b.ts";
     import { type D } from "hono";
     export type { E } from "./e.ts";
     export * from "./f.ts";
     export const later = () => import("./g.ts");`,
  );
  expect(found.toSorted()).toEqual(["a.ts", "hono", "http/b.ts", "http/e.ts", "http/f.ts", "http/g.ts"]);
});

test("no file can be reached from itself", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, way: string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path) || way.includes(path)) return;
    for (const name of sources.get(path)?.imports ?? []) walk(name, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  expect(circles).toEqual([]);
});

test("only main.ts reads the environment and the arguments", () => {
  const readers = [...sources].filter(([, { text }]) =>
    /process\s*\.\s*(env|argv)|Bun\s*\.\s*(env|argv)|import\.meta\.env/.test(text),
  );
  expect(readers.map(([path]) => path)).toEqual(["main.ts"]);
});

test("the domain asks no clock but the one it was given, and throws no dice", () => {
  const readers = [...sources].filter(
    ([path, { text }]) =>
      path.startsWith("chat/") && /Date\.now\(\)|new Date\(\)|performance|Math\.random|\bBun\b/.test(text),
  );
  expect(readers.map(([path]) => path)).toEqual([]);
});

test("no file is longer than 400 lines", () => {
  const long = [...sources].filter(([, { text }]) => text.split("\n").length > 400).map(([path]) => path);
  expect(long).toEqual([]);
});

test("the README has each setting with its default and meaning", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const rows = new Map(
    readme
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .map(([, variable, ...cells]) => [variable, cells.slice(0, 2)]),
  );
  for (const { variable, default: fallback, meaning } of Object.values(settings)) {
    const row = [fallback === undefined ? "–" : `\`${fallback}\``, meaning];
    expect([variable, rows.get(`\`${variable}\``)]).toEqual([variable, row]);
  }
  const known = new Set(Object.values(settings).map(({ variable }) => variable));
  const named = [...readme.matchAll(/\bPARLEY_[A-Z_]+\b/g)].map(([variable]) => variable);
  expect(named.filter((variable) => !known.has(variable))).toEqual([]);
});

test("every link in the README and the documents leads to a file", () => {
  const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];
  const broken = documents.flatMap((document) => {
    const links = [...readFileSync(join(root, document), "utf8").matchAll(/\]\(([^)#]+)\)/g)].map(
      ([, link = ""]) => link,
    );
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    return local
      .filter((link) => !existsSync(join(root, dirname(document), link)))
      .map((link) => [document, link]);
  });
  expect(documents.length).toBeGreaterThan(4);
  expect(broken).toEqual([]);
});

test("every version in package.json is exact", async () => {
  const { dependencies, devDependencies } = await import("../package.json");
  const versions = Object.entries({ ...dependencies, ...devDependencies });
  expect(versions.length).toBeGreaterThan(10);
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
});
