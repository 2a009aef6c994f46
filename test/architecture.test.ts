import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

import { dependencies, devDependencies } from "../package.json";
import { settings } from "../src/config.ts";
import { root } from "./support/process.ts";

const MAX_FILE_LINES = 300;

/** The text of a file, by its path in the project. */
const read = (path: string) => readFileSync(join(root, path), "utf8");

interface Import {
  /** A file by its path in `src`, or a package by its name. */
  target: string;
  typeOnly: boolean;
}

interface Source {
  text: string;
  imports: Import[];
}

const sources = new Map<string, Source>();
for (const path of new Bun.Glob("**/*.{ts,tsx}").scanSync(join(root, "src"))) {
  const text = read(`src/${path}`);
  sources.set(path, { text, imports: importsOf(path, text) });
}

/** Imports for their types alone count too. They are marked by the word `type` (`verbatimModuleSyntax`). */
function importsOf(path: string, text: string): Import[] {
  const asValues = text
    .replace(/\b(import|export) type(?= [^;=]* from ")/g, "$1")
    .replace(/\b(import|export) \{[^}]*\} from "/g, (clause) => clause.replace(/\btype /g, ""));
  const values = new Set(scan(path, text));
  return scan(path, asValues).map((target) => ({ target, typeOnly: !values.has(target) }));
}

function scan(path: string, text: string): string[] {
  const { imports } = new Bun.Transpiler({
    loader: path.endsWith("x") ? "tsx" : "ts",
    trimUnusedImports: false,
  }).scan(text);
  return imports.map(({ path: name }) =>
    name.startsWith(".") ? normalize(join(dirname(path), name)) : name,
  );
}

/** A package, or a module of Bun or Node. */
const packages = "[a-z@][^.]*";
const allow = (...patterns: string[]) => new RegExp(`^(${patterns.join("|")})$`);

/** What the files of each place may import. A file of no place may import nothing. */
const arrows: Record<string, RegExp> = {
  "chat/": allow("chat/.*"),
  "protocol/": allow("protocol/.*", "chat/(model|errors|validation|last-message)\\.ts", "valibot"),
  "client/react.ts": allow("client/index\\.ts", "react"),
  // It runs in browsers and in other people's programs: no packages.
  "client/": allow(
    "client/.*",
    "protocol/(frames|schemas|responses|room-requests|push-requests|moderation-(bodies|requests)|error-codes)\\.ts",
  ),
  // The page. Of the protocol, it knows only how users sign in.
  "web/": allow(
    "web/.*",
    "client/.*",
    "protocol/responses\\.ts",
    "preact(/hooks|/jsx-runtime)?",
    "marked",
    "oauth4webapi",
  ),
  "auth/": allow("auth/.*", "chat/.*", "url\\.ts", packages),
  "bus/": allow("bus/.*", "chat/.*", packages),
  "store/": allow("store/.*", "chat/.*", packages),
  "http/": allow(
    "http/.*",
    "protocol/.*",
    "auth/.*",
    "chat/.*",
    "url\\.ts",
    "\\.\\./package\\.json",
    packages,
    "swagger-ui-dist/.*",
  ),
  "ws/": allow(
    "ws/.*",
    "http/(problem|origin|credentials|env|metrics)\\.ts",
    "protocol/.*",
    "auth/.*",
    "chat/.*",
    packages,
  ),
  "transfer/": allow("transfer/.*", "chat/.*", packages),
  "push/": allow("push/.*", "chat/.*", "url\\.ts", packages),
  "url.ts": allow(),
  "setting-values.ts": allow("url\\.ts", "valibot"),
  "start-push.ts": allow("(push|chat)/.*", "config\\.ts", packages),
  "observer.ts": allow("chat/(model|observer)\\.ts", "http/metrics\\.ts", "pino"),
  "open-files.ts": allow("node:fs"),
  "listen.ts": allow("config\\.ts", "ws/connection\\.ts", "bun"),
  "trusted-issuers.ts": allow("config\\.ts"),
  "classic-file.ts": allow("config\\.ts", "protocol/classic/.*", "node:fs"),
  "config.ts": allow("setting-values\\.ts", "valibot", "node:fs"),
  "open-chat.ts": allow("(store|bus|chat)/.*", "config\\.ts"),
  "server.ts": allow(
    "(ws|http|store|bus|auth|chat)/.*",
    "protocol/classic/classic\\.ts",
    "(config|classic-file|listen|observer|open-chat|open-files|start-push|trusted-issuers)\\.ts",
    packages,
  ),
  "open-archive.ts": allow("(store|chat)/.*", "config\\.ts"),
  "cli/": allow(
    "cli/.*",
    "(server|listen|open-chat|open-archive|config|classic-file)\\.ts",
    "protocol/classic/.*",
    "(auth|chat|push|transfer)/.*",
    "store/sqlite/open\\.ts",
    "\\.\\./package\\.json",
    packages,
  ),
  "main.ts": allow("cli/.*"),
};

const allowedFor = (path: string) => Object.entries(arrows).find(([place]) => path.startsWith(place))?.[1];

describe("imports", () => {
  test("follow the arrows of the layout", () => {
    expect(sources.size).toBeGreaterThan(50);
    const wrong = [...sources].flatMap(([path, { imports }]) =>
      imports
        .filter(({ target }) => !allowedFor(path)?.test(target))
        .map(({ target }) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test("bring nothing into the client but the table of error codes, and React into its hooks", () => {
    const values = [...sources]
      .filter(([path]) => path.startsWith("client/") || path === "protocol/error-codes.ts")
      .flatMap(([, { imports }]) => imports.filter(({ typeOnly }) => !typeOnly))
      .map(({ target }) => target)
      .filter((target) => !target.startsWith("client/"));
    expect(new Set(values)).toEqual(new Set(["protocol/error-codes.ts", "react"]));
  });

  test("never lead back to the file that they start from", () => {
    const circles: string[] = [];
    const visited = new Set<string>();
    const visit = (path: string, trail: string[]) => {
      if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
      if (visited.has(path) || trail.includes(path)) return;
      for (const { target } of sources.get(path)?.imports ?? []) visit(target, [...trail, path]);
      visited.add(path);
    };
    for (const path of sources.keys()) visit(path, []);
    expect(circles).toEqual([]);
  });

  test("are found whatever they are written like", () => {
    const found = importsOf(
      "http/app.ts",
      `import type { A } from "../a.ts";
       import { type B, c } from "./b.ts";
       import { type D } from "hono";
       export type { E } from "./e.ts";
       export * from "./f.ts";
       export const later = () => import("./g.ts");`,
    );
    expect(found.map(({ target }) => target).toSorted()).toEqual([
      "a.ts",
      "hono",
      "http/b.ts",
      "http/e.ts",
      "http/f.ts",
      "http/g.ts",
    ]);
    const values = found.filter(({ typeOnly }) => !typeOnly).map(({ target }) => target);
    expect(values.toSorted()).toEqual(["http/b.ts", "http/f.ts", "http/g.ts"]);
  });
});

/** The files whose text matches. */
const filesWith = (pattern: RegExp, folder = "") =>
  [...sources]
    .filter(([path, { text }]) => path.startsWith(folder) && pattern.test(text))
    .map(([path]) => path);

describe("source files", () => {
  test("read the environment and the arguments in main.ts only", () => {
    expect(filesWith(/process\s*\.\s*(env|argv)|Bun\s*\.\s*(env|argv)|import\.meta\.env/)).toEqual([
      "main.ts",
    ]);
  });

  test("of the domain use no clock but the one that they are given, no chance, and nothing of Bun", () => {
    expect(filesWith(/Date\.now|new Date\(\)|performance|Math\.random|crypto|\bBun\b/, "chat/")).toEqual([]);
  });

  test(`have no more than ${MAX_FILE_LINES} lines`, () => {
    const long = [...sources].filter(([, { text }]) => text.trimEnd().split("\n").length > MAX_FILE_LINES);
    expect(long.map(([path]) => path)).toEqual([]);
  });

  test("do not escape from the type system or the linter", () => {
    expect(filesWith(/\bas any\b|\bas unknown as\b|@ts-|oxlint-disable|eslint-disable/)).toEqual([]);
  });
});

describe("documents", () => {
  const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const documents = ["README.md", ...pages.map((name) => `docs/${name}`)];

  test("README.md has every setting with its default and its meaning, and no others", () => {
    const readme = read("README.md");
    const rows = readme.split("\n").map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
    const documented = new Map(
      rows.map(([, variable, fallback, meaning]) => [variable, [fallback, meaning]]),
    );
    for (const { variable, default: fallback, meaning } of Object.values(settings)) {
      const [shown, explained = ""] = documented.get(`\`${variable}\``) ?? [];
      expect([variable, shown]).toEqual([variable, fallback === undefined ? "–" : `\`${fallback}\``]);
      expect([variable, explained.replaceAll("`", "")]).toEqual([variable, meaning.replaceAll("`", "")]);
    }
    const known = new Set(Object.values(settings).map(({ variable }) => variable));
    const named = [...readme.matchAll(/\bPARLEY_[A-Z_]+\b/g)].map(([variable]) => variable);
    expect(named.filter((variable) => !known.has(variable))).toEqual([]);
  });

  test("link to files that exist", () => {
    expect(documents.length).toBeGreaterThan(4);
    const broken = documents.flatMap((document) =>
      [...read(document).matchAll(/\]\(([^)#]+)\)/g)]
        .map(([, link = ""]) => link)
        .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(document), link)))
        .map((link) => `${document}: ${link}`),
    );
    expect(broken).toEqual([]);
  });
});

test("every version in package.json is exact", () => {
  const versions = Object.entries({ ...dependencies, ...devDependencies });
  expect(versions.length).toBeGreaterThan(10);
  expect(versions.filter(([, version]) => !/^(npm:[\w-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual(
    [],
  );
});
