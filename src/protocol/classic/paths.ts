import { TemplateError } from "./template.ts";

/** A pattern of URLs to which clients of a room connect. */
export interface RoomPath {
  /** As written in classic.json. */
  pattern: string;
  /** The path, without a slash at its end. `:room` stands for the room's id, unless the query has it. */
  path: string;
  /** The query parameter that has the room's id. Undefined when the path has it. */
  query: string | undefined;
}

/** Always works, beside the paths of classic.json. */
export const DEFAULT_PATH: RoomPath = {
  pattern: "/ws/chat/:room/",
  path: "/ws/chat/:room",
  query: undefined,
};

/** First segments of Parley's own routes. */
const RESERVED = new Set([
  "api",
  "dev",
  "docs",
  "healthz",
  "readyz",
  "metrics",
  "openapi.json",
  "asyncapi.json",
]);

/** No percent-encoding, which requests have lost by then, and no dot segments, which clients resolve. */
const SEGMENT = /^(:room|(?!\.\.?$)[A-Za-z0-9._~!$&'()+,;=@-]+)$/;
const QUERY = /^([A-Za-z0-9._~-]+)=:room$/;

/**
 * Parses the patterns of classic.json, those first that are to be tried first: a fixed path wins over one with `:room`.
 * Throws `TemplateError` for one that is wrong, that takes one of Parley's own routes, or that collides with another one.
 */
export function parsePaths(patterns: readonly string[]): RoomPath[] {
  const paths = patterns.map((pattern, index) => parsePath(pattern, `paths.${index}`));
  for (const [index, path] of paths.entries()) {
    const other = paths.slice(0, index).find((earlier) => collide(earlier, path));
    if (other)
      throw new TemplateError(`paths: "${other.pattern}" and "${path.pattern}" match the same requests`);
  }
  // The default comes last, so that a described path may take some of its requests.
  if (!paths.some(({ path }) => path === DEFAULT_PATH.path)) paths.push(DEFAULT_PATH);
  return [...paths.filter(({ query }) => query !== undefined), ...paths.filter(({ query }) => !query)];
}

function parsePath(pattern: string, place: string): RoomPath {
  const wrong = (reason: string) => new TemplateError(`${place}: "${pattern}" ${reason}`);
  const [front = "", query, ...more] = pattern.split("?");
  if (!front.startsWith("/")) throw wrong("must begin with a slash");
  if (more.length > 0) throw wrong("has two question marks");
  const path = front.replace(/\/$/, "");
  const segments = path.split("/").slice(1);
  if (!segments.every((segment) => SEGMENT.test(segment)))
    throw wrong("must consist of letters, digits, punctuation and the segment :room");
  const key = query === undefined ? undefined : QUERY.exec(query)?.[1];
  if (query !== undefined && key === undefined)
    throw wrong("may have one query parameter, such as ?room_id=:room");
  const count = segments.filter((segment) => segment === ":room").length + (key === undefined ? 0 : 1);
  if (count !== 1) throw wrong("must have :room once, as a segment of the path or in the query");
  const [first = ""] = segments;
  if (RESERVED.has(first)) throw wrong(`collides with Parley's own route /${first}`);
  return { pattern, path, query: key };
}

/** Whether a request may match both, with none of them the more specific one. */
function collide(a: RoomPath, b: RoomPath): boolean {
  if (a.query !== b.query) return false;
  const [left, right] = [a.path.split("/"), b.path.split("/")];
  if (left.length !== right.length) return false;
  return left.every((segment, index) => {
    const other = right[index];
    return segment === other || segment === ":room" || other === ":room";
  });
}
