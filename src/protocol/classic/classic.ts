import * as v from "valibot";

import type { Code } from "../../chat/errors.ts";
import { HISTORY_LENGTH } from "../../chat/model.ts";
import { explain } from "../explain.ts";
import { compileCommands, type ParseFrame } from "./commands.ts";
import { type Description, descriptionSchema } from "./description.ts";
import { type ClassicFrames, compileFrames } from "./frames.ts";
import { DEFAULT_PATH, parsePaths, type RoomPath } from "./paths.ts";
import { TemplateError } from "./template.ts";
import { compileTokenFrames } from "./token-frames.ts";

/** `classic`, the protocol of the Django Channels server that Parley replaces, as classic.json describes it. */
export interface Classic {
  /** As written. */
  description: Description;
  /** Where clients of a room connect, in the order in which they are tried. */
  paths: readonly RoomPath[];
  /** The path of the session cookie, for which all of these begin with it. */
  cookiePath: string;
  carriers: TokenCarriers;
  /** Messages in the first frame. 0: there is no such frame. */
  historyLength: number;
  frames: ClassicFrames;
  parseFrame: ParseFrame;
  closeCodes: CloseCodes;
}

/** Close codes of connections that are refused or closed for these reasons, where they are not Parley's own. */
export type CloseCodes = Readonly<Partial<Record<Code, number>>>;

/** How clients may send their token, beside the Authorization header, the subprotocol `bearer.<jwt>` and the cookie. */
export interface TokenCarriers {
  /** Query parameters. */
  queries: readonly string[];
  /** Subprotocols whose next one is the token. */
  pairs: readonly string[];
  /** Schemes of the Authorization header, in lower case. */
  schemes: readonly string[];
  /** Returns the token in a client's first frame. Undefined where tokens are not sent in frames. */
  fromFrame: ((frame: string) => string | undefined) | undefined;
}

/** Compiles classic.json, which is parsed JSON. Throws `TemplateError` at the first thing that is wrong. */
export function compileClassic(json: unknown): Classic {
  const parsed = v.safeParse(descriptionSchema, json);
  if (!parsed.success) throw new TemplateError(explain(parsed.issues, "classic.json"));
  const description: Description = parsed.output;
  const { paths = [DEFAULT_PATH.pattern], history = {}, close = {} } = description;
  const roomPaths = parsePaths(paths);
  return {
    description,
    paths: roomPaths,
    cookiePath: roomPaths.every(({ path }) => `${path}/`.startsWith("/ws/")) ? "/ws" : "/",
    carriers: compileCarriers(description),
    historyLength: history.limit ?? HISTORY_LENGTH,
    frames: compileFrames(description),
    parseFrame: compileCommands(description),
    closeCodes: close,
  };
}

/** The server as it is without classic.json. */
export const defaultClassic: Classic = compileClassic({});

function compileCarriers(description: Description): TokenCarriers {
  const { token = [] } = description;
  const findToken = compileTokenFrames(description);
  return {
    // Each once, or a token would count as two.
    queries: [...new Set(token.flatMap(({ query }) => query ?? []))],
    pairs: [...new Set(token.flatMap(({ pair }) => pair ?? []))],
    schemes: token.flatMap(({ scheme }) => scheme?.toLowerCase() ?? []),
    fromFrame: findToken && ((frame) => findToken(parseJson(frame))),
  };
}

/** Undefined, which has no token, for what is not JSON. */
function parseJson(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch {
    return undefined;
  }
}
