import { TemplateError, unescape, variableName } from "./template.ts";

/** What a variable of a pattern accepts: returns the value to keep, or undefined if it does not fit. */
export type Capture = (value: unknown) => string | number | undefined;
export type Captures = Readonly<Record<string, Capture>>;

export function captureText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Values of a frame by the names of a pattern's variables. */
export type Captured = Readonly<Record<string, string | number>>;

/**
 * How a frame compares with a pattern. `refers`: it has all of the pattern's fixed values, and there are some, so it is
 * meant for this pattern; but a variable is missing or does not fit.
 */
export type Match = { result: "match"; values: Captured } | { result: "refers" | "none" };

/** A pattern for frames of clients. */
export interface Pattern {
  /** Names of the variables that it has. */
  variables: readonly string[];
  match(frame: unknown): Match;
}

type Test = (value: unknown, values: Record<string, string | number>) => boolean;

/**
 * Compiles a template for comparing frames with it. A frame matches when it has every key of the template, with an equal
 * value or, for a variable, one that fits. It may have more keys. Throws `TemplateError`.
 */
export function compilePattern(json: unknown, captures: Captures, place: string): Pattern {
  if (typeof json !== "object" || json === null)
    throw new TemplateError(`${place}: must be a JSON object or array`);
  const variables: string[] = [];
  const fixed: Test[] = [];
  const free: Test[] = [];
  const visit = (part: unknown, here: string, find: (frame: unknown) => unknown): void => {
    const name = typeof part === "string" ? variableName(part, Object.keys(captures), here) : undefined;
    const capture = name === undefined ? undefined : captures[name];
    if (name !== undefined && capture) {
      if (variables.includes(name)) throw new TemplateError(`${here}: "$${name}" occurs twice`);
      variables.push(name);
      free.push((frame, values) => keep(values, name, capture(find(frame))));
    } else if (typeof part === "object" && part !== null) {
      const entries = Object.entries(part);
      if (entries.length === 0) fixed.push((frame) => isSameKind(find(frame), part));
      for (const [key, child] of entries)
        visit(child, `${here}.${key}`, (frame) => ownValue(find(frame), key));
    } else {
      const wanted = typeof part === "string" ? unescape(part) : part;
      fixed.push((frame) => find(frame) === wanted);
    }
  };
  visit(json, place, (frame) => frame);
  return {
    variables,
    match(frame) {
      const values: Record<string, string | number> = {};
      if (!fixed.every((test) => test(frame, values))) return { result: "none" };
      if (free.every((test) => test(frame, values))) return { result: "match", values };
      return { result: fixed.length > 0 ? "refers" : "none" };
    },
  };
}

function keep(
  values: Record<string, string | number>,
  name: string,
  value: string | number | undefined,
): boolean {
  if (value === undefined) return false;
  values[name] = value;
  return true;
}

/** Whether a value is an object or an array, as the other one is. */
function isSameKind(value: unknown, other: object): boolean {
  return typeof value === "object" && value !== null && Array.isArray(value) === Array.isArray(other);
}

/** A value of an object or array that came as JSON. Undefined when there is none; inherited ones do not count. */
export function ownValue(parent: unknown, key: string): unknown {
  if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, key)) return undefined;
  return (parent as Record<string, unknown>)[key];
}
