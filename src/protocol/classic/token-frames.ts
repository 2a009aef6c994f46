import type { Description } from "./description.ts";
import { captureText, compilePattern } from "./pattern.ts";
import { TemplateError } from "./template.ts";

/** Returns the token in a frame, which is parsed JSON. */
export type FindToken = (frame: unknown) => string | undefined;

/**
 * Compiles the frames in which clients may send their token. Returns undefined when there are none. Throws `TemplateError`.
 */
export function compileTokenFrames({ token = [] }: Description): FindToken | undefined {
  const patterns = token.flatMap(({ frame }, index) =>
    frame === undefined ? [] : [compileTokenFrame(frame, `token.${index}.frame`)],
  );
  if (patterns.length === 0) return undefined;
  return (frame) => {
    for (const pattern of patterns) {
      const match = pattern.match(frame);
      if (match.result === "match") return String(match.values["token"]);
    }
    return undefined;
  };
}

function compileTokenFrame(frame: unknown, place: string) {
  const pattern = compilePattern(frame, { token: captureText }, place);
  if (pattern.variables.length === 0) throw new TemplateError(`${place}: needs the variable "$token"`);
  return pattern;
}
