import { readFileSync } from "node:fs";

import { ConfigError } from "./config.ts";
import { type Classic, compileClassic } from "./protocol/classic/classic.ts";
import { TemplateError } from "./protocol/classic/template.ts";

/** More than any description needs. */
const MAX_FILE_BYTES = 1 << 20;

/** Reads and compiles a classic.json. Throws `ConfigError`, whose message is one line that names the file and the place. */
export function readClassic(path: string): Classic {
  const wrong = (reason: string, cause?: unknown) => new ConfigError(`${path}: ${reason}`, { cause });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(`cannot be read (${error instanceof Error ? error.message : String(error)})`, error);
  }
  if (text.length > MAX_FILE_BYTES) throw wrong("is too large for a description of a server");
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw wrong(`is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  try {
    return compileClassic(json);
  } catch (error) {
    throw error instanceof TemplateError ? wrong(error.message, error) : error;
  }
}
